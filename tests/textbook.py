"""The textbook's equations as naive loops in NumPy and float64: one stream, one layer, one character at a time."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step(config, w, layer, x, h, c):
    """One layer's (h, c) after input x (D,); c is the LSTM's alone."""
    of_x = w[f"rnn.weight_ih_l{layer}"] @ x + w[f"rnn.bias_ih_l{layer}"]
    of_h = w[f"rnn.weight_hh_l{layer}"] @ h + w[f"rnn.bias_hh_l{layer}"]
    if config.cell == "lstm":
        i, f, g, o = np.split(of_x + of_h, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c
    if config.cell == "gru":
        (r_x, z_x, n_x), (r_h, z_h, n_h) = np.split(of_x, 3), np.split(of_h, 3)
        z = sigmoid(z_x + z_h)
        n = np.tanh(n_x + sigmoid(r_x + r_h) * n_h)
        return (1 - z) * n + z * h, c
    s = of_x + of_h
    return (np.tanh(s) if config.nonlinearity == "tanh" else np.maximum(s, 0)), c


def embedded(config, w, ids):
    """The first layer's input at the last of ids: its embedding or one-hot vector, and its n-grams' rows."""
    x = (w["embedding.weight"] if config.embedding else np.eye(config.vocab_size))[ids[-1]]
    return sum((w["ngrams.weight"][ngram_row(config, ids, n)] for n in range(2, config.ngrams + 1)), x)


def ngram_row(config, ids, n):
    """The row of the n-gram that ends a text, in exact integers; −1 stands for what is before the text."""
    back = [*[-1] * n, *map(int, ids)][::-1]
    value = sum(back[k] * 1_000_003**k for k in range(n)) * 0x9E3779B97F4A7C15 % 2**64
    return (value >> 32) % config.ngram_rows + (n - 2) * config.ngram_rows


def read(config, weights, ids, h=0.0, c=0.0):
    """The logits (T, V) after each of ids (T,), and h and c (layers, H) after the last; zero states unless given."""
    w = {name: np.asarray(weight, np.float64) for name, weight in weights.items()}
    h, c = (np.zeros((config.layers, config.hidden)) + before for before in (h, c))
    logits = []
    for t in range(len(ids)):
        x = embedded(config, w, ids[: t + 1])
        skipped = x if config.skip_connection == "input" else x[:0]
        for layer in range(config.layers):
            h[layer], c[layer] = step(config, w, layer, x, h[layer], c[layer])
            x = h[layer]
        logits.append(w["output.weight"] @ np.concatenate([x, skipped]) + w["output.bias"])
    return np.array(logits), h, c
