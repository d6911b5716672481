"""How far back a loss is felt: the norm of ∂loss_t/∂h_{t−k} against the lag k.

Each step back multiplies the gradient by the Jacobian of one step of the recurrence, so that it vanishes or explodes
exponentially in a vanilla RNN (Bengio et al. 1994, Pascanu et al. 2013) and less so where gates carry it (Hochreiter
and Schmidhuber 1997).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from charnn.config import GradientsConfig
from charnn.errors import InputError
from charnn.inference.engine import Ids
from charnn.inference.model import Model, encoded_corpus
from charnn.inference.softmax import Doubles
from charnn.inference.torch_network import one_thread, trained_network
from charnn.inference.values import ArrayValue
from charnn.model.network import Network
from charnn.settings import checked, settings_of

WARM_UP = 100  # characters read before the first state that is looked at, so that it is a usual one
BATCH = 16  # windows stepped together


@dataclass(frozen=True, eq=False)
class GradientNorms(ArrayValue):
    """`norms[i]` is the mean norm of ∂loss_t/∂h_{t−k} at the lag k = `lags[i]` = i, in nats; both (lags + 1,).

    `unknown` counts the text's characters that the model never saw and that were replaced.
    """

    lags: NDArray[np.int64]
    norms: Doubles
    unknown: int


def gradient_norms(model: Model, text: str, **options: Any) -> GradientNorms:
    """The gradient of one character's loss by earlier hidden states, averaged over windows of `text`.

    loss_t = −log p(x_{t+1} | … x_t); h_{t−k} are the hidden states of all layers after character t−k, one vector
    whose Euclidean norm is taken. It is h alone: the LSTM's cell state c_{t−k} is held fixed. The `windows` begin
    evenly spaced in the text. Computed in float64, with torch. Options as GradientsConfig's. Raises
    InputError for one out of its range, or a text that is too short.
    """
    config = GradientsConfig(**checked(settings_of(GradientsConfig), options, "inspect gradients"))
    lags, windows = config.lags, config.windows
    encoded = encoded_corpus(model, text)
    ids = torch.from_numpy(_windows(encoded.ids, lags, windows))
    network = trained_network(model.config, model.weights()).double().requires_grad_(False)
    with one_thread():
        batches = (ids[:, begin : begin + BATCH] for begin in range(0, windows, BATCH))
        norms = torch.cat([_norms(network, batch, lags) for batch in batches], dim=1)
    if not norms.isfinite().all():
        raise InputError(f"the states of {model.path} grow without bound; give fewer --lags than {lags}")
    return GradientNorms(np.arange(lags + 1), norms.mean(dim=1).numpy(), encoded.unknown)


def _windows(ids: Ids, lags: int, windows: int) -> NDArray[np.int64]:
    """`windows` stretches of the text, evenly spaced, each with a character to predict after it: (T + 1, N)."""
    length = WARM_UP + 1 + lags + 1
    if len(ids) < length:
        raise InputError(
            f"the text has {len(ids):,} characters, but {lags:,} lags need {length:,}: "
            "give a longer corpus, or fewer --lags"
        )
    starts = np.linspace(0, len(ids) - length, windows).astype(np.int64)
    stretches: NDArray[np.int64] = ids[np.arange(length)[:, None] + starts].astype(np.int64)
    return stretches


@torch.enable_grad()
def _norms(network: Network, ids: Tensor, lags: int) -> Tensor:
    """Windows (T + 1, N) → norms (lags + 1, N). The network is stepped a character at a time, to have every state."""
    _, start = network(ids[: -lags - 1], network.initial_state(ids.shape[1]))
    hidden = [start.hidden.requires_grad_()]  # h_{t−lags}, …, h_t, each (layers, N, H)
    state = start
    for row in ids[-lags - 1 : -1]:
        _, state = network(row[None], state)
        hidden.append(state.hidden)
    loss = cross_entropy(network.output(state.top), ids[-1], reduction="sum")
    gradients = torch.autograd.grad(loss, hidden)
    return torch.stack([torch.linalg.vector_norm(g, dim=(0, 2)) for g in reversed(gradients)])
