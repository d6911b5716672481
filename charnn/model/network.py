"""The network: (ids, state) → (logits, state). Mathematics only; the state is a value, never hidden in the module."""

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag, one_hot

from charnn.config import ModelConfig
from charnn.model.ngrams import history, ngram_rows
from charnn.model.noise import ORDINARY, Noise, run_stack
from charnn.model.state import State


class Network(nn.Module):
    """Embedding or one-hot input, a stack of recurrent layers, a linear output layer over the last one's states.

    The vanilla RNN is s_t = f(U x_t + W s_{t−1} + b), o_t = softmax(V s_t + c) (Elman 1990; f is tanh or ReLU);
    the LSTM is Hochreiter and Schmidhuber's with a forget gate (Gers et al. 2000); the GRU is Cho et al.'s with
    the reset gate applied after the hidden product, as in cuDNN. Dropout falls between layers (Zaremba et al. 2014)
    and, the same units for a whole sequence, of the hidden state before the output layer. With a skip connection that
    layer reads the first layer's input too (the direct connections of Bengio et al. 2003): what n-grams say of the
    next character needn't pass through the recurrent layers.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.embedding) if config.embedding else None
        self.ngrams = NgramEmbedding(config) if config.ngrams else None
        self.rnn = _recurrent_stack(config)
        self.dropout = LockedDropout(config.dropout, config.hidden, config.output_size)
        self.output = nn.Linear(config.output_size, config.vocab_size)
        self._initialise()

    def forward(self, ids: Tensor, state: State, noise: Noise = ORDINARY) -> tuple[Tensor, State]:
        """ids (T, N) and the state before them → logits (T, N, V) and the state after them."""
        features, after = self.features(ids, state, noise)
        return self.logits(features, noise), after

    def features(self, ids: Tensor, state: State, noise: Noise = ORDINARY) -> tuple[Tensor, State]:
        """ids (T, N) and the state before them → what the output layer reads (T, N, F) and the state after them.

        F is H, with a skip connection H + E. Which n-grams are left out is drawn from `noise`.
        """
        inputs, recent = self._embed(ids, state.recent, noise)
        hidden, layers = run_stack(self.rnn, inputs, state.layers, noise)
        if self.config.skip_connection == "none":
            return hidden, State(layers, recent, state.input)
        return torch.cat([hidden, inputs], dim=-1), State(layers, recent, inputs[-1])

    def logits(self, features: Tensor, noise: Noise = ORDINARY) -> Tensor:
        """What the output layer reads (T, N, F) → logits (T, N, V)."""
        logits: Tensor = self.output(self.dropout(features, noise))
        return logits

    def initial_state(self, batch: int) -> State:
        """The zero state of N = `batch` streams, before any text."""
        return State.zero(self.config, batch, like=self.output.weight)

    def _embed(self, ids: Tensor, recent: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        """ids (T, N) and those before them → input (T, N, width), and the ids that the next batch's n-grams need."""
        if self.embedding is None:
            return one_hot(ids, self.config.vocab_size).to(self.output.weight.dtype), recent
        embedded: Tensor = self.embedding(ids)
        if self.ngrams is None:
            return embedded, recent
        text = torch.cat([recent, ids])
        return embedded + self.ngrams(text, noise), text[len(text) - history(self.config) :]

    def _initialise(self) -> None:
        """Orthogonal recurrent matrices (Saxe et al. 2014); forget gates open (Jozefowicz et al. 2015).

        A skip connection begins without a say.
        """
        hidden = self.config.hidden
        for name, parameter in self.rnn.named_parameters():
            if name.startswith("weight_hh"):
                for gate in torch.split(parameter.data, hidden):
                    nn.init.orthogonal_(gate)
            elif name.startswith("bias"):
                nn.init.zeros_(parameter)
                if self.config.cell == "lstm" and name.startswith("bias_ih"):
                    parameter.data[hidden : 2 * hidden] = 1.0
        nn.init.zeros_(self.output.bias)
        nn.init.zeros_(self.output.weight[:, hidden:])  # what a skip connection leads there


class NgramEmbedding(nn.Module):
    """The summed embeddings of the n-grams that end at each character: a look-up, where a layer is a product.

    In training each n-gram is left out with `ngram_dropout` and the others count for more (inverted dropout,
    Srivastava et al. 2014): the network learns to back off to shorter n-grams, as smoothed n-gram models do, instead
    of learning the long ones by heart. Gradients are sparse.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        rows = (config.ngrams - 1) * config.ngram_rows
        self.weight = nn.Parameter(torch.zeros(rows, config.embedding))

    def forward(self, text: Tensor, noise: Noise = ORDINARY) -> Tensor:
        """ids (history + T, N) → (T, N, embedding)."""
        before = history(self.config)
        steps = len(text) - before
        taps = [text[before - back : before - back + steps] for back in range(before + 1)]
        summed = self._summed(torch.stack(ngram_rows(taps, self.config), dim=-1), noise)
        return summed.view(steps, text.shape[1], -1)

    def _summed(self, rows: Tensor, noise: Noise) -> Tensor:
        """rows (T, N, orders) → the sums of those that aren't left out, (T·N, embedding)."""
        flat = rows.flatten(0, 1)
        if not self.training or not self.config.ngram_dropout:
            return embedding_bag(flat, self.weight, mode="sum", sparse=True)
        drawn = noise.uniform(rows.shape, rows.device)
        rows, kept = flat, drawn.flatten(0, 1) >= self.config.ngram_dropout
        ends = kept.sum(dim=1).cumsum(dim=0)
        starts = torch.cat([ends.new_zeros(1), ends[:-1]])
        summed = embedding_bag(rows[kept], self.weight, starts, mode="sum", sparse=True)
        return summed / (1 - self.config.ngram_dropout)


class LockedDropout(nn.Module):
    """Leaves out the same units at every step of a sequence (Gal and Ghahramani 2016): one small mask to draw.

    Of every `width` units side by side it may leave out the first `hidden`, and spares the others.
    """

    def __init__(self, share: float, hidden: int = 1, width: int = 1) -> None:
        super().__init__()
        self.share, self.hidden, self.width = share, hidden, width

    def forward(self, features: Tensor, noise: Noise = ORDINARY) -> Tensor:
        """(T, N, multiple of `width`) → the same shape, what is left scaled up."""
        if not self.training or not self.share:
            return features
        kept = noise.kept(features[:1], self.share)
        torch.unflatten(kept, -1, (-1, self.width))[..., self.hidden :] = 1
        return features * kept


def _recurrent_stack(config: ModelConfig) -> nn.RNNBase:
    """`layers` layers of the configured cell, dropout between them."""
    sizes = (config.input_size, config.hidden, config.layers)
    dropout = config.dropout if config.layers > 1 else 0.0
    if config.cell == "lstm":
        return nn.LSTM(*sizes, dropout=dropout)
    if config.cell == "gru":
        return nn.GRU(*sizes, dropout=dropout)
    return nn.RNN(*sizes, dropout=dropout, nonlinearity=config.nonlinearity)
