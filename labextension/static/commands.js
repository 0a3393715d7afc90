// Commands for the palette and a menu, one of them with a shortcut (in `schemas`, so that users can change them).
import {canTry, dryRun} from "./dry_run.js";

const CATEGORY = "Berlin";
const PROMPT = "%%berlin\n";

/** Return the plugin. */
export async function commands(shared) {
    const [{INotebookTracker}, apputils, widgets] = await Promise.all(
        ["@jupyterlab/notebook", "@jupyterlab/apputils", "@lumino/widgets"].map(shared)
    );
    return {
        id: "berlin-magic:commands",
        description: "Adds commands for %%berlin cells.",
        autoStart: true,
        optional: [INotebookTracker, apputils.ICommandPalette],
        activate: (app, notebooks, palette) => {
            if (!notebooks) return;
            const isEnabled = () => notebooks.currentWidget !== null && notebooks.currentWidget === app.shell.currentWidget;
            const add = (name, label, caption, execute, applies = () => true) => {
                const command = `berlin-magic:${name}`;
                app.commands.addCommand(command, {
                    label,
                    caption,
                    isEnabled: () => isEnabled() && applies(notebooks.currentWidget.content),
                    execute: () => execute(notebooks.currentWidget.content),
                });
                palette?.addItem({command, category: CATEGORY});
            };
            const run = source => async notebook => {
                insertBelow(notebook, source);
                await app.commands.execute("notebook:run-cell");
            };

            add("new-prompt", "New Prompt Cell Below", "Insert a %%berlin cell and write in it", async notebook => {
                insertBelow(notebook, PROMPT);
                const {activeCell} = notebook;
                await activeCell.ready; // JupyterLab 4.2 makes its editor a while later
                await app.commands.execute("notebook:enter-edit-mode");
                activeCell.editor.setCursorPosition({line: 1, column: 0});
            });
            add("stop", "Stop the Reply", "Interrupt the kernel, which keeps what has arrived", () =>
                app.commands.execute("notebook:interrupt-kernel")
            );
            add(
                "continue",
                "Continue the Reply",
                "Run %berlin continue in a new cell below",
                run("%berlin continue")
            );
            add(
                "dry-run",
                "Show What Would Be Sent",
                "Try the prompt cell with --dry-run: nothing is sent",
                () => dryRun(notebooks.currentWidget, apputils, widgets),
                canTry
            );
        },
    };
}

/** Insert a code cell below the active one, and make it the active one. */
function insertBelow(notebook, source) {
    const at = notebook.activeCellIndex + 1;
    notebook.model.sharedModel.insertCell(at, {cell_type: "code", source});
    notebook.activeCellIndex = at;
    notebook.deselectAll();
}
