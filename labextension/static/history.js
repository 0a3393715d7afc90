// The history panel: the conversation of the notebook in front, and the way from each turn to its cell.
import {ask, follow, hasBerlin} from "./kernel.js";

const HTML = "text/html";
const NOTHING = "Nothing has been asked in this notebook, or its kernel has not loaded berlin_magic.";
const STYLE = `
.berlin-history { overflow-y: auto; padding: 8px; background: var(--jp-layout-color1); color: var(--jp-content-font-color1); }
.berlin-history > :is(h2, h3) { font-size: var(--jp-ui-font-size2); margin: 4px 0 8px; }
.berlin-history > ol { list-style: none; margin: 0; padding: 0; }
.berlin-history > ol > li { margin-bottom: 12px; padding-bottom: 8px; border-bottom: 1px solid var(--jp-border-color2); }
.berlin-history .berlin-question {
    display: block; width: 100%; text-align: start; font: inherit; font-weight: 600; color: inherit; white-space: pre-wrap;
    overflow-wrap: anywhere; background: none; border: 0; border-radius: 3px; padding: 4px; max-height: 12em; overflow: hidden;
}
.berlin-history .berlin-question:not(:disabled) { cursor: pointer; }
.berlin-history .berlin-question:not(:disabled):hover { background: var(--jp-layout-color2); }
.berlin-history .berlin-question:focus-visible { outline: 2px solid var(--jp-brand-color1); outline-offset: -2px; }
.berlin-history .berlin-marks { font-size: var(--jp-ui-font-size1); color: var(--jp-ui-font-color1); padding: 0 4px; }
.berlin-history > ol > .berlin-is-stale { border-inline-start: 3px solid var(--jp-warn-color1); }
.berlin-history .jp-RenderedHTMLCommon { padding: 4px; font-size: var(--jp-ui-font-size1); overflow-wrap: anywhere; }
.berlin-history .berlin-reply > :last-child { margin-bottom: 0; }
.berlin-history .highlight pre { background: var(--jp-cell-editor-background); padding: 4px; overflow-x: auto; }
`;

/** Return the plugin. */
export async function history(shared) {
    const [{INotebookTracker, NotebookActions}, {ICommandPalette}, {Widget}] = await Promise.all(
        ["@jupyterlab/notebook", "@jupyterlab/apputils", "@lumino/widgets"].map(shared)
    );
    return {
        id: "berlin-magic:history",
        description: "Shows the conversation of a notebook in a panel.",
        autoStart: true,
        optional: [INotebookTracker, ICommandPalette],
        activate: (app, notebooks, palette) => {
            if (!notebooks) return;
            const command = "berlin-magic:history";
            let view;
            app.commands.addCommand(command, {
                label: "Show the Conversation",
                caption: "Show all turns in a panel; a click on a question goes to its cell",
                isEnabled: () => notebooks.currentWidget !== null,
                execute: async () => {
                    view ??= panelFor(Widget, app, notebooks, NotebookActions);
                    if (!view.panel.isAttached) app.shell.add(view.panel, "right", {rank: 900});
                    app.shell.activateById(view.panel.id);
                    await view.update(notebooks.currentWidget);
                },
            });
            palette?.addItem({command, category: "Berlin"});
        },
    };
}

function panelFor(Widget, app, notebooks, NotebookActions) {
    const panel = new Widget();
    panel.id = "berlin-history";
    panel.addClass("berlin-history");
    panel.title.label = "Conversation";
    panel.title.caption = "The conversation of this notebook";
    panel.title.closable = true;
    panel.node.tabIndex = -1;
    panel.node.setAttribute("role", "region");
    panel.node.setAttribute("aria-label", "Conversation of this notebook");

    let asked = 0;
    let shown;
    const update = async notebook => {
        if (!panel.isAttached) return;
        const number = ++asked;
        const answer = hasBerlin(notebook) ? await ask(notebook.sessionContext, "history") : null;
        const text = JSON.stringify([notebook?.id, answer]);
        if (number !== asked || text === shown) return; // what is drawn again loses the focus
        shown = text;
        draw(panel.node, answer, notebook, app);
    };
    follow(notebooks, NotebookActions, update);
    return {panel, update};
}

function element(tag, className, text) {
    const made = document.createElement(tag);
    made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
}

function draw(node, answer, notebook, app) {
    const {scrollTop} = node;
    const style = element("style", "", STYLE);
    const title = element("h2", "", "Conversation");
    const conversations = answer?.conversations ?? [];
    node.replaceChildren(style, title);
    if (!conversations.length) node.append(element("p", "", answer?.error ?? NOTHING));
    for (const {name, turns} of conversations) {
        if (name) node.append(element("h3", "", name));
        const list = element("ol", "");
        turns.forEach((turn, index) => list.append(drawn(turn, index + 1, notebook, app)));
        node.append(list);
    }
    node.scrollTop = scrollTop;
}

function drawn(turn, number, notebook, app) {
    const one = element("li", turn.stale ? "berlin-is-stale" : "");
    const question = element("button", "berlin-question", `${number}  ${turn.question}`);
    question.type = "button";
    question.title = "Go to its cell";
    question.disabled = indexOf(turn, notebook.content) < 0;
    question.addEventListener("click", () => goTo(turn, notebook, app));
    const marks = element("div", "berlin-marks", [turn.answerer, ...turn.marks].join(" · "));
    const {rendermime} = notebook.content;
    const renderer = rendermime.createRenderer(HTML);
    renderer.renderModel(rendermime.createModel({data: {[HTML]: turn.html}, trusted: false})).then(() => {
        for (const wide of renderer.node.querySelectorAll("pre, .berlin-table")) wide.tabIndex = 0; // it may scroll
        rendermime.latexTypesetter?.typeset(renderer.node);
    });
    one.append(question, marks, renderer.node);
    if (turn.rest) one.append(element("div", "berlin-marks", `… ${turn.rest.toLocaleString("en")} more characters`));
    return one;
}

/** Return which cell a turn was asked in: by the cell's id, else by what its output says. */
function indexOf(turn, notebook) {
    const cells = notebook.widgets.map(({model}) => model);
    const holds = ({outputs}) =>
        Array.from({length: outputs?.length ?? 0}, (_, i) => outputs.get(i)).some(
            ({metadata}) => metadata.berlin?.turn === turn.id
        );
    const byId = cells.findIndex(({id}) => id === turn.cell);
    return byId < 0 ? cells.findIndex(holds) : byId;
}

async function goTo(turn, panel, app) {
    const notebook = panel.content;
    const index = indexOf(turn, notebook);
    if (panel.isDisposed || index < 0) return;
    app.shell.activateById(panel.id);
    notebook.activeCellIndex = index;
    notebook.deselectAll();
    await notebook.scrollToItem(index, "smart");
}
