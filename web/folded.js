// ComfyUI's newer nodes fold away what a schema calls advanced. On the classic canvas a widget has to say so itself:
// then "Show Advanced" is in the node's menu.
import { app } from "../../scripts/app.js";

app.registerExtension({
  name: "DiffEdit.Folded",
  nodeCreated(node) {
    if (!node.comfyClass?.startsWith("DiffEdit_")) return;
    for (const widget of node.widgets ?? []) widget.advanced ??= widget.options?.advanced;
    node.setSize(node.computeSize());
  },
});
