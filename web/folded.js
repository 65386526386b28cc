// ComfyUI's newer nodes fold away what a schema calls advanced. On the classic canvas a widget has to say so itself, and to
// give up its place: then "Show Advanced" in the node's menu brings it back. One that has a wire stays, and one that its
// options hide is never seen.
import { app } from "../../scripts/app.js";

function fold(node, widget) {
  const folds = () => !node.inputs?.some((input) => input.widget?.name === widget.name && input.link != null);
  const says = (name, get) => Object.defineProperty(widget, name, { get, set() {}, configurable: true });
  says("advanced", folds);
  says("hidden", () => Boolean(widget.options.hidden) || (folds() && !node.showAdvanced));
}

app.registerExtension({
  name: "DiffEdit.Folded",
  nodeCreated(node) {
    if (!node.comfyClass?.startsWith("DiffEdit_")) return;
    const advanced = (node.widgets ?? []).filter((widget) => widget.options?.advanced);
    for (const widget of advanced) fold(node, widget);
    if (advanced.length) node.setSize(node.computeSize());
  },
});
