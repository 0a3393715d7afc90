// The front end's half of the live views: fills the slots of growing replies on the page.
//
// There is one model for all replies of a kernel, and it is never displayed. A reply's slot is an output that has an
// element of the class `berlin-slot-<id>`; the front end may draw it late, again, or in several places. Messages and
// patches are described in live.py, markdown/growing.py and patches.py. The HTML in the patches is made by our own renderer; what
// else may hold untrusted text (model, notes) is only ever set as text.

const PAINT_AT_THE_LATEST = 300; // ms; a page in the background draws no frames
const ACK_EVERY = 500; // ms; the kernel answers each of our messages with two of its own to all front ends
const ANNOUNCE_EVERY = 8000; // ms between two remarks to a screen reader
const CALL_AGAIN = [250, 1000, 3000]; // ms
const TIME_TO_SHOW = 1500; // ms in which a front end has drawn an output that it knows of
const TIME_TO_END = 5000; // ms in which the final output has come
const ROOM_BELOW = 24; // px between the end of a reply that is followed and the edge
const MATH = ".berlin-math"; // all that is ever given to the typesetter

const TYPESET = new WeakMap(); // formula -> its TeX

const WORDS = { waiting: "waiting for the first word", streaming: "", stopping: "stopping …" };
// What a screen reader hears at the end.
const ENDS = { complete: "complete", stopped: "stopped", interrupted: "interrupted", cut: "incomplete", failed: "failed" };
const SAID_FOR = 2000; // ms
const CUT = "cut: the kernel has ended · `%berlin show [N]` shows what is kept";

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
// has selected stays selected, and nothing that stays the same is drawn again. Returns the nodes that are there now.
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

// Return a group of buttons, each with a text, a name, and an action that returns what to say.
function buttons(name, wanted) {
  const group = document.createElement("div");
  group.dataset.berlinButtons = "code";
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", name);
  const said = document.createElement("span");
  said.setAttribute("role", "status");
  let clearing;
  for (const [text, label, action] of wanted) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.lmSuppressShortcuts = "true"; // or a notebook in command mode takes a letter: X cuts the cell
    button.title = label;
    button.setAttribute("aria-label", label);
    button.textContent = text;
    button.addEventListener("click", async () => {
      said.textContent = await action();
      clearTimeout(clearing);
      clearing = setTimeout(() => (said.textContent = ""), SAID_FOR);
    });
    group.append(button);
  }
  group.append(said);
  return group;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text); // not there in a page that came without TLS from another machine
    return "Copied";
  } catch {
    const set = (event) => {
      event.preventDefault();
      event.clipboardData.setData("text/plain", text);
    };
    document.addEventListener("copy", set, { capture: true, once: true });
    const isDone = document.execCommand("copy");
    document.removeEventListener("copy", set, { capture: true });
    return isDone ? "Copied" : "Not copied: the browser does not allow it";
  }
}

// The document: slots with finished children and a tail, as growing.py describes them.
class Tree {
  constructor(root, typeset, decorate) {
    this.root = root;
    this.typeset = typeset;
    this.decorate = decorate;
    this.reset();
  }

  reset() {
    this.root.replaceChildren();
    this.slots = new Map([[0, { el: this.root, tail: "", nodes: [] }]]);
    this.touched = new Set();
    this.blocks = 0;
  }

  apply([op, id, ...rest]) {
    const slot = this.slots.get(id);
    if (!slot) return;
    if (op === "tail") {
      slot.tail = slot.tail.slice(0, rest[0]) + rest[1];
      slot.nodes = morph(slot.el, slot.nodes, parse(slot.tail));
      this.touch(slot.nodes);
    } else if (op === "add") {
      this.finishTail(slot, rest[0]);
    } else if (op === "keep") {
      this.finishTail(slot, slot.tail.slice(0, rest[0]) + rest[1]);
    } else if (op === "open") {
      const mark = `[data-slot="${rest[0]}"]`;
      const el = this.finishTail(slot, rest[1])
        .map((node) => (node.matches?.(mark) ? node : node.querySelector?.(mark)))
        .find(Boolean);
      if (el) this.slots.set(rest[0], { el, tail: "", nodes: [] });
    } else if (op === "fill") {
      this.finishTail(slot, "");
      slot.el.replaceChildren(parse(rest[0]));
      this.touch([slot.el]);
    } else if (op === "loose") {
      this.finishTail(slot, "");
      slot.el.classList.remove("berlin-tight");
    } else if (op === "close") {
      this.finishTail(slot, "");
      this.slots.delete(id);
    }
  }

  // The tail becomes the finished children `html`.
  finishTail(slot, html) {
    const nodes = morph(slot.el, slot.nodes, parse(html));
    slot.tail = "";
    slot.nodes = [];
    this.touch(nodes);
    if (html.includes("<pre")) this.decorateBlocks(nodes);
    return nodes;
  }

  decorateBlocks(nodes) {
    for (const node of nodes) {
      const blocks = node.matches?.(".highlight") ? [node] : (node.querySelectorAll?.(".highlight") ?? []);
      for (const block of blocks) this.decorate(block, (this.blocks += 1));
    }
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

// Return a function that typesets math with JupyterLab's own typesetter, if there is one.
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
  constructor(onStop, say) {
    this.say = say;
    this.el = element("div", "berlin-live-status");
    this.button = element("button", "berlin-live-stop", { type: "button", title: "Stop this reply; what has arrived is kept" });
    this.button.dataset.lmSuppressShortcuts = "true";
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
    this.el.append(this.button, this.text);
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

  // The reply has ended: nothing to click, and no clock.
  end(words) {
    this.button.remove();
    this.text.textContent = words ?? this.text.textContent;
    if (words) this.say(words);
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
    this.say(remark);
  }
}

// Keeps the end of a growing reply in sight for a reader who has reached it, until they scroll up; keeps what is below the
// reply in its place for a reader who is further down (the browser does not: tried in JupyterLab 4.6).
class Follower {
  constructor(root) {
    this.root = root;
    this.follows = false;
    this.onScroll = () => {
      const { scrollTop, scrollHeight, clientHeight } = this.scroller;
      const isUp = scrollTop < this.top && scrollTop + clientHeight < scrollHeight - 1;
      this.follows = !isUp && (this.follows || this.seesEnd());
      this.top = scrollTop;
    };
  }

  // To be called when the root has been put somewhere.
  attach() {
    let scroller = this.root.parentElement;
    while (scroller && !/auto|scroll/.test(getComputedStyle(scroller).overflowY)) scroller = scroller.parentElement;
    scroller ??= document.scrollingElement;
    if (scroller === this.scroller) return;
    const isFirst = !this.scroller;
    this.detach();
    this.scroller = scroller;
    this.top = scroller.scrollTop;
    this.target = scroller === document.scrollingElement ? document : scroller;
    this.target.addEventListener("scroll", this.onScroll, { passive: true });
    this.anchor = scroller.style.overflowAnchor;
    scroller.style.overflowAnchor = "none"; // or it might be done twice
    if (isFirst) this.follows = this.seesEnd();
  }

  detach() {
    this.target?.removeEventListener("scroll", this.onScroll);
    if (this.scroller) this.scroller.style.overflowAnchor = this.anchor;
  }

  edges() {
    if (this.target === document) return { top: 0, bottom: this.scroller.clientHeight };
    return this.scroller.getBoundingClientRect();
  }

  seesEnd() {
    const { top, bottom } = this.edges();
    const end = this.root.getBoundingClientRect().bottom;
    return end > top && end <= bottom + 1;
  }

  // Where the reply ends, in px below the upper edge.
  get end() {
    if (!this.scroller || !this.root.isConnected) return undefined;
    return this.root.getBoundingClientRect().bottom - this.edges().top;
  }

  // Scroll, now that the reply, which had ended at `before`, has grown.
  keepPlace(before) {
    if (before <= 0) this.scroller.scrollTop += this.end - before;
    else this.follow(this.root);
  }

  // Scroll as far as `el` goes on below the edge.
  follow(el) {
    if (!this.follows || !this.scroller || !el.isConnected) return;
    const below = el.getBoundingClientRect().bottom + ROOM_BELOW - this.edges().bottom;
    if (below > 0) this.scroller.scrollTop += below;
  }
}

// One growing reply.
class Reply {
  constructor(id, page) {
    this.id = id;
    this.page = page;
    this.body = element("div", "berlin-reply");
    this.status = new StatusLine(() => this.send({ stop: true }), (words) => page.say(words));
    this.root = element("div", "berlin-live mathjax_ignore");
    this.root.append(this.body, this.status.el);
    this.root.addEventListener("focusin", ({ target }) => (this.focused = target));
    this.root.addEventListener("focusout", () =>
      setTimeout(() => this.root.contains(document.activeElement) || (this.focused = undefined)),
    );
    this.tree = new Tree(this.body, page.typeset, (block, number) => this.decorate(block, number));
    this.follower = new Follower(this.root);
    this.slots = document.getElementsByClassName(`berlin-slot-${id}`);
    this.queue = [];
    this.taken = 0; // number of the last message that was taken
    this.acked = 0;
    this.scheduled = false;
    this.over = false;
    this.clock = setInterval(() => this.root.isConnected && this.status.draw(), 1000);
  }

  send(message) {
    this.page.model.send({ id: this.id, ...message });
  }

  // Put the reply into its slot: the last one, if an output is shown in several places.
  place() {
    const slot = this.slots[this.slots.length - 1];
    if (!slot || slot.contains(this.root)) return;
    const { focused } = this;
    this.slot?.replaceChildren(...this.under);
    this.slot = slot;
    this.under = [...slot.childNodes];
    slot.replaceChildren(this.root);
    this.follower.attach();
    this.tree.typesetChanged();
    this.page.select(this.root);
    focused?.focus({ preventScroll: true });
  }

  take(message) {
    if (message.end) return this.end();
    if (message.where) {
      this.send(message.where === this.taken ? { painted: this.taken } : { again: true });
    } else if (message.all || message.n === this.taken + 1) {
      this.taken = message.n;
      this.queue.push(message);
      this.schedule();
    } else if (message.n > this.taken) {
      this.send({ again: true });
    }
  }

  schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    if (document.visibilityState === "visible") requestAnimationFrame(() => this.paint());
    setTimeout(() => this.paint(), PAINT_AT_THE_LATEST);
  }

  paint() {
    if (!this.scheduled) return;
    this.scheduled = false;
    const { end } = this.follower;
    for (const message of this.queue.splice(0)) {
      if (message.all) this.tree.reset();
      for (const patch of message.p ?? []) this.tree.apply(patch);
      this.status.take(message);
    }
    this.tree.typesetChanged();
    this.follower.keepPlace(end);
    if (!this.over) this.ackTimer ??= setTimeout(() => this.ack(), ACK_EVERY);
  }

  ack() {
    this.ackTimer = undefined;
    if (this.over || this.acked === this.taken) return;
    this.acked = this.taken;
    this.send({ painted: this.acked });
  }

  stopTimers() {
    this.paint();
    this.over = true;
    clearInterval(this.clock);
    clearTimeout(this.ackTimer);
  }

  // The code is what our own renderer has drawn: nothing in a reply can make buttons, or be hidden.
  decorate(block, number) {
    const name = `code block ${number}`;
    const code = () => block.querySelector("code").textContent.replace(/\n$/, "");
    const wanted = [["Copy", `Copy ${name}`, () => copy(code())]];
    if (this.page.document.isKnown) {
      const insert = () => (this.page.document.insertBelow(this.id, code()) ? "Inserted" : "Not done: the cell is gone");
      wanted.push(["Insert below", `Insert below: ${name}`, insert]);
    }
    block.append(buttons(name, wanted));
    block.querySelector("pre").tabIndex = 0; // long lines are scrolled with the keyboard, too
  }

  // The final output is about to come in the place of the slot.
  end() {
    if (this.over) return;
    this.stopTimers();
    this.status.end();
    this.area = this.root.closest(".jp-OutputArea");
    this.send({ bye: true });
    setTimeout(() => this.page.drop(this), TIME_TO_END);
  }

  // The kernel has gone; what has arrived stays as it is.
  cut() {
    this.stopTimers();
    this.status.end(CUT);
    this.root.classList.replace("berlin-live", "berlin-cut");
  }

  // Return whether the final output has come.
  hasEnded() {
    if (!this.over || this.root.isConnected || this.slots.length) return false;
    if (this.area) requestAnimationFrame(() => this.follower.follow(this.area));
    return true;
  }
}

// The document that the model belongs to, in JupyterLab and Notebook 7. A page that is loaded while a reply arrives
// gets no updates of its displays (tried with JupyterLab 4.6), and may not have been saved with the slot.
class NotebookDocument {
  constructor(context) {
    this.context = context;
  }

  get isKnown() {
    return Boolean(this.context?.model?.cells);
  }

  *outputs() {
    const cells = this.context?.model?.cells;
    for (let i = 0; i < (cells?.length ?? 0); i++) {
      const cell = cells.get(i);
      if (cell.outputs) yield cell;
    }
  }

  find(id) {
    for (const { outputs } of this.outputs()) {
      for (let i = 0; i < outputs.length; i++) {
        if (outputs.get(i).metadata?.berlin_live === id) return { outputs, i };
      }
    }
    return undefined;
  }

  // Insert a code cell below the one that shows a slot; return whether there is one.
  insertBelow(id, source) {
    const { outputs } = this.find(id) ?? {};
    const cells = this.context?.model?.cells;
    for (let i = 0; i < (cells?.length ?? 0); i++) {
      if (!outputs || cells.get(i).outputs !== outputs) continue;
      this.context.model.sharedModel.insertCell(i + 1, { cell_type: "code", source });
      return true;
    }
    return false;
  }

  // Replace a slot by an update of its display, if the front end has not done so.
  update(id, { data, metadata }) {
    const found = this.find(id);
    if (!found || found.outputs.get(found.i).data["text/plain"] === data["text/plain"]) return;
    found.outputs.set(found.i, { output_type: "display_data", data, metadata });
  }

  // Show the slot in its cell, if the document was not saved with it: in the place of the cell's former reply.
  addSlot(id, cellId) {
    if (this.find(id)) return;
    const markdown = `<div class="berlin-slot-${id}"></div>`;
    const data = { "text/markdown": markdown, "text/plain": "" };
    const output = { output_type: "display_data", data, metadata: { berlin_live: id } };
    for (const { id: cell, outputs } of this.outputs()) {
      if (cell !== cellId) continue;
      for (let i = 0; i < outputs.length; i++) {
        const { berlin, berlin_live } = outputs.get(i).metadata ?? {};
        if (berlin || berlin_live) return outputs.set(i, output);
      }
      return outputs.add(output);
    }
  }
}

// All replies of one kernel on this page.
class Page {
  constructor(model) {
    this.model = model;
    this.typeset = typesetter(model);
    this.name = Math.random();
    this.replies = new Map();
    this.missed = new Set();
    this.observer = new MutationObserver((records) => {
      if (records.every(({ target }) => target.closest?.(".berlin-live"))) return;
      for (const reply of [...this.replies.values()]) {
        reply.place();
        if (reply.hasEnded()) this.drop(reply);
      }
    });
    // It outlasts the replies: what a screen reader is to say at the end is not gone with the view.
    this.voice = element("span", "berlin-live-voice", { role: "status", "aria-live": "polite" });
    document.body.append(this.voice);
    this.calls = new Map(); // reply, or undefined for all of them -> timers
    this.undo = [];
    this.listen();
    this.watchKernel();
    this.call();
  }

  listen() {
    this.model.on("msg:custom", (message) => this.take(message));
    this.model.on("comm_live_update", () => this.lose()); // a restart, also after a crash
    const note = () => {
      const { anchorNode, anchorOffset, focusNode, focusOffset } = getSelection();
      this.selected = [anchorNode, anchorOffset, focusNode, focusOffset];
    };
    document.addEventListener("selectionchange", note);
    this.undo.push(() => document.removeEventListener("selectionchange", note));
  }

  watchKernel() {
    let context;
    try {
      context = this.model.widget_manager?.context;
    } catch {
      context = undefined;
    }
    this.document = new NotebookDocument(context);
    const session = context?.sessionContext;
    const watch = (signal, slot) => {
      if (!signal) return;
      signal.connect(slot);
      this.undo.push(() => signal.disconnect(slot));
    };
    watch(session?.statusChanged, (_, status) => status === "dead" && this.lose());
    watch(session?.kernelChanged, (_, { oldValue }) => oldValue && this.lose());
    watch(session?.iopubMessage, (_, { header, content }) => {
      const id = content.transient?.display_id;
      if (header.msg_type !== "update_display_data" || !(this.replies.has(id) || this.missed.has(id))) return;
      this.document.update(id, content);
    });
  }

  // JupyterLab opens the subshell that hears us during a cell only now. What is sent before it is there reaches
  // ipykernel 7.0 when the cell has ended (seen on 7.0.1); so call until an answer comes.
  call(id) {
    this.stopCalling(id);
    const send = () => this.model.send({ id, ready: this.name, document: this.document.isKnown });
    this.calls.set(id, CALL_AGAIN.map((delay) => setTimeout(send, delay)));
    send();
  }

  stopCalling(id) {
    this.calls.get(id)?.forEach(clearTimeout);
    this.calls.delete(id);
  }

  take(message) {
    const { id } = message;
    this.stopCalling(undefined);
    if (message.done) {
      // The reply ended when no page was there; what it ended with comes next.
      this.missed.add(id);
      this.document.addSlot(id, message.cell);
      this.model.send({ id, bye: true });
    }
    if (message.hello && id) this.call(id);
    else this.stopCalling(id);
    let reply = this.replies.get(id);
    if (message.end) this.sayEnd(message);
    if (!reply && message.end) this.model.send({ id, bye: true });
    if (!reply && message.all) {
      reply = new Reply(id, this);
      this.replies.set(id, reply);
      this.observer.observe(document.body, { childList: true, subtree: true });
      reply.place();
      if (message.cell) setTimeout(() => reply.over || this.document.addSlot(id, message.cell), TIME_TO_SHOW);
    }
    reply?.take(message);
  }

  sayEnd({ end, words }) {
    this.say(`Reply ${ENDS[end] ?? "ended"}, ${words.toLocaleString("en")} ${words === 1 ? "word" : "words"}`);
  }

  say(words) {
    this.voice.textContent = words;
  }

  select(root) {
    const [anchor, anchorOffset, focus, focusOffset] = this.selected ?? [];
    if (!anchor || !root.contains(anchor) || !root.contains(focus)) return;
    try {
      getSelection().setBaseAndExtent(anchor, anchorOffset, focus, focusOffset);
    } catch {
      // what was selected is shorter now
    }
  }

  drop(reply) {
    reply.stopTimers();
    reply.follower.detach();
    this.replies.delete(reply.id);
    if (!this.replies.size) this.observer.disconnect();
  }

  lose() {
    for (const id of [...this.calls.keys()]) this.stopCalling(id);
    for (const reply of [...this.replies.values()]) {
      reply.cut();
      this.drop(reply);
    }
  }

  close() {
    for (const id of [...this.calls.keys()]) this.stopCalling(id);
    for (const reply of [...this.replies.values()]) this.drop(reply);
    this.undo.forEach((undo) => undo());
    this.voice.remove();
  }
}

export default () => ({
  initialize({ model }) {
    const page = new Page(model);
    return () => page.close();
  },
  render() {}, // the model is never displayed
});
