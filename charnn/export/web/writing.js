"use strict";

// The section for models that write text.

const LONGEST_DOCUMENT = 2000; // characters
const DOCUMENTS = 20;
const TAIL = 24; // characters that are shown before what may come next

/** Writing: a beginning, the text that follows, the distribution of what comes next. */
class Writing {
  constructor(model) {
    this.model = model;
    this.text = new ColouredText($("text"));
    this.runner = new TaskRunner($("stop"));
    this.buttons = ["go-on", "copy"].map($);
    $("writing").hidden = false;
    $("twenty").hidden = model.vocabulary.endId < 0;
    this.listen();
    this.showTemperature();
    this.begin();
  }

  listen() {
    $("writing-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.runner.run((signal) => this.write(signal));
    });
    $("go-on").addEventListener("click", () => this.runner.run((signal) => this.goOn(signal)));
    $("copy").addEventListener("click", () => this.copy());
    $("twenty").addEventListener("click", () => this.runner.run((signal) => this.writeDocuments(signal)));
    $("temperature").addEventListener("input", () => this.showTemperature());
    $("coloured").addEventListener("change", ({ target }) => $("text").classList.toggle("coloured", target.checked));
    $("text").classList.toggle("coloured", $("coloured").checked);
    $("beginning").addEventListener("input", () => this.begin());
  }

  showTemperature() {
    $("temperature-shown").textContent = Number($("temperature").value).toFixed(2);
  }

  /** Read the beginning, and show what may follow it. */
  begin() {
    return this.runner.run((signal) => this.read(signal));
  }

  async read(signal) {
    const { ids, unknown } = this.model.vocabulary.read($("beginning").value);
    this.state = null;
    this.shown = "";
    this.hasEnded = false;
    this.text.clear();
    for (const button of this.buttons) button.disabled = true;
    const state = await inSlices(this.model.begun(ids), { signal });
    if (!state) return false;
    this.state = state;
    this.unknown = unknown;
    for (const id of ids) this.put(id, "begun");
    this.text.flush();
    this.say(unknownNote(unknown, "left out").trim());
    this.showNext();
    return true;
  }

  put(id, className) {
    const symbol = this.model.vocabulary.symbols[id] ?? "\ufffd";
    this.shown += symbol;
    this.text.add(symbol, className);
  }

  async write(signal) {
    if (await this.read(signal)) await this.goOn(signal);
  }

  async goOn(signal) {
    const begun = performance.now();
    const options = { length: numberIn($("length")), temperature: Number($("temperature").value) };
    const { endId } = this.model.vocabulary;
    let written = 0;
    let bits = 0;
    let ended = false;
    this.say("Writing…");
    await inSlices(this.model.writing(this.state, options), {
      signal,
      take: ({ id, logProb, state }) => {
        this.state = state;
        bits += bitsOf(logProb);
        if (id === endId) ended = true;
        else this.put(id, `b${bandOf(bitsOf(logProb))}`);
        written += id !== endId;
      },
      show: () => this.follow(),
    });
    if (signal.reason === REPLACED) return;
    this.follow();
    this.hasEnded = ended;
    this.say(this.summary(written, bits, performance.now() - begun, signal.aborted));
    this.showNext();
  }

  /** Show what was written, and keep its end in sight for who has it in sight. */
  follow() {
    const box = $("text");
    const isAtEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 8;
    this.text.flush();
    if (isAtEnd) box.scrollTop = box.scrollHeight;
  }

  summary(written, bits, milliseconds, isStopped) {
    const speed = Math.round((1000 * written) / Math.max(milliseconds, 1));
    const mean = written ? `, ${(bits / (written + this.hasEnded)).toFixed(2)} bits each` : "";
    const end = this.hasEnded ? " The text has ended." : "";
    const note = unknownNote(this.unknown, "left out");
    return `${isStopped ? "Stopped after" : "Wrote"} ${count(written, "character")}${mean}, ${count(speed, "character")} a second.${end}${note}`;
  }

  say(text) {
    $("writing-status").textContent = text;
  }

  showNext() {
    $("go-on").disabled = this.hasEnded;
    $("copy").disabled = !this.shown;
    const shown = Array.from(this.shown.slice(-4 * TAIL));
    const tail = shown.slice(-TAIL).join("").replace(/\n/g, "↵");
    $("next-after").textContent = tail ? `after “${shown.length > TAIL ? "…" : ""}${tail}”` : "at the beginning";
    const logProbs = this.model.logProbs(this.state);
    showBars($("next"), logProbs, this.model.vocabulary, (id) => this.choose(id, logProbs[id]));
  }

  choose(id, logProb) {
    if (this.runner.controller) return;
    this.state = this.model.network.advance(id, this.state);
    this.hasEnded = false;
    this.put(id, `b${bandOf(bitsOf(logProb))}`);
    this.text.flush();
    this.say(`Added ${this.model.vocabulary.name(id)}.`);
    this.showNext();
    $("next").querySelector("button").focus();
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(this.shown);
      this.say("Copied.");
    } catch {
      getSelection().selectAllChildren($("text"));
      this.say("The text is selected: copy it with the keyboard.");
    }
  }

  /** Documents after the beginning, each to its end. */
  async writeDocuments(signal) {
    const { vocabulary } = this.model;
    const { ids, unknown } = vocabulary.read($("beginning").value);
    const list = $("documents");
    list.hidden = false;
    list.replaceChildren();
    this.say("Writing…");
    const start = await inSlices(this.model.begun(ids), { signal });
    const options = { length: LONGEST_DOCUMENT, temperature: Number($("temperature").value) };
    for (let i = 0; i < DOCUMENTS && !signal.aborted; i++) {
      const written = [...ids];
      const take = ({ id }) => id === vocabulary.endId || written.push(id);
      await inSlices(this.model.writing(start, options), { signal, take });
      if (!signal.aborted) list.append(element("li", { text: vocabulary.decoded(written) }));
    }
    if (signal.reason === REPLACED) return;
    this.say(`Wrote ${count(list.children.length, "text")}.${unknownNote(unknown, "left out")}`);
  }
}
