"use strict";

// The page's data, and products of matrices with vectors.

const LANES = 4; // numbers that the kernel multiplies at once

/** base64 → {description, bytes, begin}: a length, a description as JSON, then arrays from `begin` on. */
function unpacked(base64) {
  const bytes = decodedBase64(base64.trim());
  const length = new DataView(bytes.buffer).getUint32(0, true);
  const description = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  return { description, bytes, begin: (4 + length + 7) & ~7 };
}

function decodedBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** A matrix: half-precision floats, or integers with a scale a row, whose numbers are scale × integer. */
class PackedMatrix {
  constructor(entry, { bytes, begin }) {
    [this.rows, this.columns] = entry.shape;
    const stored = entry.stored;
    this.values = NUMBERS[entry.type](bytes.buffer, begin + entry.values, stored * this.columns);
    this.scales = "scales" in entry ? new Float32Array(bytes.buffer, begin + entry.scales, stored) : null;
    this.places = "mask" in entry ? placesOf(bytes.subarray(begin + entry.mask), this.rows) : null;
  }

  /** Add a row to a vector, at a place of it. */
  addRow(row, vector, at = 0) {
    const place = this.places ? this.places[row] : row;
    if (place < 0) return; // a row of zeros
    const { values, columns } = this;
    const scale = this.scales ? this.scales[place] : 1;
    const start = place * columns;
    for (let i = 0; i < columns; i++) vector[at + i] += scale * values[start + i];
  }

  /** The numbers, `stride` of them a row. */
  dense(stride = this.columns, numbers = new Float32Array(this.rows * stride)) {
    for (let row = 0; row < this.rows; row++) this.addRow(row, numbers, row * stride);
    return numbers;
  }
}

/** The half-precision float of each 16 bits. */
const HALVES = new Float32Array(1 << 16).map((_, bits) => {
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  const magnitude = exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction;
  return bits >> 15 ? -magnitude : magnitude; // no model holds an infinity
});

/** How `count` numbers of each type lie in a buffer. */
const NUMBERS = {
  int8: (buffer, begin, count) => new Int8Array(buffer, begin, count),
  int24(buffer, begin, count) {
    const bytes = new Uint8Array(buffer, begin, 3 * count);
    const numbers = new Int32Array(count);
    for (let i = 0, at = 0; i < count; i++, at += 3) {
      numbers[i] = bytes[at] | (bytes[at + 1] << 8) | ((bytes[at + 2] << 24) >> 8);
    }
    return numbers;
  },
  float16(buffer, begin, count) {
    const halves = new Uint16Array(buffer, begin, count);
    const numbers = new Float32Array(count);
    for (let i = 0; i < count; i++) numbers[i] = HALVES[halves[i]];
    return numbers;
  },
};

/** For each row where it is stored, −1 where it isn't: bit r mod 8 of byte ⌊r/8⌋ says whether row r is. */
function placesOf(mask, rows) {
  const places = new Int32Array(rows);
  let place = 0;
  for (let row = 0; row < rows; row++) places[row] = (mask[row >> 3] >> (row & 7)) & 1 ? place++ : -1;
  return places;
}

function padded(count) {
  return Math.ceil(count / LANES) * LANES;
}

/** One memory for all matrices, so that the kernel sees them; plain loops where the browser has no SIMD. */
class Arena {
  constructor(floats, kernel) {
    try {
      const memory = new WebAssembly.Memory({ initial: Math.ceil((4 * floats) / 65536) });
      const instance = new WebAssembly.Instance(new WebAssembly.Module(kernel), { network: { memory } });
      this.buffer = memory.buffer;
      this.addProduct = instance.exports.addProduct;
    } catch {
      this.buffer = new ArrayBuffer(4 * floats);
      this.addProduct = looped(new Float32Array(this.buffer));
    }
    this.used = 0;
  }

  /** Room for the matrices, with an input and an output each. */
  static of(matrices, kernel) {
    let floats = LANES;
    for (const { rows, columns } of matrices) {
      floats += padded(rows) * padded(columns) + padded(rows) + padded(columns);
    }
    return new Arena(floats, kernel);
  }

  floats(count) {
    const array = new Float32Array(this.buffer, this.used, count);
    this.used += 4 * padded(count);
    return array;
  }
}

/** What product.wat does, in loops. */
function looped(numbers) {
  return (matrix, rows, columns, input, output) => {
    let place = matrix / 4;
    for (let row = 0; row < rows; row++) {
      let sum = 0;
      for (let i = 0; i < columns; i++) sum += numbers[place++] * numbers[input / 4 + i];
      numbers[output / 4 + row] += sum;
    }
  };
}

/** W·x + b. */
class Linear {
  constructor(arena, weight, bias = null) {
    this.arena = arena;
    this.rows = padded(weight.rows);
    this.columns = padded(weight.columns);
    this.weight = weight.dense(this.columns, arena.floats(this.rows * this.columns));
    this.bias = new Float32Array(this.rows);
    if (bias) this.bias.set(bias.dense());
    this.input = arena.floats(this.columns);
    this.output = arena.floats(this.rows);
    this.result = this.output.subarray(0, weight.rows);
  }

  /** Of the inputs, one behind another. The next call overwrites the result. */
  of(...inputs) {
    let place = 0;
    for (const input of inputs) {
      this.input.set(input, place);
      place += input.length;
    }
    this.output.set(this.bias);
    const { arena, weight, rows, columns, input, output } = this;
    arena.addProduct(weight.byteOffset, rows, columns, input.byteOffset, output.byteOffset);
    return this.result;
  }
}

/** W·x + b of one-hot x, by the place of its one: the columns of W as rows of a table. */
class OneHotLinear {
  constructor(weight, bias) {
    const { rows, columns } = weight;
    const numbers = weight.dense();
    const offset = bias.dense();
    this.width = rows;
    this.table = new Float32Array(rows * columns);
    for (let row = 0; row < rows; row++) {
      for (let id = 0; id < columns; id++) {
        this.table[id * rows + row] = numbers[row * columns + id] + offset[row];
      }
    }
  }

  of(id) {
    return this.table.subarray(id * this.width, (id + 1) * this.width);
  }
}
