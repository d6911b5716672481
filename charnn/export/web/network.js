"use strict";

// The network, a character at a time, as docs/file-format.md has its arithmetic. States are values: never changed.

const SATURATION = 1e20; // of ReLU cells that run away
const NGRAM_BASE = 1000003n;
const NGRAM_MIX = 0x9e3779b97f4a7c15n;
const BEFORE_TEXT = -1; // the id of what precedes a text

function sigmoid(x) {
  return 1 / (1 + Math.exp(-x));
}

function tanh(x) {
  return 1 - 2 / (Math.exp(2 * x) + 1); // a third of the time of Math.tanh, and as near in absolute terms
}

/** Cells: the products a of the input and b of the state, the gates one behind another, and the state → state. */
const CELLS = {
  lstm(a, b, [, memory]) {
    const width = memory.length;
    const hidden = new Float32Array(width);
    const after = new Float32Array(width);
    for (let i = 0; i < width; i++) {
      const write = sigmoid(a[i] + b[i]);
      const forget = sigmoid(a[width + i] + b[width + i]);
      const candidate = tanh(a[2 * width + i] + b[2 * width + i]);
      const read = sigmoid(a[3 * width + i] + b[3 * width + i]);
      const sum = forget * memory[i] + write * candidate;
      after[i] = sum;
      hidden[i] = read * tanh(sum);
    }
    return [hidden, after];
  },
  gru(a, b, [hidden]) {
    const width = hidden.length;
    const after = new Float32Array(width);
    for (let i = 0; i < width; i++) {
      const reset = sigmoid(a[i] + b[i]);
      const update = sigmoid(a[width + i] + b[width + i]);
      const candidate = tanh(a[2 * width + i] + reset * b[2 * width + i]);
      after[i] = candidate + update * (hidden[i] - candidate);
    }
    return [after];
  },
  tanh(a, b, [hidden]) {
    return [hidden.map((_, i) => tanh(a[i] + b[i]))];
  },
  relu(a, b, [hidden]) {
    return [hidden.map((_, i) => Math.min(Math.max(a[i] + b[i], 0), SATURATION))];
  },
};

/** A recurrent layer. Its state is [h], of the LSTM [h, c]. */
class Layer {
  constructor(config, tensors, arena, name, index) {
    const of = (part) => tensors[`${name}.${part}_l${index}`];
    const isOneHot = name === "rnn" && index === 0 && !config.embedding;
    this.input = isOneHot
      ? new OneHotLinear(of("weight_ih"), of("bias_ih"))
      : new Linear(arena, of("weight_ih"), of("bias_ih"));
    this.recurrent = new Linear(arena, of("weight_hh"), of("bias_hh"));
    this.cell = CELLS[config.cell === "rnn" ? config.nonlinearity : config.cell];
    this.width = of("weight_hh").columns;
    this.parts = config.cell === "lstm" ? 2 : 1;
  }

  zero() {
    return Array.from({ length: this.parts }, () => new Float32Array(this.width));
  }

  /** `input` is a vector, or the id of a one-hot one. */
  step(input, state) {
    return this.cell(this.input.of(input), this.recurrent.of(state[0]), state);
  }
}

/** Which rows of a table the n-grams own that end at a character: charnn/model/ngrams.py. */
class NgramRows {
  constructor({ ngrams, ngram_rows: rows }) {
    this.rows = rows;
    this.mask = BigInt(rows - 1);
    this.factors = Array.from({ length: Math.max(ngrams - 1, 0) }, (_, i) => NGRAM_BASE ** BigInt(i + 1));
  }

  get history() {
    return this.factors.length;
  }

  /** `recent` are the ids before `id`, the latest first. */
  of(id, recent) {
    let value = BigInt(id);
    return this.factors.map((factor, order) => {
      value += BigInt(recent[order]) * factor;
      const hash = (BigInt.asUintN(64, value * NGRAM_MIX) >> 32n) & this.mask;
      return Number(hash) + order * this.rows;
    });
  }
}

/** A language model's network: charnn/inference/engine.py. */
class Network {
  constructor(config, tensors, arena) {
    this.config = config;
    this.embedding = tensors["embedding.weight"];
    this.ngrams = new NgramRows(config);
    this.table = tensors["ngrams.weight"];
    this.layers = Array.from({ length: config.layers }, (_, i) => new Layer(config, tensors, arena, "rnn", i));
    this.output = new Linear(arena, tensors["output.weight"], tensors["output.bias"]);
  }

  /** `top` is what the output layer reads: the last hidden state, and with a skip connection the input. */
  initial() {
    return {
      layers: this.layers.map((layer) => layer.zero()),
      recent: Array(this.ngrams.history).fill(BEFORE_TEXT),
      top: new Float32Array(this.config.output_size),
    };
  }

  /** The state after a character. */
  advance(id, { layers, recent }) {
    const first = this.embedding ? this.inputOf(id, recent) : id;
    let below = first;
    const after = this.layers.map((layer, i) => {
      const state = layer.step(below, layers[i]);
      below = state[0];
      return state;
    });
    return {
      layers: after,
      recent: recent.length ? [id, ...recent.slice(0, -1)] : recent,
      top: this.config.skip_connection === "input" ? joined(below, first) : below,
    };
  }

  inputOf(id, recent) {
    const vector = new Float32Array(this.config.embedding);
    this.embedding.addRow(id, vector);
    if (this.table) for (const row of this.ngrams.of(id, recent)) this.table.addRow(row, vector);
    return vector;
  }

  /** Logits of the next character; the next call overwrites them. */
  logits(state) {
    return this.output.of(state.top);
  }

  /** Read ids: a task, which yields after each. */
  *reading(ids, state = this.initial()) {
    for (const id of ids) {
      state = this.advance(id, state);
      yield;
    }
    return state;
  }
}

function joined(...vectors) {
  const all = new Float32Array(vectors.reduce((sum, vector) => sum + vector.length, 0));
  let place = 0;
  for (const vector of vectors) {
    all.set(vector, place);
    place += vector.length;
  }
  return all;
}
