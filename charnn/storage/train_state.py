"""Where a run stands and what it plans, as a checkpoint holds them. Plain values: nothing here computes."""

from dataclasses import dataclass, field, replace
from typing import Annotated

from charnn.storage.strict_json import Range

Count = Annotated[int, Range(0)]
AtLeastOne = Annotated[int, Range(1)]
Share = Annotated[float, Range(0, 1)]


@dataclass(frozen=True)
class Plan:
    """Made at `step`: the run ends at `steps`. `progress` is the schedule's position then, 0 to 1.

    Evaluations come every `eval_every` steps after `step`, train events at the multiples of `log_every`.
    """

    step: Count
    steps: Count
    progress: Share
    eval_every: AtLeastOne
    log_every: AtLeastOne
    chars_per_second: Annotated[float | None, Range(0)] = None


@dataclass
class TrainState:
    """Where a run stands, but for its tensors. `step` counts updates made, and so windows read.

    `not_better` counts the last evaluations in a row whose loss was no better than `best`.
    """

    step: Count = 0
    evaluated: Count = 0
    chars: Count = 0
    plans: list[Plan] = field(default_factory=list)
    best: float | None = None
    lr_scale: Share = 1.0
    rollbacks: Count = 0
    averaged: Count = 0
    not_better: Count = 0

    @property
    def plan(self) -> Plan | None:
        return self.plans[-1] if self.plans else None

    def extend(self, plan: Plan) -> None:
        """Go on by the plan of a budget that grew: whoever wants more of a run that ended early has new patience."""
        self.plans.append(plan)
        self.not_better = 0

    def copy(self) -> "TrainState":
        """One that may change on its own."""
        return replace(self, plans=list(self.plans))
