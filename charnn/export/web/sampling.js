"use strict";

// Distributions, draws and scores. What takes long is a task: a generator that yields after each step.

function greatest(numbers) {
  let best = -Infinity;
  for (const number of numbers) if (number > best) best = number;
  return best;
}

/** The natural logs of the softmax of logits. */
function logSoftmax(logits) {
  const most = greatest(logits);
  const below = Float64Array.from(logits, (logit) => logit - most);
  let sum = 0;
  for (const one of below) sum += Math.exp(one);
  const log = Math.log(sum);
  for (let i = 0; i < below.length; i++) below[i] -= log;
  return below;
}

/** An id from log-probabilities at a temperature: 0 is the likeliest. Those of `banned` ids are never drawn. */
function drawn(logProbs, temperature, banned, random = Math.random) {
  const allowed = Float64Array.from(logProbs);
  for (const id of banned) allowed[id] = -Infinity;
  const best = allowed.indexOf(greatest(allowed));
  if (temperature <= 0) return best;
  const weights = allowed.map((one) => Math.exp((one - allowed[best]) / temperature));
  let left = random() * weights.reduce((sum, weight) => sum + weight, 0);
  for (let id = 0; id < weights.length; id++) {
    left -= weights[id];
    if (left < 0) return id;
  }
  return best;
}

/** A model that writes and scores text. */
class LanguageModel {
  constructor(network, vocabulary, opening) {
    this.network = network;
    this.vocabulary = vocabulary;
    this.opening = vocabulary.read(opening).ids;
    this.banned = vocabulary.unknownId >= 0 ? [vocabulary.unknownId] : [];
  }

  /** The state from which a text goes on that begins with these ids; without any, from the corpus's opening. */
  *begun(ids) {
    return yield* this.network.reading([...this.vocabulary.border, ...(ids.length ? ids : this.opening)]);
  }

  logProbs(state) {
    return logSoftmax(this.network.logits(state));
  }

  /** Draw `length` characters after a state, each yielded as {id, logProb, state}, or a document's end. */
  *writing(state, { length, temperature, random }) {
    for (let i = 0; i < length; i++) {
      const logProbs = this.logProbs(state);
      const id = drawn(logProbs, temperature, this.banned, random);
      state = this.network.advance(id, state);
      yield { id, logProb: logProbs[id], state };
      if (id === this.vocabulary.endId) return;
    }
  }

  /** Each character of a text as {symbol, logProb}, null for an unknown one; last a document's end, without symbol. */
  *scoring(text) {
    const { symbols, ids } = this.vocabulary.encoded(text);
    let state = yield* this.network.reading(this.vocabulary.border);
    for (const [i, id] of ids.entries()) {
      if (id < 0) {
        yield { symbol: symbols[i], logProb: null };
        continue;
      }
      yield { symbol: symbols[i], logProb: this.logProbs(state)[id] };
      state = this.network.advance(id, state);
    }
    const { endId } = this.vocabulary;
    if (endId >= 0) yield { symbol: null, logProb: this.logProbs(state)[endId] };
  }
}

/** What a task returns, run at once. */
function finished(task) {
  for (;;) {
    const { done, value } = task.next();
    if (done) return value;
  }
}

/** What a task yields, run at once. */
function collected(task) {
  return [...task].filter((value) => value !== undefined);
}
