"use strict";

// The section for models that say how likely a text is.

const TITLED = 5000; // characters of a measured text that have an element each
const ROWS = 2000; // of the table of each character's bits

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
