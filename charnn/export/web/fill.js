"use strict";

// Gaps of a text, filled: charnn/inference/infill.py, beam.py and directional.py.

const MARGIN = 10; // nats; what falls further behind the best while it reads the text after a gap is given up
const PARTS = /\\(\\|_|\{\})|(_+|\{\})/g; // a character that is escaped, or a gap

/** {known, gaps} of a text with gaps: ___ is one of three characters, {} one of up to `longest`. */
function blanksIn(text, longest) {
  const known = [""];
  const gaps = [];
  let place = 0;
  for (const part of text.matchAll(PARTS)) {
    const [whole, escaped, gap] = part;
    known[known.length - 1] += text.slice(place, part.index) + (escaped ?? "");
    place = part.index + whole.length;
    if (gap) {
      gaps.push(gap === "{}" ? { shortest: 1, longest } : { shortest: gap.length, longest: gap.length });
      known.push("");
    }
  }
  known[known.length - 1] += text.slice(place);
  return { known, gaps };
}

function mirrored(parts) {
  return parts.map((part) => Array.from(part).reverse().join("")).reverse();
}

/** The places of the `count` greatest. */
function likeliest(scores, count) {
  const places = scores.map((_, i) => i).filter((i) => scores[i] > -Infinity);
  if (places.length <= count) return places;
  const sorted = Float64Array.from(places, (i) => scores[i]).sort();
  const bound = sorted[sorted.length - count];
  const above = places.filter((i) => scores[i] > bound);
  return [...above, ...places.filter((i) => scores[i] === bound).slice(0, count - above.length)];
}

/** A network for texts that are given in its own direction. */
class DirectionalModel {
  constructor(network, vocabulary) {
    this.network = network;
    this.vocabulary = vocabulary;
    this.banned = [...vocabulary.border, ...(vocabulary.unknownId >= 0 ? [vocabulary.unknownId] : [])];
  }

  *read({ known, gaps }, options) {
    const [first, ...after] = known.map((part) => this.vocabulary.read(part).ids);
    after.push([...after.pop(), ...this.vocabulary.border].slice(0, options.lookahead));
    const start = yield* this.network.reading([...this.vocabulary.border, ...first]);
    return new InfillQuery(this, gaps, after, start, options);
  }
}

/** A text with gaps, read up to its first gap; `after` is what stands behind each. */
class InfillQuery {
  constructor(model, gaps, after, start, options) {
    Object.assign(this, { model, gaps, after, start, options });
    this.network = model.network;
  }

  /** Ways to fill the gaps, each an array of texts, the likeliest first: a task. */
  *candidates() {
    let found = [{ state: this.start, fills: [], logProb: 0 }];
    for (const [i, gap] of this.gaps.entries()) {
      found = yield* this.past(this.after[i], yield* this.through(gap, found));
    }
    found.sort((one, other) => other.logProb - one.logProb);
    return found.map(({ fills }) => fills.map((ids) => this.model.vocabulary.decoded(ids)));
  }

  *through(gap, found) {
    const ended = [];
    found = found.map((one) => ({ ...one, fill: [] }));
    for (let length = 1; length <= gap.longest; length++) {
      found = yield* this.extended(found);
      if (length >= gap.shortest) {
        ended.push(...found.map(({ state, fills, fill, logProb }) => ({ state, fills: [...fills, fill], logProb })));
      }
    }
    return ended;
  }

  /** The likeliest ways to go on by a character. */
  *extended(found) {
    const { size } = this.model.vocabulary;
    const scores = Array(found.length * size);
    for (const [k, { state, logProb }] of found.entries()) {
      const logProbs = logSoftmax(this.network.logits(state));
      for (const id of this.model.banned) logProbs[id] = -Infinity;
      for (let id = 0; id < size; id++) scores[k * size + id] = logProb + logProbs[id];
    }
    const extended = [];
    for (const place of likeliest(scores, this.options.beam)) {
      const parent = found[Math.floor(place / size)];
      const id = place % size;
      const state = this.network.advance(id, parent.state);
      extended.push({ state, fills: parent.fills, fill: [...parent.fill, id], logProb: scores[place] });
      yield;
    }
    return extended;
  }

  /** The candidates after the known text that follows; those that fall behind are left out. */
  *past(known, found) {
    const { beam, lookahead } = this.options;
    for (const id of known.slice(0, lookahead)) {
      for (const one of found) {
        one.logProb += logSoftmax(this.network.logits(one.state))[id];
        one.state = this.network.advance(id, one.state);
        yield;
      }
      const scores = found.map(({ logProb }) => logProb);
      const least = greatest(scores) - MARGIN;
      found = likeliest(scores, beam).map((i) => found[i]).filter(({ logProb }) => logProb >= least);
    }
    if (known.length > lookahead) {
      const [best] = likeliest(found.map(({ logProb }) => logProb), 1);
      const state = yield* this.network.reading(known.slice(lookahead), found[best].state);
      for (const one of found) one.state = state;
    }
    return found;
  }

  /** The log-probability of each way, with what stands behind the gaps: a task. */
  *logProbs(ways) {
    const sums = [];
    for (const fills of ways) {
      let state = this.start;
      let sum = 0;
      for (const [i, fill] of fills.entries()) {
        for (const id of [...this.model.vocabulary.read(fill).ids, ...this.after[i]]) {
          sum += logSoftmax(this.network.logits(state))[id];
          state = this.network.advance(id, state);
          yield;
        }
      }
      sums.push(sum);
    }
    return sums;
  }
}

/** A model that fills gaps, with a network for each direction. */
class Filler {
  constructor(forward, backward, vocabulary) {
    this.vocabulary = vocabulary;
    this.forward = new DirectionalModel(forward, vocabulary);
    this.backward = new DirectionalModel(backward, vocabulary);
  }

  /** The likeliest ways, {known, fills, probability, logProb}: a task. */
  *filling(text, { beam = 400, lookahead = 32, longest = 12, count = 5 } = {}) {
    const blanks = blanksIn(this.vocabulary.knownForm(text), longest);
    if (!blanks.gaps.length) return [];
    const options = { beam, lookahead };
    const forward = yield* this.forward.read(blanks, options);
    const turned = { known: mirrored(blanks.known), gaps: blanks.gaps.toReversed() };
    const backward = yield* this.backward.read(turned, options);
    const ways = new Map();
    for (const fills of yield* forward.candidates()) ways.set(JSON.stringify(fills), fills);
    for (const fills of yield* backward.candidates()) ways.set(JSON.stringify(mirrored(fills)), mirrored(fills));
    const all = [...ways.values()];
    const ahead = yield* forward.logProbs(all);
    const back = yield* backward.logProbs(all.map(mirrored));
    const means = ahead.map((sum, i) => (sum + back[i]) / 2);
    const shares = logSoftmax(means);
    const order = all.map((_, i) => i).sort((i, j) => means[j] - means[i]);
    return order.slice(0, count).map((i) => ({
      known: blanks.known,
      fills: all[i],
      probability: Math.exp(shares[i]),
      logProb: means[i],
    }));
  }
}
