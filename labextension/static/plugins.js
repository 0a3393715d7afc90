// The plugins of the extension.
import {commands} from "./commands.js";
import {promptCells} from "./prompt_cells.js";
import {replyButtons} from "./reply_buttons.js";

/** Return JupyterLab's plugins; `shared(name)` loads a module that JupyterLab shares. */
export const plugins = shared => Promise.all([commands, promptCells, replyButtons].map(plugin => plugin(shared)));
