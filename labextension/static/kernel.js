// Questions to berlin_magic in a notebook's kernel. The answers are untrusted: they are shown as text alone.

const LOADED = '__import__("sys").modules["berlin_magic.kernel.extension"]';
const FRONT_END = `(${LOADED} and __import__("berlin_magic.kernel.front_end", fromlist=["take"]))`;
const JSON_TYPE = "application/json";

/**
 * Return the answer to a question; null if the kernel has another language, no berlin_magic or an older version of it.
 *
 * The question is an execution that is silent and leaves nothing in the history; a cell that runs is waited for.
 */
export async function ask(sessionContext, question, ...words) {
    const kernel = sessionContext?.session?.kernel;
    if (!kernel || (await kernel.info).language_info?.name !== "python") return null;
    const literals = [question, ...words].map(word => JSON.stringify(word)); // a string of JSON is one of Python, too
    try {
        const {content} = await kernel.requestExecute({
            code: `await ${FRONT_END}.prepare(${literals.join(", ")})`,
            silent: true,
            store_history: false,
            stop_on_error: false,
            allow_stdin: false,
            user_expressions: {berlin: `${FRONT_END}.take()`},
        }).done;
        return content.user_expressions?.berlin?.data?.[JSON_TYPE] ?? null;
    } catch {
        return null; // the kernel has ended
    }
}

/** Call `changed(panel)` if another notebook comes to the front, its kernel begins anew, or a cell about Berlin has run. */
export function follow(notebooks, NotebookActions, changed) {
    const followed = new WeakSet();
    const now = () => {
        const panel = notebooks.currentWidget;
        changed(panel);
        if (!panel || followed.has(panel)) return;
        followed.add(panel);
        const again = () => panel === notebooks.currentWidget && changed(panel);
        panel.context.ready.then(again);
        panel.sessionContext.kernelChanged.connect(again);
        panel.sessionContext.statusChanged.connect((_, status) => status.includes("restarting") && again());
    };
    notebooks.currentChanged.connect(now);
    NotebookActions.executed.connect((_, {notebook, cell}) => {
        const panel = notebooks.currentWidget;
        if (panel?.content === notebook && isAboutBerlin(cell.model)) changed(panel);
    });
    now();
}

const isAboutBerlin = model => model.type === "code" && /berlin/i.test(model.sharedModel.getSource());

/** Whether anything in a notebook is about Berlin: in others nothing of ours is shown, and nothing is asked. */
export function hasBerlin(panel) {
    const cells = panel?.content.model?.cells ?? [];
    return [...cells].some(isAboutBerlin);
}
