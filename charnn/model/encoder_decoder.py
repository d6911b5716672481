"""The encoder–decoder: a network that reads a source, one that writes its target, and what this one sees of that.

With attention the encoder reads from both ends (Schuster and Paliwal 1997), and its last states, through a layer of
their own, are the decoder's first; at each symbol the decoder's output looks at all that the encoder saw (Luong et al.
2015, without input feeding, so that the decoder's whole pass is one fused call), and a gate decides between its own
symbols and a copy of one of the source (See et al. 2017). Without attention the encoder reads forwards and its last
state is the decoder's first, which is all that the decoder sees (Sutskever et al. 2014; Cho et al. 2014).
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, softmax
from torch.nn.utils.rnn import pack_padded_sequence

from charnn.config import ModelConfig
from charnn.data.vocab import IGNORED
from charnn.model.network import LockedDropout, NgramEmbedding
from charnn.model.ngrams import BEFORE_TEXT, history
from charnn.model.noise import ORDINARY, Noise, run_stack
from charnn.model.shapes import encoder_width

PROBABLE = 1e-9  # added to a mixture's probabilities, whose logarithm is taken

Layers = tuple[Tensor, ...]
"""h and, of the LSTM, c, each (layers, N, H)."""


class Memory(NamedTuple):
    """What the decoder gets: `states` its first ones; of the source outputs (N, S, 2E), keys (N, H, S), and whether
    each place is `absent` (N, S); without attention these three are empty."""

    states: Layers
    outputs: Tensor
    keys: Tensor
    absent: Tensor


class EncoderDecoder(nn.Module):
    """Sources (S, N), targets (T, N) → log-probabilities of the symbols (T, N, V).

    ids of sources lie in [0, source_size), of targets in [0, V), whose last is a target's end, and its beginning.
    `copies` (source_size,) says which target symbol each source symbol is, IGNORED where it is none.
    """

    def __init__(self, config: ModelConfig, copies: Tensor) -> None:
        super().__init__()
        self.config = config
        self.has_attention = config.attention == "dot"
        width, hidden, reading = config.embedding, config.hidden, encoder_width(config)
        self.source_embedding = nn.Embedding(config.source_size, width)
        self.before_ngrams = NgramEmbedding(config) if config.ngrams else None
        self.after_ngrams = NgramEmbedding(config) if config.ngrams else None
        self.dropout = LockedDropout(config.dropout)
        self.embedding = nn.Embedding(config.vocab_size, width)
        self.rnn = _recurrent(config, width, hidden, config.layers)
        self.output = nn.Linear(hidden, config.vocab_size)
        if self.has_attention:
            inputs = [width, *[2 * reading] * (config.layers - 1)]
            self.encoder_forward = nn.ModuleList(_recurrent(config, one, reading) for one in inputs)
            self.encoder_backward = nn.ModuleList(_recurrent(config, one, reading) for one in inputs)
            self.bridge = nn.Linear(2 * reading, len(_state_names(config)) * config.layers * hidden)
            self.keys = nn.Linear(2 * reading, hidden, bias=False)
            self.combine = nn.Linear(2 * reading + hidden, hidden)
        else:
            self.encoder = _recurrent(config, width, hidden, config.layers)
        self.gate = nn.Linear(2 * reading + hidden, 1) if config.copy_gate == "on" else None
        self.register_buffer("copies", copies, persistent=False)
        self._initialise()

    def forward(self, source: Tensor, lengths: Tensor, inputs: Tensor, noise: Noise = ORDINARY) -> Tensor:
        """source (S, N) of `lengths` (N,) and inputs (T, N), the symbol before each → log-probabilities (T, N, V)."""
        memory = self.encode(source, lengths, noise)
        return self.decode(inputs, memory, source, noise)

    def encode(self, source: Tensor, lengths: Tensor, noise: Noise = ORDINARY) -> Memory:
        """source (S, N), IGNORED beyond its length."""
        embedded = self.dropout(self._embed(source, lengths, noise), noise)
        if not self.has_attention:
            return self._last_state(embedded, lengths)
        outputs = embedded
        mirror = mirrored(source.shape[0], lengths)
        for forward, backward in zip(self.encoder_forward, self.encoder_backward, strict=True):
            ahead, _ = forward(outputs)
            back = taken(backward(taken(outputs, mirror))[0], mirror)
            outputs = self.dropout(torch.cat([ahead, back], dim=2), noise)
        ends = torch.cat(
            [ahead[lengths - 1, torch.arange(len(lengths), device=lengths.device)], back[0]], dim=1
        )
        outputs = outputs.transpose(0, 1)
        return Memory(self._bridged(ends), outputs, self.keys(outputs).transpose(1, 2), (source == IGNORED).T)

    def decode(self, inputs: Tensor, memory: Memory, source: Tensor, noise: Noise = ORDINARY) -> Tensor:
        """inputs (T, N) → log-probabilities (T, N, V)."""
        hidden, _ = run_stack(self.rnn, self.dropout(self.embedding(inputs), noise), memory.states, noise)
        if not self.has_attention:
            return log_softmax(_precise(self.output(self.dropout(hidden, noise))), dim=2)
        turned = hidden.transpose(0, 1)
        scores = _precise(torch.bmm(turned, memory.keys)).masked_fill(memory.absent[:, None], -torch.inf)
        weights = softmax(scores, dim=2)
        context = torch.bmm(weights.to(memory.outputs.dtype), memory.outputs)
        both = torch.cat([context.transpose(0, 1), hidden], dim=2)
        logits = _precise(self.output(self.dropout(torch.tanh(self.combine(both)), noise)))
        if self.gate is None:
            return log_softmax(logits, dim=2)
        gate = _precise(self.gate(both))
        mixed = torch.sigmoid(gate) * softmax(logits, dim=2)
        mixed = mixed + torch.sigmoid(-gate) * self._copied(weights, source)
        return torch.log(mixed + PROBABLE)

    def _copied(self, weights: Tensor, source: Tensor) -> Tensor:
        """Attention (N, T, S) → how much of it lies on each symbol of the target's vocabulary, (T, N, V)."""
        copies: Tensor = self.copies  # type: ignore[assignment]
        symbols = torch.where(source == IGNORED, IGNORED, copies[source.clamp(min=0)]).T
        one_hot = symbols[..., None] == torch.arange(self.config.vocab_size, device=source.device)
        copied: Tensor = torch.bmm(weights, one_hot.to(weights.dtype)).transpose(0, 1)
        return copied

    def _embed(self, source: Tensor, lengths: Tensor, noise: Noise) -> Tensor:
        """source (S, N) → (S, N, width): each symbol, and the n-grams that end and that begin at it."""
        embedded: Tensor = self.source_embedding(source.clamp(min=0))
        if self.before_ngrams is None or self.after_ngrams is None:
            return embedded
        mirror = mirrored(source.shape[0], lengths)
        before = self.before_ngrams(_with_history(source, self.config), noise)
        after = self.after_ngrams(_with_history(source.gather(0, mirror), self.config), noise)
        added: Tensor = before + taken(after, mirror)
        return embedded + added

    def _last_state(self, embedded: Tensor, lengths: Tensor) -> Memory:
        """The only encoder's state after each source's last symbol."""
        _, after = self.encoder(pack_padded_sequence(embedded, lengths.cpu(), enforce_sorted=False))
        nothing = embedded.new_zeros(0)
        return Memory(after if isinstance(after, tuple) else (after,), nothing, nothing, nothing)

    def _bridged(self, ends: Tensor) -> Layers:
        """The encoder's last states (N, 2E) → the decoder's first."""
        first = torch.tanh(self.bridge(ends))
        layers, hidden = self.config.layers, self.config.hidden
        parts = first.view(len(ends), -1, layers, hidden).permute(1, 2, 0, 3)
        return tuple(part.contiguous() for part in parts)

    def _initialise(self) -> None:
        """Orthogonal recurrent matrices (Saxe et al. 2014); forget gates open (Jozefowicz et al. 2015)."""
        for name, parameter in self.named_parameters():
            if "weight_hh" in name:
                for gate in torch.split(parameter.data, parameter.shape[1]):
                    nn.init.orthogonal_(gate)
            elif "bias_ih" in name or "bias_hh" in name:
                nn.init.zeros_(parameter)
                if self.config.cell == "lstm" and "bias_ih" in name:
                    quarter = len(parameter) // 4
                    parameter.data[quarter : 2 * quarter] = 1.0
        nn.init.zeros_(self.output.bias)


def _precise(values: Tensor) -> Tensor:
    """bfloat16 is too coarse for probabilities."""
    return values.float() if values.dtype is torch.bfloat16 else values


def mirrored(steps: int, lengths: Tensor) -> Tensor:
    """(S, N): where each place of a row is when the row is read from its end; what lies beyond stays beyond.

    A row turned round by index, unlike a packed one, keeps the fast kernel.
    """
    places = torch.arange(steps, device=lengths.device)[:, None]
    return torch.where(places < lengths, lengths - 1 - places, places)


def taken(values: Tensor, places: Tensor) -> Tensor:
    """values (S, N, W) at places (S, N)."""
    return values.gather(0, places[..., None].expand(-1, -1, values.shape[2]))


def _with_history(source: Tensor, config: ModelConfig) -> Tensor:
    before = source.new_full((history(config), source.shape[1]), BEFORE_TEXT)
    return torch.cat([before, source])


def _state_names(config: ModelConfig) -> str:
    return "hc" if config.cell == "lstm" else "h"


def _recurrent(config: ModelConfig, width: int, hidden: int, layers: int = 1) -> nn.RNNBase:
    dropout = config.dropout if layers > 1 else 0.0
    if config.cell == "lstm":
        return nn.LSTM(width, hidden, layers, dropout=dropout)
    if config.cell == "gru":
        return nn.GRU(width, hidden, layers, dropout=dropout)
    return nn.RNN(width, hidden, layers, dropout=dropout, nonlinearity=config.nonlinearity)
