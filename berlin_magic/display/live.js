// The live view in the front end: applies the patches of a growing document to the page.
//
// One reply is one element, made with the model, so that it is complete however late a view is drawn. The messages and
// their patches are described in live.py and rendering/growing.py. The HTML in the patches is made by our own renderer;
// whatever else may hold a stranger's words (model, notes) is only ever set as text.

const PAINT_AT_THE_LATEST = 300; // ms; a page in the background draws no frames
const ACK_EVERY = 150; // ms
const ANNOUNCE_EVERY = 8000; // ms between two remarks to a screen reader
const CALL_AGAIN = [250, 1000, 3000]; // ms
const MATH = ".berlin-math"; // all that is ever given to the typesetter

const TYPESET = new WeakMap(); // formula -> its TeX

const WORDS = { waiting: "waiting for the first word", streaming: "", stopping: "stopping …" };

function element(tag, className, attributes = {}) {
  const el = document.createElement(tag);
  el.className = className;
  for (const [name, value] of Object.entries(attributes)) el.setAttribute(name, value);
  return el;
}

function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

// Bring the nodes `old`, neighbours in `parent`, to the content `fresh`, touching as little as possible: what the user
// has selected stays selected, and nothing that stays the same is drawn again. Returns the nodes that stand there now.
function morph(parent, old, fresh) {
  const now = [];
  const news = [...fresh.childNodes];
  const after = old.length ? old[old.length - 1].nextSibling : null;
  news.forEach((node, i) => {
    const was = old[i];
    if (was && was.nodeName === node.nodeName) {
      adopt(was, node);
      now.push(was);
    } else {
      if (was) parent.replaceChild(node, was);
      else parent.insertBefore(node, after);
      now.push(node);
    }
  });
  for (const extra of old.slice(news.length)) extra.remove();
  return now;
}

function adopt(was, node) {
  if (was.nodeType === Node.TEXT_NODE) {
    if (node.data === was.data) return;
    if (node.data.startsWith(was.data)) was.appendData(node.data.slice(was.data.length));
    else was.data = node.data;
    return;
  }
  if (was.nodeType !== Node.ELEMENT_NODE || was.isEqualNode(node)) return;
  if (TYPESET.has(was)) {
    if (TYPESET.get(was) === node.textContent) return; // the same formula, already typeset
    TYPESET.delete(was);
    was.replaceChildren(...node.childNodes);
    return;
  }
  for (const { name } of [...was.attributes]) if (!node.hasAttribute(name)) was.removeAttribute(name);
  for (const { name, value } of [...node.attributes]) {
    if (was.getAttribute(name) !== value) was.setAttribute(name, value);
  }
  morph(was, [...was.childNodes], node);
}

// The document: slots with finished children and a tail, as growing.py describes them.
class Tree {
  constructor(root, typeset) {
    this.root = root;
    this.typeset = typeset;
    this.reset();
  }

  reset() {
    this.root.replaceChildren();
    this.slots = new Map([[0, { el: this.root, tail: "", nodes: [] }]]);
    this.touched = new Set();
  }

  apply([op, id, ...rest]) {
    const slot = this.slots.get(id);
    if (!slot) return;
    if (op === "tail") {
      slot.tail = slot.tail.slice(0, rest[0]) + rest[1];
      slot.nodes = morph(slot.el, slot.nodes, parse(slot.tail));
      this.touch(slot.nodes);
    } else if (op === "add") {
      this.settle(slot, rest[0]);
    } else if (op === "open") {
      const mark = `[data-slot="${rest[0]}"]`;
      const el = this.settle(slot, rest[1])
        .map((node) => (node.matches?.(mark) ? node : node.querySelector?.(mark)))
        .find(Boolean);
      if (el) this.slots.set(rest[0], { el, tail: "", nodes: [] });
    } else if (op === "fill") {
      this.settle(slot, "");
      slot.el.replaceChildren(parse(rest[0]));
      this.touch([slot.el]);
    } else if (op === "loose") {
      this.settle(slot, "");
      slot.el.classList.remove("berlin-tight");
    } else if (op === "close") {
      this.settle(slot, "");
      this.slots.delete(id);
    }
  }

  // The tail becomes the finished children `html`.
  settle(slot, html) {
    const nodes = morph(slot.el, slot.nodes, parse(html));
    slot.tail = "";
    slot.nodes = [];
    this.touch(nodes);
    return nodes;
  }

  touch(nodes) {
    for (const node of nodes) if (node.nodeType === Node.ELEMENT_NODE) this.touched.add(node);
  }

  // Typeset the formulas in what has changed since the last call. One that is still being written has its marks in
  // elements of their own, and is shown as it is written.
  typesetChanged() {
    if (!this.root.isConnected) return; // nothing can be measured yet
    for (const el of this.touched) {
      if (!this.root.contains(el)) continue;
      for (const formula of [...(el.matches(MATH) ? [el] : []), ...el.querySelectorAll(MATH)]) {
        if (TYPESET.has(formula) || formula.childElementCount) continue;
        TYPESET.set(formula, formula.textContent);
        this.typeset(formula);
      }
    }
    this.touched.clear();
  }
}

// JupyterLab's own typesetter, where there is one.
function typesetter(model) {
  let latex;
  try {
    latex = model.widget_manager?.rendermime?.latexTypesetter;
  } catch {
    latex = undefined;
  }
  return (el) => {
    latex?.typeset(el);
  };
}

class StatusLine {
  constructor(onStop) {
    this.el = element("div", "berlin-live-status");
    this.button = element("button", "berlin-live-stop", { type: "button", title: "Stop this reply; what has arrived is kept" });
    this.button.textContent = "Stop";
    this.button.hidden = true;
    this.button.addEventListener("click", () => {
      if (this.button.getAttribute("aria-disabled") === "true") return;
      this.button.setAttribute("aria-disabled", "true");
      this.stopping = true;
      this.draw();
      onStop();
    });
    this.text = element("span", "berlin-live-words");
    this.voice = element("span", "berlin-live-voice", { role: "status", "aria-live": "polite" });
    this.el.append(this.button, this.text, this.voice);
    this.status = { state: "waiting", model: "", notes: [] };
    this.characters = 0;
    this.elapsed = 0;
    this.at = performance.now();
    this.said = "";
    this.saidAt = -Infinity;
  }

  take(message) {
    if (message.s) this.status = message.s;
    this.characters = message.c ?? this.characters;
    this.elapsed = message.t ?? this.elapsed;
    this.at = performance.now();
    this.button.hidden = !this.status.stop;
    this.draw();
  }

  draw() {
    const seconds = this.elapsed + (performance.now() - this.at) / 1000;
    const { state, model, notes } = this.status;
    const parts = [model, WORDS[this.stopping ? "stopping" : state] ?? state, `${seconds.toFixed(0)} s`];
    if (this.characters) {
      parts.push(`${this.characters.toLocaleString("en")} characters`);
      if (seconds >= 1) parts.push(`${Math.round(this.characters / seconds).toLocaleString("en")}/s`);
    }
    const words = [...parts, ...notes].filter(Boolean).join(" · ");
    if (this.text.textContent !== words) this.text.textContent = words;
    this.el.dataset.state = state;
    this.announce(state, notes);
  }

  // A screen reader hears that a reply waits, that it comes, and now and then how far it is: never the stream itself.
  announce(state, notes) {
    const amount = Math.floor(this.characters / 1000);
    const remark =
      state === "waiting"
        ? ["Waiting for the reply", ...notes].join(". ")
        : `The reply is arriving${amount ? `: ${amount} thousand characters so far` : ""}`;
    if (remark === this.said || performance.now() - this.saidAt < ANNOUNCE_EVERY) return;
    this.said = remark;
    this.saidAt = performance.now();
    this.voice.textContent = remark;
  }
}

export default () => {
  let reply;
  const views = [];

  function initialize({ model }) {
    const body = element("div", "berlin-reply jp-RenderedHTMLCommon");
    const status = new StatusLine(() => model.send({ stop: true }));
    const root = element("div", "berlin-live");
    root.append(body, status.el);
    const tree = new Tree(body, typesetter(model));
    let queue = [];
    let taken = 0; // number of the last message that was taken
    let acked = 0;
    let scheduled = false;
    let ackTimer;
    let over = false;

    function paint() {
      if (!scheduled) return;
      scheduled = false;
      const messages = queue;
      queue = [];
      for (const message of messages) {
        if (message.all) tree.reset();
        for (const patch of message.p ?? []) tree.apply(patch);
        status.take(message);
      }
      tree.typesetChanged();
      ackTimer ??= setTimeout(ack, ACK_EVERY);
    }

    function ack() {
      ackTimer = undefined;
      if (over || acked === taken) return;
      acked = taken;
      model.send({ painted: acked });
    }

    function schedule() {
      if (scheduled) return;
      scheduled = true;
      if (document.visibilityState === "visible") requestAnimationFrame(paint);
      setTimeout(paint, PAINT_AT_THE_LATEST);
    }

    model.on("msg:custom", (message) => {
      if (message.end) {
        over = true;
        clearInterval(clock);
        clearTimeout(ackTimer);
        model.send({ bye: true });
      } else if (message.where) {
        if (message.where === taken) model.send({ painted: taken });
        else model.send({ again: true });
      } else if (message.all || message.n === taken + 1) {
        taken = message.n;
        queue.push(message);
        schedule();
      } else if (message.n > taken) {
        model.send({ again: true });
      }
    });
    const clock = setInterval(() => root.isConnected && status.draw(), 1000);
    reply = { root, tree };
    // JupyterLab opens the subshell that hears us during a cell only now. What is sent before it is there reaches
    // ipykernel 7.0 when the cell has ended (seen on 7.0.1); so call until an answer comes.
    const name = Math.random();
    const call = () => taken || over || model.send({ ready: name });
    call();
    const calls = CALL_AGAIN.map((delay) => setTimeout(call, delay));
    return () => {
      over = true;
      clearInterval(clock);
      calls.forEach(clearTimeout);
    };
  }

  function render({ el, signal }) {
    views.push(el);
    el.append(reply.root);
    reply.tree.typesetChanged();
    signal?.addEventListener("abort", () => {
      views.splice(views.indexOf(el), 1);
      if (el.contains(reply.root) && views.length) views[views.length - 1].append(reply.root);
    });
  }

  return { initialize, render };
};
