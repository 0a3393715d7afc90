// Buttons on finished replies: on each code block, and for the whole reply.
import {isPrompt} from "./prompt_source.js";
import {codeIn, codeShown, unframed} from "./reply_code.js";

const MARKDOWN = "text/markdown";
const REPLY = ":is(.jp-RenderedHTML, .jp-RenderedMarkdown) > .berlin-reply";
const SAID_FOR = 2000; // ms

// Found by an attribute that JupyterLab takes out of outputs, so that no reply can look like this.
const STYLE = `
[data-berlin-buttons] { display: flex; gap: 4px; align-items: center; user-select: none; font: 12px/1.4 var(--jp-ui-font-family); }
:is(.highlight, .berlin-code):has(> [data-berlin-buttons=code]) { position: relative; }
[data-berlin-buttons=code] {
    position: absolute; top: 3px; inset-inline-end: 3px; opacity: 0; transition: opacity 0.1s;
}
:hover > [data-berlin-buttons=code], [data-berlin-buttons=code]:focus-within { opacity: 1; }
@media (hover: none), (forced-colors: active) { [data-berlin-buttons=code] { opacity: 1; } }
@media (prefers-reduced-motion: reduce) { [data-berlin-buttons] { transition: none; } }
@media print { [data-berlin-buttons] { display: none; } }
[data-berlin-buttons=reply] { margin-top: 4px; }
[data-berlin-buttons] button {
    font: inherit; padding: 1px 8px; cursor: pointer; border-radius: 3px; border: 1px solid var(--jp-border-color1);
    color: var(--jp-ui-font-color1); background: var(--jp-layout-color1);
}
[data-berlin-buttons] button:hover { background: var(--jp-layout-color2); }
[data-berlin-buttons] button:focus-visible { outline: 2px solid var(--jp-brand-color1); outline-offset: 1px; }
[data-berlin-buttons] [role=status] { color: var(--jp-ui-font-color1); background: var(--jp-layout-color1); }
`;

// The look of a reply that is saved as Markdown alone: that of the live one (berlin_magic/display/markdown/stylesheet.py).
// JupyterLab's colours of code have too little contrast there, and are mixed with the colour of the text around.
const COLOURS = ["keyword", "string", "number", "comment", "builtin", "def", "meta", "tag", "attribute", "operator"];
const mixed = name => `color-mix(in srgb, var(--berlin-${name}) 70%, currentcolor)`;
const LOOK = `
.jp-RenderedMarkdown > .berlin-reply { ${COLOURS.map(name => `--berlin-${name}: var(--jp-mirror-editor-${name}-color);`).join(" ")} }
.jp-RenderedMarkdown .berlin-code {
    display: block !important; overflow: visible !important; contain: inline-size; border-radius: 4px;
    background: var(--jp-cell-editor-background); border: 1px solid var(--jp-border-color2);
    ${COLOURS.map(name => `--jp-mirror-editor-${name}-color: ${mixed(name)};`).join(" ")}
}
.jp-RenderedMarkdown .berlin-code > small {
    display: block; padding: 0.3em 0.8em 0; font: 80%/1.2 var(--jp-content-font-family);
    color: var(--jp-content-font-color2); user-select: none;
}
.jp-RenderedMarkdown .berlin-code > pre {
    background: none; margin: 0; padding: 0.6em 0.8em; overflow-x: auto; white-space: pre;
    overflow-wrap: normal; word-break: normal;
}
.jp-RenderedMarkdown .berlin-code > pre code { background: none; padding: 0; white-space: inherit; }
.jp-RenderedMarkdown .berlin-reply div:has(> table) { contain: inline-size; }
.jp-RenderedMarkdown .berlin-reply table { margin-inline: 0; overflow-wrap: normal; word-break: normal; }
`;

/** Return the plugin. */
export async function replyButtons(shared) {
    const [{INotebookTracker}, {Clipboard}] = await Promise.all(
        ["@jupyterlab/notebook", "@jupyterlab/apputils"].map(shared)
    );
    return {
        id: "berlin-magic:reply-buttons",
        description: "Puts buttons on the replies of %%berlin cells.",
        autoStart: true,
        optional: [INotebookTracker],
        activate: (app, notebooks) => {
            const ask = (notebook, cell) => {
                notebook.activeCellIndex = notebook.widgets.indexOf(cell);
                notebook.deselectAll();
                app.commands.execute("notebook:run-cell");
            };
            const actions = {ask, copy: text => Clipboard.copyToSystem(text)};
            addStyle(LOOK);
            notebooks?.forEach(panel => follow(panel.content, actions));
            notebooks?.widgetAdded.connect((_, panel) => follow(panel.content, actions));
        },
    };
}

/** Follow the code cells of a notebook, those that come later too. */
function follow(notebook, actions) {
    const followed = new WeakSet();
    const look = () => {
        for (const cell of notebook.widgets) {
            if (cell.model.type !== "code" || followed.has(cell)) continue;
            followed.add(cell);
            followOutputs(notebook, cell, actions);
        }
    };
    const begin = () => {
        notebook.model?.cells.changed.connect(look);
        look();
    };
    notebook.modelChanged.connect(begin);
    begin();
}

/** Keep the buttons on the replies in a cell's outputs, as long as there are any. */
function followOutputs(notebook, cell, actions) {
    const area = cell.outputArea;
    const drawn = new WeakSet();
    let observer = null;

    const reply = index => {
        const output = index < area.model.length ? area.model.get(index) : null;
        if (!output?.metadata.berlin) return null;
        const markdown = output.data[MARKDOWN];
        return typeof markdown === "string" ? markdown : null;
    };
    const draw = () => {
        area.widgets.forEach((widget, index) => {
            const markdown = reply(index);
            const root = markdown === null ? null : widget.node.querySelector(REPLY);
            if (!root || drawn.has(root)) return;
            drawn.add(root);
            decorate(root, () => reply(area.widgets.indexOf(widget)), {notebook, cell, ...actions});
        });
        observer.takeRecords();
    };
    const check = () => {
        const any = Array.from({length: area.model.length}, (_, index) => reply(index)).some(found => found !== null);
        if (any && !observer) {
            observer = new MutationObserver(draw); // outputs are drawn a while after they have changed
            observer.observe(area.node, {childList: true, subtree: true});
        } else if (!any) {
            observer?.disconnect();
            observer = null;
        }
        if (any) draw();
    };
    area.model.changed.connect(check);
    check();
}

/** Put buttons on what is drawn of one reply; `markdown()` returns what the notebook holds of it now. */
function decorate(root, markdown, {notebook, cell, copy, ask}) {
    // What is copied or inserted is what the Markdown holds, and only if it is what is drawn, now.
    const read = () => {
        const held = codeIn(markdown() ?? "");
        const blocks = [...root.querySelectorAll("pre")];
        const code = new Map(blocks.map((pre, at) => [pre, held[at] === codeShown(pre) ? held[at] : null]));
        const agrees = held.length === blocks.length && ![...code.values()].includes(null);
        return {code, whole: agrees ? unframed(markdown()) : null};
    };
    const codeOf = pre => read().code.get(pre) ?? null;
    const isQuestion = () => isPrompt(cell.model.sharedModel.getSource());

    requestAnimationFrame(() => setTimeout(() => makeWideFocusable(root))); // when all is laid out: to ask earlier is slow
    const {code, whole} = read();
    [...code].forEach(([pre, held], index) => {
        const block = pre.parentElement;
        if (held === null || !block.matches(".highlight, .berlin-code")) return;
        const name = `code block ${index + 1}`;
        block.append(
            buttons("code", name, [
                ["Copy", `Copy ${name}`, () => copied(copy, codeOf(pre))],
                ["Insert below", `Insert below: ${name}`, () => insert(notebook, cell, codeOf(pre))],
            ])
        );
    });
    const wanted = [];
    if (whole !== null) wanted.push(["Copy", "Copy the reply as Markdown", () => copied(copy, read().whole)]);
    if (isQuestion()) {
        const again = () => (isQuestion() ? ask(notebook, cell) : "The cell is no %%berlin cell any more");
        wanted.push(["Ask again", "Ask again: run this cell", again]);
    }
    if (wanted.length) root.parentElement.append(buttons("reply", "Reply", wanted));
}

/** Let the keyboard focus what is wide enough to scroll. */
function makeWideFocusable(root) {
    for (const wide of root.querySelectorAll("pre, .berlin-table, div:has(> table)")) {
        if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0;
    }
}

const CHANGED = "Not done: what is shown is not what the notebook holds";

function copied(copy, text) {
    if (text === null) return CHANGED;
    copy(text);
    return "Copied";
}

function insert(notebook, cell, source) {
    const at = notebook.widgets.indexOf(cell);
    if (source === null || at < 0) return CHANGED;
    notebook.model.sharedModel.insertCell(at + 1, {cell_type: "code", source});
    return "Inserted";
}

/** Return a group of buttons; each has a text, a name, and an action that returns what to say. */
function buttons(kind, name, wanted) {
    addStyle(STYLE);
    const group = document.createElement("div");
    group.dataset.berlinButtons = kind;
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", name);
    const said = document.createElement("span");
    said.setAttribute("role", "status");
    let clearing;
    for (const [text, label, action] of wanted) {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = text;
        button.dataset.lmSuppressShortcuts = "true"; // or the notebook takes a letter for its command: X cuts the cell
        button.title = label;
        button.setAttribute("aria-label", label);
        button.addEventListener("click", () => {
            said.textContent = action() ?? "";
            clearTimeout(clearing);
            clearing = setTimeout(() => (said.textContent = ""), SAID_FOR);
        });
        group.append(button);
    }
    group.append(said);
    return group;
}

const styles = new Set();

function addStyle(text) {
    if (styles.has(text)) return;
    styles.add(text);
    const style = document.createElement("style");
    style.textContent = text;
    document.head.append(style);
}
