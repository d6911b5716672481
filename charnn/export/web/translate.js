"use strict";

// The likeliest targets of a source: charnn/inference/translator.py and pair_search.py, of one source.

const UNENDED = 1e6; // nats that a target which has reached its longest length stands behind those that ended

/** A model of pairs. */
class Translator {
  constructor(transducer, vocabulary, pairs) {
    this.transducer = transducer;
    this.vocabulary = vocabulary;
    this.pairs = pairs;
    const { source, features } = pairs;
    this.source = new Vocabulary({ symbols: source, has_unknown: false, has_end: false });
    this.features = new Vocabulary({ symbols: features, has_unknown: false, has_end: false });
    this.unknownSourceId = source.length + features.length;
  }

  /** {symbols, ids, unknown} of a source and its features, as they are read. */
  read(source, features) {
    const { separators } = this.pairs;
    const form = separators.source ? source : this.source.knownForm(source);
    const own = splitSymbols(form, separators.source);
    const more = this.features.size ? splitSymbols(features, separators.features) : [];
    const ids = [
      ...own.map((symbol) => this.source.idOf.get(symbol) ?? this.unknownSourceId),
      ...more.map((symbol) => {
        const id = this.features.idOf.get(symbol);
        return id === undefined ? this.unknownSourceId : this.source.size + id;
      }),
    ];
    const symbols = [...own, ...more];
    return { symbols, ids, unknown: symbols.filter((_, i) => ids[i] === this.unknownSourceId) };
  }

  /** The likeliest targets, {target, logProb, ended}: a task. */
  *translating(source, { features = "", beam = 5, count = 1 } = {}) {
    const asked = this.read(source, features);
    if (!asked.ids.length) return [{ target: "", logProb: 0, ended: true }];
    const { memory, states } = yield* this.transducer.encoding(asked.ids);
    const search = new BeamSearch(this, asked, memory, Math.max(beam, count), count);
    const found = yield* search.run(states);
    return found.map(({ ids, score, ended }) => ({
      target: this.text(ids, asked, memory, states),
      logProb: score,
      ended,
    }));
  }

  /** A target as text; an unknown symbol is the unknown one of the source that was looked at. */
  text(ids, asked, memory, states) {
    const { unknownId, endId, symbols } = this.vocabulary;
    const written = ids.map((id) => symbols[id] ?? "\ufffd");
    const strange = asked.ids.flatMap((id, s) => (id === this.unknownSourceId ? [s] : []));
    if (memory && strange.length && ids.includes(unknownId)) {
      let last = endId;
      for (const [i, id] of ids.entries()) {
        const step = this.transducer.step(last, states, memory);
        if (id === unknownId) {
          const at = strange.reduce((best, s) => (step.attention[s] > step.attention[best] ? s : best));
          written[i] = asked.symbols[at];
        }
        states = step.states;
        last = id;
      }
    }
    return written.join(this.pairs.separators.target);
  }
}

/** The symbols of a text, which `separator` separates; without one its characters. */
function splitSymbols(text, separator) {
  return separator ? text.split(separator).filter((symbol) => symbol) : Array.from(text);
}

/** The `wanted` likeliest targets of a source; those of the longest length haven't ended. */
class BeamSearch {
  constructor({ transducer, vocabulary, unknownSourceId }, { ids }, memory, beam, wanted) {
    Object.assign(this, { transducer, vocabulary, memory, beam, wanted });
    this.longest = 5 * ids.length + 50;
    this.banned = memory && ids.includes(unknownSourceId) ? [] : [vocabulary.unknownId]; // nothing to copy
    this.found = [];
  }

  *run(states) {
    const { endId } = this.vocabulary;
    let rows = [{ states, ids: [], score: 0, last: endId }];
    while (rows.length) {
      const steps = [];
      for (const { last, states: before } of rows) {
        steps.push(this.transducer.step(last, before, this.memory));
        yield;
      }
      rows = this.extended(rows, steps);
      const isOpen = rows.length > 0 && rows[0].score > this.bound;
      const atLimit = isOpen && rows[0].ids.length >= this.longest;
      if (atLimit && this.found.length < this.wanted) this.finish(rows.map((row) => ({ ...row, ended: false })));
      if (!isOpen || atLimit) break;
    }
    return this.found;
  }

  /** The score that a target must exceed to be among those found. */
  get bound() {
    return this.found.length < this.wanted ? -Infinity : this.found.at(-1).score;
  }

  /** The rows that go on; those that have ended are taken among the found where they are among the best. */
  extended(rows, steps) {
    const { size, endId } = this.vocabulary;
    const totals = Array(rows.length * size);
    for (const [k, { score }] of rows.entries()) {
      for (let id = 0; id < size; id++) totals[k * size + id] = score + steps[k].logProbs[id];
      for (const id of this.banned) totals[k * size + id] = -Infinity;
    }
    const kept = Math.min(this.beam, totals.length - rows.length);
    const best = likeliest(totals, kept);
    const least = best.length < kept ? -Infinity : Math.min(...best.map((place) => totals[place]));
    const ends = rows.map((row, k) => ({ ids: row.ids, score: totals[k * size + endId], ended: true }));
    this.finish(ends.filter(({ score }) => score >= least && score > -Infinity));
    for (const k of rows.keys()) totals[k * size + endId] = -Infinity;
    return likeliest(totals, kept)
      .sort((i, j) => totals[j] - totals[i] || i - j)
      .map((place) => {
        const k = Math.floor(place / size);
        const id = place % size;
        return { states: steps[k].states, ids: [...rows[k].ids, id], score: totals[place], last: id };
      });
  }

  /** Take targets among the found; one that hasn't ended stands behind those that have. */
  finish(targets) {
    const key = ({ score, ended }) => (ended ? score : score - UNENDED);
    this.found.push(...targets.map(({ ids, score, ended }) => ({ ids, score, ended })));
    this.found.sort((one, other) => key(other) - key(one));
    this.found.length = Math.min(this.found.length, this.wanted);
  }
}
