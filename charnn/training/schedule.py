"""Plans and the learning rate they give. A run's schedule is its list of plans and nothing else."""

from collections.abc import Sequence
from math import cos, pi

from charnn.config import OptimConfig
from charnn.storage.train_state import Plan


def progress(plans: Sequence[Plan], step: int) -> float:
    """How far the schedule has gone, 0 to 1: 0 until the first plan, then straight to each plan's end."""
    if not plans:
        return 0.0
    plan = plans[-1]
    span = max(plan.steps - plan.step, 1)
    return min(plan.progress + (1 - plan.progress) * (step - plan.step) / span, 1.0)


def learning_rate(optim: OptimConfig, plans: Sequence[Plan], step: int) -> float:
    """Linear warm-up over `warmup` steps, cosine decay to `final_lr` of the peak (Loshchilov, Hutter 2017)."""
    warm = min((step + 1) / (optim.warmup + 1), 1.0)
    cosine = (1 + cos(pi * progress(plans, step))) / 2
    return optim.lr * warm * (optim.final_lr + (1 - optim.final_lr) * cosine)
