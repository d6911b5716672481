"""The network: (ids, state) → (logits, state). Mathematics only; the state is a value, never hidden in the module."""

import torch
from torch import Tensor, nn

from charnn.config import ModelConfig

State = tuple[Tensor, ...]
"""h (and for the LSTM c), each (layers, N, H)."""


class Network(nn.Module):
    """Embedding or one-hot input, a stack of recurrent layers, a linear output layer.

    The vanilla RNN is s_t = f(U x_t + W s_{t−1} + b), o_t = softmax(V s_t + c) (Elman 1990; f is tanh or ReLU);
    the LSTM is Hochreiter and Schmidhuber's with a forget gate (Gers et al. 2000); the GRU is Cho et al.'s with
    the reset gate applied after the hidden product, as in cuDNN. Dropout falls between layers and before the
    output layer (Zaremba et al. 2014).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.embedding) if config.embedding else None
        self.rnn = _recurrent_stack(config)
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(config.hidden, config.vocab_size)
        self._initialise()

    def forward(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """ids (T, N) and the state before them → logits (T, N, V) and the state after them."""
        inputs = self._embed(ids)
        carried = state if self.config.cell == "lstm" else state[0]
        hidden, after = self.rnn(inputs, carried)
        logits = self.output(self.dropout(hidden))
        return logits, tuple(after) if self.config.cell == "lstm" else (after,)

    def initial_state(self, batch: int) -> State:
        """The zero state of N = `batch` streams."""
        weight = self.output.weight
        shape = (self.config.layers, batch, self.config.hidden)
        return tuple(weight.new_zeros(shape) for _ in range(2 if self.config.cell == "lstm" else 1))

    def _embed(self, ids: Tensor) -> Tensor:
        if self.embedding is not None:
            embedded: Tensor = self.embedding(ids)
            return embedded
        return nn.functional.one_hot(ids, self.config.vocab_size).to(self.output.weight.dtype)

    def _initialise(self) -> None:
        """Orthogonal recurrent matrices (Saxe et al. 2014), zero biases, forget gates open (Jozefowicz et al. 2015)."""
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


def detach(state: State) -> State:
    """The same state, cut from the graph: where back-propagation through time is truncated."""
    return tuple(part.detach() for part in state)


def _recurrent_stack(config: ModelConfig) -> nn.RNNBase:
    """`layers` layers of the configured cell, dropout between them."""
    sizes = (config.input_size, config.hidden, config.layers)
    dropout = config.dropout if config.layers > 1 else 0.0
    if config.cell == "lstm":
        return nn.LSTM(*sizes, dropout=dropout)
    if config.cell == "gru":
        return nn.GRU(*sizes, dropout=dropout)
    return nn.RNN(*sizes, dropout=dropout, nonlinearity=config.nonlinearity)
