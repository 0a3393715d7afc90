// Prompt cells as prose: the editor of a `%%berlin` cell is one for Markdown.
import {isMagic, isPrompt} from "./prompt_source.js";

const MARKDOWN = "text/x-ipythongfm"; // the language of JupyterLab's Markdown cells
const EXPRESSION = /\\?\{\{[^]{1,500}?\}\}\}*/g; // `\{{` is two braces
const EXPRESSION_HERE = RegExp(`^${EXPRESSION.source}`);
const LONGEST = 600;
const OPENING = "{{";
const START = 1000; // characters that are looked at for the first line: of a long text, not all
const CODE = ["FencedCode", "CodeText"]; // berlin_magic finds no expression in a fence
const OFF = [];

const THEME = {
    ".berlin-magic-line": {color: "var(--jp-mirror-editor-keyword-color)"},
    ".berlin-expression": {
        background: "var(--jp-layout-color2)",
        borderRadius: "3px",
        boxShadow: "0 0 0 1px var(--jp-border-color1)",
    },
    ".berlin-expression, .berlin-expression *": {color: "var(--jp-content-font-color0)"},
};

/** Return the plugin. */
export async function promptCells(shared) {
    const [codemirror, state, view, language] = await Promise.all(
        ["@jupyterlab/codemirror", "@codemirror/state", "@codemirror/view", "@codemirror/language"].map(shared)
    );
    return {
        id: "berlin-magic:prompt-cells",
        description: "Shows %%berlin cells as prose.",
        autoStart: true,
        optional: [codemirror.IEditorExtensionRegistry, codemirror.IEditorLanguageRegistry],
        activate: (_app, extensions, languages) => {
            if (!extensions || !languages) return;
            const load = once(async () => {
                const {support} = await languages.getLanguage(MARKDOWN);
                return (load.loaded = promptLanguage(support.language, language.Language));
            });
            extensions.addExtension({
                name: "berlin-magic:prompt",
                factory: ({model}) => {
                    if (model.type !== "code") return null;
                    const extension = promptEditor(isPrompt(start(model.sharedModel.getSource())), load, {
                        ...state,
                        ...view,
                        ...language,
                    });
                    return {instance: () => extension, reconfigure: () => null};
                },
            });
        },
    };
}

const start = text => text.slice(0, START);

const once = load => {
    let result;
    return () => (result ??= load());
};

/** Return Markdown whose first line is the magic, and whose expressions are no Markdown. */
function promptLanguage(markdown, Language) {
    const parser = markdown.parser.configure({
        defineNodes: [{name: "BerlinMagic", block: true}, "BerlinExpression"],
        parseBlock: [
            {
                name: "BerlinMagic",
                before: "IndentedCode",
                parse: (context, line) => {
                    const from = context.lineStart;
                    if (from !== 0 || !isMagic(line.text)) return false;
                    context.addElement(context.elt("BerlinMagic", from, from + line.text.length));
                    context.nextLine();
                    return true;
                },
            },
        ],
        parseInline: [
            {
                name: "BerlinExpression",
                before: "Escape",
                parse: (context, next, from) => {
                    if (next !== OPENING.charCodeAt(0) || context.slice(from, from + 2) !== OPENING) return -1;
                    const [text] = EXPRESSION_HERE.exec(context.slice(from, Math.min(from + LONGEST, context.end))) ?? [""];
                    return text ? context.addElement(context.elt("BerlinExpression", from, from + text.length)) : -1;
                },
            },
        ],
    });
    return new Language(markdown.data, parser, [], "berlin-prompt");
}

/** Return the extension of one editor: prose as long as its first line is the magic, and nothing otherwise. */
function promptEditor(isPromptNow, load, codemirror) {
    const {Compartment, Decoration, EditorState, EditorView, Prec, ViewPlugin, indentService, syntaxTree} = codemirror;
    const prompt = new Compartment();
    const magic = Decoration.line({class: "berlin-magic-line"});
    const expression = Decoration.mark({class: "berlin-expression"});

    const inCode = (tree, at) => {
        for (let node = tree.resolveInner(at, 1); node; node = node.parent) {
            if (CODE.includes(node.name)) return true;
        }
        return false;
    };

    const marks = ({state, visibleRanges}) => {
        const found = [];
        const tree = syntaxTree(state);
        for (const {from, to} of visibleRanges) {
            if (from === 0) {
                let line = state.doc.line(1);
                while (!line.text.trim() && line.number < state.doc.lines) line = state.doc.line(line.number + 1);
                found.push(magic.range(line.from));
            }
            for (const match of state.sliceDoc(from, to).matchAll(EXPRESSION)) {
                const at = from + match.index;
                if (match[0].startsWith(OPENING) && !inCode(tree, at)) {
                    found.push(expression.range(at, at + match[0].length));
                }
            }
        }
        return Decoration.set(found, true);
    };

    const marking = ViewPlugin.fromClass(
        class {
            constructor(view) {
                this.decorations = marks(view);
                this.tree = syntaxTree(view.state);
            }
            update(change) {
                const tree = syntaxTree(change.state);
                if (change.docChanged || change.viewportChanged || tree !== this.tree) {
                    this.decorations = marks(change.view);
                    this.tree = tree;
                }
            }
        },
        {decorations: plugin => plugin.decorations}
    );

    const loading = ViewPlugin.define(view => {
        let gone = false;
        load().then(() => {
            if (!gone) view.dispatch({effects: prompt.reconfigure(prose())});
        });
        return {destroy: () => (gone = true)};
    });

    // A new line begins below the one above it, and a question below an indented magic at the margin. Python would
    // indent otherwise, also until Markdown is loaded.
    const indent = (context, at) => (isMagic(context.lineAt(at, -1).text) ? 0 : context.lineIndent(at, -1));

    const prose = () => [
        Prec.highest([
            load.loaded ?? loading, // a later editor begins with it
            indentService.of(indent),
            EditorView.lineWrapping,
            EditorView.contentAttributes.of({spellcheck: "true"}),
            EditorState.languageData.of(() => [{closeBrackets: {brackets: []}}]),
        ]),
        EditorView.baseTheme(THEME),
        marking,
    ];

    return [
        prompt.of(isPromptNow ? prose() : OFF),
        EditorState.transactionExtender.of(change => {
            if (!change.docChanged) return null;
            const was = prompt.get(change.startState) !== OFF;
            const is = isPrompt(change.newDoc.sliceString(0, START));
            return is === was ? null : {effects: prompt.reconfigure(is ? prose() : OFF)};
        }),
    ];
}
