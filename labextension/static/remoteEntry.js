// The entry of the JupyterLab extension: what JupyterLab loads first, and asks for the plugins.
//
// It is a container of "module federation", written by hand, so that nothing has to be built. JupyterLab calls `init`
// with the modules that it shares: {name: {version: {get, loaded}}}.
(() => {
    let modules = {};

    const newer = (a, b) => b.localeCompare(a, undefined, {numeric: true});

    // JupyterLab has one copy of each of these. If another extension brings its own, take the one that is in use.
    const shared = async name => {
        const versions = modules[name];
        const inUse = Object.keys(versions).sort((a, b) => !!versions[b].loaded - !!versions[a].loaded || newer(a, b));
        return (await versions[inUse[0]].get())();
    };

    window._JUPYTERLAB ??= {};
    window._JUPYTERLAB["berlin-magic"] = {
        init: scope => {
            modules = scope;
        },
        get: async () => {
            const {plugins} = await import("./plugins.js");
            const found = await plugins(shared);
            return () => ({__esModule: true, default: found});
        },
    };
})();
