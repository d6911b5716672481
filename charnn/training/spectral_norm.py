"""The norm that keeps a ReLU network's state from exploding.

tanh and gates bound a state; ReLU doesn't, and a state that is carried along a whole text grows without end once a
recurrent matrix W stretches any direction. ReLU itself never stretches, so ‖W‖₂ ≤ 1 is enough to bound it (Pascanu et
al. 2013, section 2.1).
"""

import torch
from torch import Tensor, nn

POWER_ITERATIONS = 5


def relu_recurrent_matrices(network: nn.Module) -> list[nn.Parameter]:
    """The recurrent matrices (H, H) of all ReLU layers."""
    stacks = [m for m in network.modules() if isinstance(m, nn.RNN) and m.nonlinearity == "relu"]
    return [
        weight for rnn in stacks for name, weight in rnn.named_parameters() if name.startswith("weight_hh")
    ]


@torch.no_grad()
def limit_spectral_norm(weight: Tensor) -> None:
    """Scale a matrix down to a spectral norm of about 1, if it is above."""
    weight.div_(spectral_norm(weight).clamp(min=1.0))


def spectral_norm(weight: Tensor) -> Tensor:
    """The largest singular value of a matrix, from below, by power iteration.

    It starts in the direction in which the states of a ReLU network lie, none of them negative.
    """
    direction = weight.new_ones(weight.shape[1])
    for _ in range(POWER_ITERATIONS):
        direction = nn.functional.normalize(weight.T @ (weight @ direction), dim=0)
    norm: Tensor = torch.linalg.vector_norm(weight @ direction)
    return norm
