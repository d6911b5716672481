"use strict";

// The network from one text to another: charnn/inference/transducer.py, of one source.

const PROBABLE = 1e-9; // added to a mixture's probabilities, as in training

/** An encoder–decoder's network. */
class Transducer {
  constructor(config, tensors, arena, copies) {
    this.config = config;
    this.copies = copies; // for each source id the target's of the same symbol, or −1
    this.sourceEmbedding = tensors["source_embedding.weight"];
    this.embedding = tensors["embedding.weight"];
    this.tables = ["before_ngrams.weight", "after_ngrams.weight"].map((name) => tensors[name]);
    this.ngrams = new NgramRows(config);
    this.hasAttention = config.attention === "dot";
    const count = Array.from({ length: config.layers }, (_, i) => i);
    const layer = (name, i) => new Layer(config, tensors, arena, name, i);
    this.decoder = count.map((i) => layer("rnn", i));
    const linear = (name) =>
      `${name}.weight` in tensors ? new Linear(arena, tensors[`${name}.weight`], tensors[`${name}.bias`]) : null;
    if (this.hasAttention) {
      this.readers = count.map((i) => ["forward", "backward"].map((way) => layer(`encoder_${way}.${i}`, 0)));
      [this.bridge, this.keys, this.combine, this.gate] = ["bridge", "keys", "combine", "gate"].map(linear);
    } else {
      this.encoder = count.map((i) => layer("encoder", i));
    }
    this.output = linear("output");
  }

  /** What the decoder looks at of a source's ids, and its first states: a task. */
  *encoding(ids) {
    let outputs = this.embedded(ids);
    if (!this.hasAttention) {
      const states = [];
      for (const layer of this.encoder) {
        const [read, last] = yield* readBy(layer, outputs);
        outputs = read;
        states.push(last);
      }
      return { memory: null, states };
    }
    let ends;
    for (const [forward, backward] of this.readers) {
      const [ahead] = yield* readBy(forward, outputs);
      const [turned] = yield* readBy(backward, outputs.toReversed());
      const back = turned.reverse();
      outputs = ahead.map((vector, i) => joined(vector, back[i]));
      ends = joined(ahead.at(-1), back[0]);
    }
    const keys = outputs.map((output) => this.keys.of(output).slice());
    return { memory: { ids, outputs, keys }, states: this.bridged(ends) };
  }

  embedded(ids) {
    const vectors = ids.map((id) => {
      const vector = new Float32Array(this.config.embedding);
      this.sourceEmbedding.addRow(id, vector);
      return vector;
    });
    if (this.ngrams.history) {
      this.addNgrams(ids, vectors, this.tables[0]);
      this.addNgrams(ids.toReversed(), vectors.toReversed(), this.tables[1]);
    }
    return vectors;
  }

  addNgrams(ids, vectors, table) {
    let recent = Array(this.ngrams.history).fill(BEFORE_TEXT);
    for (const [i, id] of ids.entries()) {
      for (const row of this.ngrams.of(id, recent)) table.addRow(row, vectors[i]);
      recent = [id, ...recent.slice(0, -1)];
    }
  }

  bridged(ends) {
    const first = this.bridge.of(ends).map(tanh);
    const { layers, hidden } = this.config;
    const part = (p, i) => first.slice((p * layers + i) * hidden, (p * layers + i + 1) * hidden);
    return this.decoder.map((layer, i) => Array.from({ length: layer.parts }, (_, p) => part(p, i)));
  }

  /** One symbol further: {logProbs, states, attention}. */
  step(id, states, memory) {
    let below = new Float32Array(this.config.embedding);
    this.embedding.addRow(id, below);
    const after = this.decoder.map((layer, i) => {
      const state = layer.step(below, states[i]);
      below = state[0];
      return state;
    });
    if (!memory) return { logProbs: logSoftmax(this.output.of(below)), states: after, attention: [] };
    const attention = logSoftmax(memory.keys.map((key) => dot(key, below))).map(Math.exp);
    const context = new Float32Array(memory.outputs[0].length);
    for (const [s, output] of memory.outputs.entries()) {
      for (let i = 0; i < context.length; i++) context[i] += attention[s] * output[i];
    }
    const combined = this.combine.of(context, below).map(tanh);
    const logProbs = logSoftmax(this.output.of(combined));
    if (!this.gate) return { logProbs, states: after, attention };
    const [gate] = this.gate.of(context, below);
    return { logProbs: this.mixed(logProbs, gate, attention, memory.ids), states: after, attention };
  }

  /** With the symbols that are copied from where attention lies. */
  mixed(logProbs, gate, attention, ids) {
    const copied = new Float64Array(logProbs.length);
    for (const [s, id] of ids.entries()) if (this.copies[id] >= 0) copied[this.copies[id]] += attention[s];
    const own = sigmoid(gate);
    const other = sigmoid(-gate);
    return logProbs.map((one, id) => Math.log(own * Math.exp(one) + other * copied[id] + PROBABLE));
  }
}

/** [hidden states, last state] of a layer that reads vectors: a task. */
function* readBy(layer, inputs) {
  let state = layer.zero();
  const outputs = [];
  for (const input of inputs) {
    state = layer.step(input, state);
    outputs.push(state[0]);
    yield;
  }
  return [outputs, state];
}

function dot(one, other) {
  let sum = 0;
  for (let i = 0; i < one.length; i++) sum += one[i] * other[i];
  return sum;
}
