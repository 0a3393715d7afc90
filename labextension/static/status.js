// The status bar's item: the model that is asked, and the tokens of this notebook; a click lists the models.
import {ask, follow, hasBerlin} from "./kernel.js";

const USE = "berlin-magic:use";
const STYLE = `
.berlin-status-item button {
    font: inherit; color: inherit; background: none; border: 0; padding: 0 4px; height: 100%; cursor: pointer;
    max-width: 40ch; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
}
.berlin-status-item button:hover { background: var(--jp-layout-color3); }
.berlin-status-item button:focus-visible { outline: 2px solid var(--jp-brand-color1); outline-offset: -2px; }
`;

/** Return the plugin. */
export async function status(shared) {
    const [{INotebookTracker, NotebookActions}, {IStatusBar}, {Menu, Widget}] = await Promise.all(
        ["@jupyterlab/notebook", "@jupyterlab/statusbar", "@lumino/widgets"].map(shared)
    );
    return {
        id: "berlin-magic:status",
        description: "Shows in the status bar which model is asked.",
        autoStart: true,
        optional: [INotebookTracker, IStatusBar],
        activate: (app, notebooks, bar) => {
            if (!notebooks || !bar) return;
            const button = document.createElement("button");
            button.type = "button";
            button.setAttribute("aria-haspopup", "menu");
            const style = document.createElement("style");
            style.textContent = STYLE;

            // The item is shown only while there is something to show: other notebooks look as without the extension.
            let registered = null;
            const show = answer => {
                const words = answer && !answer.error ? described(answer) : "";
                button.textContent = words;
                button.title = `Berlin: ${words}\nClick to choose another model`;
                button.setAttribute("aria-label", `Berlin: ${words}. Choose a model`);
                if (!words) {
                    registered?.dispose();
                    registered = null;
                } else if (!registered) {
                    const item = new Widget();
                    item.addClass("berlin-status-item");
                    item.node.append(style, button);
                    registered = bar.registerStatusItem("berlin-magic:status", {item, align: "left", rank: 10});
                }
            };
            let asked = 0;
            const update = async panel => {
                const number = ++asked;
                const answer = hasBerlin(panel) ? await ask(panel.sessionContext, "state") : null;
                if (number === asked) show(answer);
            };
            const use = async model => {
                const panel = notebooks.currentWidget;
                const number = ++asked;
                const answer = await ask(panel?.sessionContext, "use", model);
                if (number === asked) show(answer);
            };
            app.commands.addCommand(USE, {
                label: ({model, error}) => error || model || "Berlin: use a model",
                isEnabled: ({model}) => Boolean(model),
                isVisible: ({model, error}) => Boolean(model || error),
                isToggled: ({isUsed}) => Boolean(isUsed),
                execute: ({model}) => use(model),
            });
            const menu = new Menu({commands: app.commands});
            menu.id = "berlin-models";
            button.addEventListener("click", async () => {
                button.setAttribute("aria-busy", "true");
                const answer = await ask(notebooks.currentWidget?.sessionContext, "models");
                button.removeAttribute("aria-busy");
                menu.clearItems();
                const models = answer?.models ?? [];
                for (const model of models) {
                    menu.addItem({command: USE, args: {model, isUsed: model === answer.used}});
                }
                const error = answer?.error ?? "The server lists no models";
                if (!models.length) menu.addItem({command: USE, args: {error: error.split("\n")[0]}});
                const {left, top} = button.getBoundingClientRect();
                menu.open(left, top, {verticalAlignment: "bottom"});
            });
            follow(notebooks, NotebookActions, update);
        },
    };
}

function described({provider, model, tokens, turns}) {
    const asked = [provider, model].filter(Boolean).join(": ") || "Berlin";
    if (tokens) return `${asked} · ${tokens.toLocaleString("en")} tokens`;
    return turns ? `${asked} · ${turns} ${turns === 1 ? "turn" : "turns"}` : asked;
}
