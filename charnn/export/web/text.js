"use strict";

// Texts as models read them.

/** Symbols (here characters) ↔ ids; one more id may stand for every unknown one, and a last for a document's end. */
class Vocabulary {
  constructor({ symbols, has_unknown: hasUnknown, has_end: hasEnd }) {
    this.symbols = symbols;
    this.size = symbols.length + hasUnknown + hasEnd;
    this.unknownId = hasUnknown ? symbols.length : -1;
    this.endId = hasEnd ? this.size - 1 : -1;
    this.idOf = new Map(symbols.map((symbol, id) => [symbol, id]));
  }

  /** What every text follows and stands before: a document's end, else a newline where there is one. */
  get border() {
    if (this.endId >= 0) return [this.endId];
    return this.idOf.has("\n") ? [this.idOf.get("\n")] : [];
  }

  /** The text, or its Unicode normal form of which fewer characters are unknown. */
  knownForm(text) {
    const lacking = (form) => Array.from(form).filter((symbol) => !this.idOf.has(symbol)).length;
    let best = text;
    for (const form of ["NFC", "NFD"]) {
      const other = text.normalize(form);
      if (lacking(other) < lacking(best)) best = other;
    }
    return best;
  }

  /** {symbols, ids}, the id −1 where there is none for it. */
  encoded(text) {
    const symbols = Array.from(this.knownForm(text));
    return { symbols, ids: symbols.map((symbol) => this.idOf.get(symbol) ?? this.unknownId) };
  }

  /** {ids, unknown}: the ids there are, and the characters without. */
  read(text) {
    const { symbols, ids } = this.encoded(text);
    return { ids: ids.filter((id) => id >= 0), unknown: symbols.filter((_, i) => ids[i] < 0) };
  }

  /** The ids that are never written, for there is nothing to write. */
  get silent() {
    return [this.unknownId, this.endId].filter((id) => id >= 0);
  }

  /** What an id is called in a list. */
  name(id) {
    if (id === this.endId) return "end";
    if (id === this.unknownId) return "another";
    return symbolName(this.symbols[id]);
  }

  decoded(ids) {
    return ids.map((id) => this.symbols[id]).join("");
  }
}

const SYMBOL_NAMES = { " ": "space", "\n": "newline", "\t": "tab", "\r": "return", "\u00a0": "no-break space" };

/** A symbol as it can be seen: letters as they are, controls and marks by their names or numbers. */
function symbolName(symbol) {
  if (symbol in SYMBOL_NAMES) return SYMBOL_NAMES[symbol];
  if (!/^[\p{C}\p{Z}\p{M}]/u.test(symbol)) return symbol;
  return "U+" + symbol.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
}
