// The plugins of the extension.
import {commands} from "./commands.js";
import {history} from "./history.js";
import {nextCell} from "./next_cell.js";
import {promptCells} from "./prompt_cells.js";
import {replyButtons} from "./reply_buttons.js";
import {status} from "./status.js";

const PLUGINS = [commands, history, nextCell, promptCells, replyButtons, status];

/** Return JupyterLab's plugins; `shared(name)` loads a module that JupyterLab shares. */
export async function plugins(shared) {
    // A front end that lacks a module, such as a status bar, has the others all the same.
    const found = await Promise.allSettled(PLUGINS.map(plugin => plugin(shared)));
    return found.filter(({status}) => status === "fulfilled").map(({value}) => value);
}
