"use strict";

// The sections of the page, each shown for models that can do it.

const LONGEST_DOCUMENT = 2000; // characters
const DOCUMENTS = 20;
const TAIL = 24; // characters that are shown before what may come next
const TITLED = 5000; // characters of a measured text that have an element each
const ROWS = 2000; // of the table of each character's bits

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

/** Measuring a text. */
class Scoring {
  constructor(model) {
    this.model = model;
    this.text = new ColouredText($("scored"));
    this.runner = new TaskRunner(null);
    this.characters = [];
    $("scoring").hidden = false;
    $("scored").classList.add("coloured");
    $("scoring-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.runner.run((signal) => this.score(signal));
    });
    $("each").addEventListener("toggle", () => this.showRows());
  }

  async score(signal) {
    this.characters = [];
    this.text.clear();
    $("measured").hidden = true;
    $("scoring-status").textContent = "Measuring…";
    const given = $("given").value;
    const isShort = given.length <= TITLED;
    await inSlices(this.model.scoring(given), {
      signal,
      take: (one) => this.take(one, isShort),
      show: () => this.text.flush(),
    });
    if (signal.aborted) return;
    this.text.flush();
    $("scoring-status").textContent = this.summary();
    $("measured").hidden = !this.characters.length;
    this.showRows();
  }

  take({ symbol, logProb }, isTitled) {
    const bits = logProb === null ? null : bitsOf(logProb);
    this.characters.push({ symbol, bits });
    if (symbol === null) return;
    const className = bits === null ? "unread" : `b${bandOf(bits)}`;
    const title = bits === null ? "unknown to the model" : `${symbolName(symbol)}: ${bits.toFixed(2)} bits`;
    this.text.add(symbol, className, isTitled ? title : undefined);
  }

  /** A document's end counts as a character. */
  summary() {
    const known = this.characters.filter(({ bits }) => bits !== null);
    const read = known.filter(({ symbol }) => symbol !== null).length;
    if (!read) return "Nothing to measure: the text is empty.";
    const sum = known.reduce((total, { bits }) => total + bits, 0);
    const unknown = this.characters.filter(({ bits }) => bits === null).map(({ symbol }) => symbol);
    const mean = sum / known.length;
    return `${mean.toFixed(4)} bits per character, perplexity ${(2 ** mean).toFixed(2)}, ${count(read, "character")}.${unknownNote(unknown, "left out")}`;
  }

  showRows() {
    if (!$("each").open) return;
    const rows = this.characters.slice(0, ROWS).map(({ symbol, bits }, i) =>
      element(
        "tr",
        {},
        element("td", { text: i + 1 }),
        element("td", { text: symbol === null ? "end" : symbolName(symbol) }),
        element("td", { text: bits === null ? "–" : bits.toFixed(3) }),
        element("td", { text: bits === null ? "–" : (2 ** -bits).toPrecision(3) }),
      ),
    );
    $("each-rows").replaceChildren(...rows);
  }
}

/** Filling gaps. */
class Filling {
  constructor(filler) {
    this.filler = filler;
    this.runner = new TaskRunner($("fill-stop"));
    $("filling").hidden = false;
    $("filling-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.runner.run((signal) => this.fill(signal));
    });
  }

  async fill(signal) {
    const text = $("gapped").value;
    $("fills").replaceChildren();
    const { known, gaps } = blanksIn(text, 1);
    if (!gaps.length) {
      this.say("The text has no gap: write ___ or {} where something is missing.");
      return;
    }
    this.say("Looking…");
    const options = { longest: numberIn($("longest")), beam: numberIn($("thoroughness")) };
    const found = await inSlices(this.filler.filling(text, options), { signal });
    if (signal.reason === REPLACED) return;
    if (signal.aborted) {
      this.say("Stopped.");
      return;
    }
    const { unknown } = this.filler.vocabulary.read(known.join(""));
    this.say(`Found ${count(found.length, "way")}.${unknownNote(unknown, "left out")}`);
    $("fills").replaceChildren(...found.map(filledItem));
  }

  say(text) {
    $("filling-status").textContent = text;
  }
}

function filledItem({ known, fills, probability }) {
  const item = element("li");
  for (const [i, part] of known.entries()) {
    item.append(part);
    if (i < fills.length) item.append(element("mark", { text: fills[i] }));
  }
  item.append(" ", element("span", { className: "figure", text: `${(100 * probability).toFixed(1)} %` }));
  return item;
}

/** Translating. */
class Translating {
  constructor(translator) {
    this.translator = translator;
    this.runner = new TaskRunner($("translate-stop"));
    const { separators, features } = translator.pairs;
    $("translating").hidden = false;
    if (separators.source) $("source-note").textContent = `Symbols are separated by ${separatorName(separators.source)}.`;
    $("features-field").hidden = !features.length;
    $("features").required = features.length > 0;
    if (features.length) {
      const examples = features.slice(0, 3).map(symbolName).join(separators.features);
      $("features-note").textContent = `As in the training: ${examples}, …`;
    }
    $("translating-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.runner.run((signal) => this.translate(signal));
    });
  }

  async translate(signal) {
    const [source, features] = [$("source").value, $("features").value];
    const options = { features, beam: numberIn($("beam")), count: numberIn($("targets")) };
    const status = $("translating-status");
    status.textContent = "Translating…";
    $("translations").replaceChildren();
    const found = await inSlices(this.translator.translating(source, options), { signal });
    if (signal.reason === REPLACED) return;
    if (signal.aborted) {
      status.textContent = "Stopped.";
      return;
    }
    const { unknown } = this.translator.read(source, features);
    status.textContent = `Found ${count(found.length, "translation")}.${unknownNote(unknown, "read as an unknown symbol")}`;
    $("translations").replaceChildren(...found.map(translationItem));
  }
}

function separatorName(separator) {
  return separator === " " ? "spaces" : `“${Array.from(separator).map(symbolName).join(" ")}”`;
}

function translationItem({ target, logProb, ended }) {
  const percent = 100 * Math.exp(logProb);
  const share = `${percent < 0.01 ? "under 0.01" : percent.toPrecision(3)} %${ended ? "" : ", cut off"}`;
  return element("li", {}, element("span", { text: target }), " ", element("span", { className: "figure", text: share }));
}
