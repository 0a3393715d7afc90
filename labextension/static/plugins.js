// The plugins of the extension.

/** Return JupyterLab's plugins; `shared(name)` loads a module that JupyterLab shares. */
export const plugins = _shared => Promise.all([]);
