// The dry run of a prompt cell: what would be sent, in a dialog; neither the notebook nor the conversation changes.
import {isPrompt, withOption} from "./prompt_source.js";

/** Whether the active cell of a notebook can be tried. */
export const canTry = notebook => isPrompt(notebook.activeCell?.model.sharedModel.getSource() ?? "");

/** Show what the active cell would send. */
export async function dryRun(panel, {Dialog, showDialog}, {Widget}) {
    const {content: notebook, sessionContext} = panel;
    const {model} = notebook.activeCell;
    const kernel = sessionContext.session?.kernel;
    if (!kernel || !canTry(notebook)) return;
    const code = withOption(model.sharedModel.getSource(), "--dry-run");
    // As in its cell: what would be sent depends on what stands above it.
    const options = {code, store_history: false, stop_on_error: false, allow_stdin: false};
    const future = kernel.requestExecute(options, true, {cellId: model.id});
    const body = new Widget();
    body.addClass("berlin-dry-run");
    Object.assign(body.node.style, {maxWidth: "80ch", maxHeight: "70vh", overflow: "auto"});
    body.node.tabIndex = 0;
    future.onIOPub = ({header, content}) => {
        const shown = rendered(header.msg_type, content, notebook.rendermime);
        if (shown) body.node.append(shown);
    };
    await future.done;
    await showDialog({title: "What would be sent", body, buttons: [Dialog.okButton({label: "Close"})]});
}

/** Return what a message of the kernel shows, as text or as sanitized HTML; null if it shows nothing. */
function rendered(type, content, rendermime) {
    if (type === "display_data" || type === "execute_result") {
        const data = rendermime.createModel({data: content.data, metadata: content.metadata, trusted: false});
        const mimeType = rendermime.preferredMimeType(data.data, "ensure");
        if (!mimeType) return null;
        const renderer = rendermime.createRenderer(mimeType);
        renderer.renderModel(data);
        return renderer.node;
    }
    const text = {stream: content.text, error: `${content.ename}: ${content.evalue}`}[type];
    if (!text) return null;
    const pre = document.createElement("pre");
    pre.textContent = text;
    pre.style.whiteSpace = "pre-wrap";
    return pre;
}
