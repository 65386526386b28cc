// Mask Refine's mask over the picture, on the node itself, as its knobs are turned. The mask is made by the server, by
// the very function that a run calls; here it is only shown, and corrections are painted.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

const NODE = "DiffEdit_MaskRefine";
const views = () => ({ overlay: word("Mask on picture"), mask: word("Mask"), heatmap: word("Heatmap"), picture: word("Picture") });
const brushes = () => ({ 1: word("Add"), "-1": word("Take away") });
const COLOURS = { 1: [60, 220, 90], "-1": [230, 60, 70] };
const MOST_CELLS = 256; // a side of what is painted
const SUBGRAPH_INPUTS = -10;

// What the page says, in its language. locales/words.py finds the texts by word("...").
let words = {};
const word = (text) => words[text] ?? text;

async function learnWords() {
  const languages = await api.getCustomNodesI18n().catch(() => ({}));
  words = languages[app.extensionManager.setting.get("Comfy.Locale")]?.diffedit ?? {};
}

app.registerExtension({
  name: "DiffEdit.LiveMask",
  async beforeRegisterNodeDef(nodeType, def) {
    if (def.name !== NODE) return;
    await learnWords();
    const names = Object.keys({ ...def.input.required, ...def.input.optional });
    const { onNodeCreated, onExecuted, onRemoved } = nodeType.prototype;
    nodeType.prototype.onDrawBackground = () => {}; // no second picture of the mask below
    nodeType.prototype.onNodeCreated = function () {
      onNodeCreated?.apply(this, arguments);
      this.liveMask = new LiveMask(this, names);
    };
    nodeType.prototype.onExecuted = function () {
      onExecuted?.apply(this, arguments);
      this.liveMask.look();
    };
    nodeType.prototype.onRemoved = function () {
      onRemoved?.apply(this, arguments);
      this.liveMask.end();
    };
  },
});

class LiveMask {
  constructor(node, names) {
    this.node = node;
    this.names = names;
    this.view = "overlay";
    this.brush = 0; // 1 adds, -1 takes away
    this.wipe = 0; // the share on the left that shows the bare picture
    this.shown = {}; // by view
    this.undone = []; // corrections before each stroke
    this.build();
    node.hideOutputImages = true;
    const widget = node.addDOMWidget("live_mask", "diffedit_live_mask", this.element, {
      serialize: false,
      getMinHeight: () => 300,
    });
    widget.serialize = false; // else the values of the widgets would be written with one more
    for (const each of node.widgets.filter((each) => names.includes(each.name))) {
      const { callback } = each;
      each.callback = (...args) => {
        const done = callback?.apply(each, args);
        this.look();
        return done;
      };
    }
    this.corrections = node.widgets.find((each) => each.name === "corrections");
    this.corrections.hidden = true;
    this.corrections.options.hidden = true;
    this.corrections.computeSize = () => [0, -4]; // 1.27 leaves room for it
    this.watch = setInterval(() => this.look(), 200); // undo, restored outputs, values that a script sets
  }

  end() {
    clearInterval(this.watch);
    const { run } = this;
    setTimeout(() => this.node.graph === null && run && post("forget", { run })); // a closed graph may come back
  }

  // What the node's last run gave.
  get output() {
    const { graph, id } = this.node;
    const isInside = graph && graph !== (graph.rootGraph ?? graph);
    return app.nodeOutputs?.[isInside ? `${graph.id}:${id}` : id];
  }

  // The word by which the server knows that run.
  get run() {
    return this.output?.diffedit_live?.[0];
  }

  get settings() {
    const own = this.node.widgets.filter((each) => this.names.includes(each.name));
    return Object.fromEntries(own.map((each) => [each.name, valueOf(this.node, each)]));
  }

  // Asks for what is not shown yet: one question at a time, and after it only the newest.
  async look() {
    if (this.busy) return;
    this.busy = true;
    try {
      let last;
      do {
        last = this.asked;
        await this.ask();
      } while (last !== this.asked);
    } finally {
      this.busy = false;
    }
  }

  async ask() {
    const { run, view, settings } = this;
    const question = JSON.stringify([run, view, settings]);
    if (question === this.asked) return;
    this.asked = question;
    if (!run) return this.say(word("Run once, then turn the knobs."));
    if (this.shown.run !== run || this.shown.picture.error) this.shown = { run, picture: await picture(run, "picture", {}) };
    const found = this.shown.picture.error ? this.shown.picture : await picture(run, view, settings);
    if (found.error && !found.gone) return this.say(found.error);
    this.shown.now = found.gone ? await file(this.output.images[0]) : found;
    this.stroke = this.painting;
    this.say(found.gone ? word("This run is no longer held. Turn a knob and run again.") : found.said);
  }

  say(line) {
    this.line.textContent = line;
    this.line.style.display = line ? "block" : "none";
    this.draw();
  }

  draw() {
    const { canvas } = this;
    const { now, picture: bare } = this.shown;
    if (!now) return;
    if (canvas.width !== now.width || canvas.height !== now.height) Object.assign(canvas, { width: now.width, height: now.height });
    const pen = canvas.getContext("2d");
    pen.drawImage(now, 0, 0);
    const left = Math.round(this.wipe * now.width);
    if (left > 0 && bare?.width) {
      pen.drawImage(bare, 0, 0, left, bare.height, 0, 0, left, now.height);
      pen.fillStyle = "white";
      pen.fillRect(left - 1, 0, 2, now.height);
    }
    if (this.stroke) pen.drawImage(tinted(this.cells), 0, 0, now.width, now.height);
  }

  // Where the pointer is, as shares of the picture.
  at(event) {
    const { canvas } = this;
    const box = canvas.getBoundingClientRect();
    const scale = Math.min(box.width / canvas.width, box.height / canvas.height);
    const across = (event.clientX - box.left - (box.width - canvas.width * scale) / 2) / (canvas.width * scale);
    const down = (event.clientY - box.top - (box.height - canvas.height * scale) / 2) / (canvas.height * scale);
    return [across, down];
  }

  begin(event) {
    if (!this.shown.now) return;
    this.canvas.setPointerCapture(event.pointerId);
    if (this.brush) {
      this.cells = read(this.corrections.value) ?? blank(this.canvas);
      this.undone.push(this.corrections.value);
      this.painting = this.stroke = true;
    }
    this.move(event);
  }

  move(event) {
    const [across, down] = this.at(event);
    if (this.painting) {
      dab(this.cells, across, down, (this.size.value / 100) * Math.max(this.cells.width, this.cells.height), this.brush);
    } else if (!this.brush) {
      this.wipe = Math.min(1, Math.max(0, across));
    }
    this.draw();
  }

  finish() {
    if (!this.painting) return;
    this.painting = false;
    this.correct(write(this.cells));
  }

  correct(text) {
    this.corrections.value = text;
    this.corrections.callback?.(text);
    app.graph.setDirtyCanvas(true, true);
  }

  build() {
    this.element = make("div", { className: "diffedit-live" }, "display:flex;flex-direction:column;gap:4px;overflow:hidden");
    this.canvas = make("canvas", { width: 0, height: 0 }, "flex:1;min-height:0;width:100%;object-fit:contain;touch-action:none");
    this.line = make("div", { className: "diffedit-line" }, "font-size:12px;padding:2px;color:var(--input-text)");
    this.size = make("input", { type: "range", min: 1, max: 15, value: 4, title: word("Size of the brush") }, "width:60px");
    const choose = (key, choices, value) => {
      const buttons = Object.entries(choices).map(([name, title]) =>
        button(title, () => {
          this[key] = key === "brush" && this.brush === Number(name) ? 0 : value(name);
          show();
          this.look();
        }),
      );
      const show = () => Object.keys(choices).forEach((name, i) => (buttons[i].style.opacity = this[key] === value(name) ? 1 : 0.55));
      show();
      return buttons;
    };
    const top = make("div", {}, "display:flex;gap:3px;flex-wrap:wrap");
    top.append(...choose("view", views(), String));
    const bottom = make("div", {}, "display:flex;gap:3px;flex-wrap:wrap;align-items:center");
    const undo = button(word("Undo"), () => this.undone.length && this.correct(this.undone.pop()));
    const clear = button(word("Clear"), () => {
      this.undone.push(this.corrections.value);
      this.correct("");
    });
    bottom.append(...choose("brush", brushes(), Number), this.size, undo, clear);
    this.element.append(top, this.canvas, this.line, bottom);
    this.canvas.title = word("Drag to compare with the picture, or choose a brush below and paint");
    this.element.addEventListener("pointerdown", (event) => event.stopPropagation());
    this.canvas.addEventListener("pointerdown", (event) => this.begin(event));
    this.canvas.addEventListener("pointermove", (event) => event.buttons && this.move(event));
    this.canvas.addEventListener("pointerup", () => this.finish());
    this.canvas.addEventListener("pointercancel", () => this.finish());
  }
}

// A widget's value, also where a subgraph shows it on its own node. Undefined where another node says it.
function valueOf(node, widget) {
  const link = node.inputs?.find((each) => each.widget?.name === widget.name)?.link;
  if (link == null) return widget.value;
  const graph = node.graph;
  const from = graph.getLink?.(link) ?? graph.links[link];
  if (Number(from?.origin_id) !== SUBGRAPH_INPUTS) return undefined;
  const outer = (graph.rootGraph ?? app.graph).nodes.find((each) => each.subgraph?.id === graph.id);
  const shown = outer?.widgets?.find((each) => each.name === graph.inputs[from.origin_slot]?.name);
  return shown && valueOf(outer, shown);
}

function post(route, asked) {
  const body = JSON.stringify({ client: api.clientId, ...asked });
  return api.fetchApi(`/diffedit/${route}`, { method: "POST", headers: { "Content-Type": "application/json" }, body });
}

async function picture(run, view, settings) {
  const answer = await post("refine", { run, view, settings }).catch(() => null);
  if (!answer) return { error: word("The server cannot be reached.") };
  if (answer.ok) {
    const image = await createImageBitmap(await answer.blob());
    return Object.assign(image, { said: answer.headers.get("DiffEdit-Said") });
  }
  const { error } = await answer.json().catch(() => ({ error: `the server answers ${answer.status}` }));
  return { error, gone: answer.status === 404 };
}

async function file(image) {
  const answer = await api.fetchApi(`/view?${new URLSearchParams(image)}`);
  return createImageBitmap(await answer.blob());
}

// Corrections as the pack's correcting.py reads them: "6x4 7 +2 4 -1" is a size, and runs of cells, row by row.
function read(text) {
  if (!text) return null;
  const [size, ...runs] = text.split(" ");
  const [width, height] = size.split("x").map(Number);
  const cells = { width, height, signs: new Int8Array(width * height) };
  let at = 0;
  for (const run of runs) {
    const length = Math.abs(Number(run));
    if ("+-".includes(run[0])) cells.signs.fill(Number(`${run[0]}1`), at, at + length);
    at += length;
  }
  return cells;
}

function write({ width, height, signs }) {
  const runs = [];
  for (let at = 0, end; at < signs.length; at = end) {
    for (end = at; end < signs.length && signs[end] === signs[at]; ) end += 1;
    runs.push(`${{ 1: "+", "-1": "-", 0: "" }[signs[at]]}${end - at}`);
  }
  if (signs[signs.length - 1] === 0) runs.pop();
  return runs.length ? [`${width}x${height}`, ...runs].join(" ") : "";
}

function blank(picture) {
  const scale = Math.min(1, MOST_CELLS / Math.max(picture.width, picture.height));
  const [width, height] = [picture.width, picture.height].map((side) => Math.max(1, Math.round(side * scale)));
  return { width, height, signs: new Int8Array(width * height) };
}

function dab({ width, height, signs }, across, down, radius, sign) {
  const [x, y] = [across * width, down * height];
  for (let row = Math.max(0, Math.floor(y - radius)); row < Math.min(height, y + radius); row += 1) {
    for (let column = Math.max(0, Math.floor(x - radius)); column < Math.min(width, x + radius); column += 1) {
      if (Math.hypot(column + 0.5 - x, row + 0.5 - y) <= Math.max(radius, 0.7)) signs[row * width + column] = sign;
    }
  }
}

function tinted({ width, height, signs }) {
  const layer = make("canvas", { width, height });
  const pixels = new ImageData(width, height);
  signs.forEach((sign, i) => sign && pixels.data.set([...COLOURS[sign], 150], 4 * i));
  layer.getContext("2d").putImageData(pixels, 0, 0);
  return layer;
}

function button(title, onclick) {
  const style = "font-size:11px;padding:1px 6px;border-radius:4px;cursor:pointer;border:1px solid var(--border-color);";
  return make("button", { textContent: title, onclick }, `${style}background:var(--comfy-input-bg);color:var(--input-text)`);
}

function make(kind, properties, style = "") {
  const element = Object.assign(document.createElement(kind), properties);
  element.style.cssText = style;
  return element;
}
