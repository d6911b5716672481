"use strict";

// What every part of the page needs: elements, tasks in slices, texts coloured by surprisal, the next character's bars.

const SLICE = 30; // milliseconds, between two of which the page answers and shows what is new
const SHOWN = 100; // milliseconds between what is shown of a task
const BOUNDS = [1, 2, 3, 5, 8]; // bits of surprisal; a colour begins at each
const BARS = 12;
const SMALL = 0.0005; // a share that is shown as 0.1 % at least; bars below are left out, but the first few
const FEW = 5;
const REPLACED = "replaced"; // why a task was aborted that another one followed
const NOTED = 20; // unknown characters that are named

const $ = (id) => document.getElementById(id);

/** A new element. Text from the model comes into the page here, as text. */
function element(tag, { text, className, ...more } = {}, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(more)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A pause in which the browser does what else there is to do. */
const pause = (() => {
  const { port1, port2 } = new MessageChannel();
  const waiting = [];
  port1.onmessage = () => waiting.shift()();
  return () => new Promise((resolve) => {
    waiting.push(resolve);
    port2.postMessage(null);
  });
})();

/**
 * Run a task in slices: what it yields is given to `take`; `show` is called now and then, for what is shown costs more
 * than what is computed. What the task returns; undefined if it was aborted.
 */
async function inSlices(task, { signal, take = () => {}, show = () => {} } = {}) {
  let shown = -Infinity;
  for (;;) {
    const until = performance.now() + SLICE;
    do {
      if (signal?.aborted) return undefined;
      const { done, value } = task.next();
      if (done) {
        show();
        return value;
      }
      if (value !== undefined) take(value);
    } while (performance.now() < until);
    if (performance.now() - shown >= SHOWN) {
      show();
      shown = performance.now();
    }
    await pause();
  }
}

/** Runs one piece of work of a section at a time; a button stops it. */
class TaskRunner {
  constructor(stop) {
    Object.assign(this, { stop, controller: null });
    stop?.addEventListener("click", () => this.controller?.abort("stopped"));
  }

  /** Run `work` with a signal that tells when to stop. What ran before is replaced, and has nothing more to say. */
  async run(work) {
    this.controller?.abort(REPLACED);
    const controller = new AbortController();
    this.controller = controller;
    if (this.stop) this.stop.disabled = false;
    try {
      await work(controller.signal);
    } finally {
      if (this.controller === controller) {
        this.controller = null;
        if (this.stop) this.stop.disabled = true;
      }
    }
  }
}

const bitsOf = (logProb) => Math.max(0, -logProb / Math.LN2);
const bandOf = (bits) => BOUNDS.filter((bound) => bits >= bound).length;

/** Text whose characters are coloured by their surprisal, runs of one colour in one element. */
class ColouredText {
  constructor(box) {
    this.box = box;
    this.clear();
  }

  clear() {
    this.box.replaceChildren();
    this.className = null;
    this.run = "";
  }

  /** `each`: an element of its own, with a title. */
  add(symbol, className, title) {
    if (className !== this.className || title) this.flush();
    this.className = className;
    this.run += symbol;
    if (title) this.flush(title);
  }

  /** Show what was added. */
  flush(title) {
    if (!this.run) return;
    const last = this.box.lastElementChild;
    if (!title && last && last.className === this.className && !last.title) last.append(this.run);
    else this.box.append(element("span", { text: this.run, className: this.className, ...(title && { title }) }));
    this.run = "";
  }
}

/** Let Ctrl-Enter (⌘-Enter) in a text do what the form's first button does. */
function submitFromKeyboard() {
  document.addEventListener("keydown", (event) => {
    const { form } = event.target;
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !form) return;
    event.preventDefault();
    form.requestSubmit();
  });
}

function showLegends() {
  const names = [`under ${BOUNDS[0]}`, ...BOUNDS.map((low, i) => (i + 1 < BOUNDS.length ? `${low}–${BOUNDS[i + 1]}` : `${low} or more`))];
  for (const legend of document.querySelectorAll(".legend")) {
    legend.classList.add("coloured");
    legend.replaceChildren(...names.map((text, band) => element("li", { text, className: `b${band}` })));
  }
}

/** The likeliest next characters as bars; `choose` is given the id of one that is chosen. */
function showBars(list, logProbs, vocabulary, choose) {
  const order = Array.from(logProbs.keys()).sort((i, j) => logProbs[j] - logProbs[i]);
  const shown = order.slice(0, BARS).filter((id, i) => i < FEW || Math.exp(logProbs[id]) >= SMALL);
  const bars = shown.map((id) => {
    const share = Math.exp(logProbs[id]);
    const bar = element("div", { className: "bar" });
    bar.style.width = `${100 * share}%`;
    const name = vocabulary.name(id);
    const percent = `${(100 * share).toFixed(1)} %`;
    const button = element(
      "button",
      { type: "button" },
      element("span", { className: "symbol", text: name }),
      element("div", { className: "track" }, bar),
      element("span", { className: "share", text: percent }),
    );
    if (id >= vocabulary.symbols.length) button.disabled = true;
    else button.addEventListener("click", () => choose(id));
    return element("li", {}, button);
  });
  list.replaceChildren(...bars);
}

/** What is said of characters that the model doesn't know. */
function unknownNote(unknown, what) {
  if (!unknown.length) return "";
  const names = [...new Set(unknown)].slice(0, NOTED).map(symbolName).join(" ");
  return ` The model has never seen ${names}: ${what}.`;
}

function count(number, what) {
  return `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;
}

/** A number field's value, within its bounds. */
function numberIn(field) {
  const value = Math.round(Number(field.value));
  return Math.min(Math.max(value || Number(field.min), Number(field.min)), Number(field.max));
}
