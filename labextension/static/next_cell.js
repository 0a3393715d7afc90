// The next cell: code that a cell puts there replaces what it has put there before.
//
// A kernel can only have a new cell inserted below the one that runs. So we look, when such a cell has run, whether one
// was inserted: if the asking cell knows a former one, that gets the text, and the new one goes; else the asking cell
// remembers the new one in its metadata, which JupyterLab sends to the kernel with each run.

const ASKS_FOR_CODE = /^\s*%%berlin\b.*\s(-f|--format)[ =]?["']?code\b|^\s*%berlin\s+(-c\s+\S+\s+)?insert\b/i;
const METADATA = "berlin";

/** Return the plugin. */
export async function nextCell(shared) {
    const {INotebookTracker, NotebookActions} = await shared("@jupyterlab/notebook");
    return {
        id: "berlin-magic:next-cell",
        description: "Replaces the code that a %%berlin cell has put into the next cell, when it runs again.",
        autoStart: true,
        requires: [INotebookTracker],
        activate: () => {
            const below = new WeakMap(); // the id of the cell below, when the cell was sent
            NotebookActions.executionScheduled.connect((_, {notebook, cell}) => {
                if (asksForCode(cell)) below.set(cell.model, idOf(cellAfter(notebook, cell)));
            });
            NotebookActions.executed.connect((_, {notebook, cell}) => {
                if (!below.has(cell.model) || cell.isDisposed) return;
                const added = cellAfter(notebook, cell);
                if (added && idOf(added) !== below.get(cell.model)) keepOneCell(notebook, cell, added);
                below.delete(cell.model);
            });
        },
    };
}

const idOf = cell => cell?.model.id;
const cellAfter = (notebook, cell) => notebook.widgets[notebook.widgets.indexOf(cell) + 1];
const sourceOf = cell => cell.model.sharedModel.getSource();

function asksForCode(cell) {
    return cell.model.type === "code" && sourceOf(cell).split("\n", 20).some(line => ASKS_FOR_CODE.test(line));
}

/** Move the code of `added` to the cell that had the former code; if that is gone, let `cell` remember `added`. */
function keepOneCell(notebook, cell, added) {
    const known = cell.model.getMetadata(METADATA);
    const former = notebook.widgets.find(one => idOf(one) === known?.code_cell && one !== added && one !== cell);
    if (former?.model.type !== "code") {
        cell.model.setMetadata(METADATA, {...known, code_cell: idOf(added)});
        return;
    }
    former.model.sharedModel.setSource(sourceOf(added));
    notebook.model.sharedModel.deleteCell(notebook.widgets.indexOf(added));
}
