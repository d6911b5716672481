"""The decisions of several processes that train one network: the leader's, but for signals, which any of them may get.

What is due comes with each exchange (`distributed.News`), so that deciding costs no message of its own; a plan, which
is rare, follows in one.
"""

from collections.abc import Callable
from dataclasses import asdict

from charnn.storage.train_state import Plan, TrainState
from charnn.training.decisions import Decisions, Due, Interval
from charnn.training.distributed import Alone, News
from charnn.training.planner import Planner
from charnn.training.trainer import Trainer


class SharedDecisions(Decisions):
    """Those of one run, in each of its processes."""

    def __init__(
        self,
        planner: Planner,
        save_interval: Interval,
        sample_interval: Interval,
        pending_signal: Callable[[], int | None],
        group: Alone,
        *,
        save_sparingly: bool = True,
    ) -> None:
        super().__init__(
            planner, save_interval, sample_interval, pending_signal, save_sparingly=save_sparingly
        )
        self._group = group
        self._lacks_plan = False
        group.outgoing, group.news = self._outgoing, News()

    def first_plan(self, train_state: TrainState) -> Plan | None:
        if self._planner.deadline is None:
            return super().first_plan(train_state)  # the same in all processes
        self._lacks_plan = True
        if not self._group.news.plan:
            return None
        self._lacks_plan = False
        return self._told(lambda: super(SharedDecisions, self).first_plan(train_state))

    def corrected_plan(self, train_state: TrainState) -> Plan | None:
        if self._planner.deadline is None:
            return None
        return self._told(lambda: super(SharedDecisions, self).corrected_plan(train_state))

    def extended_plan(self, train_state: TrainState) -> Plan:
        plan = self._told(lambda: super(SharedDecisions, self).extended_plan(train_state))
        assert plan is not None
        return plan

    def due(self, step: int) -> Due:
        news = self._group.news
        return Due(news.signal, news.save, news.sample)

    def is_interrupted(self) -> bool:
        return self._group.interrupted(self._pending_signal())

    def signal(self) -> int | None:
        return self._group.news.signal

    def is_healthy(self, trainer: Trainer) -> bool:
        return trainer.is_healthy  # from sums that all processes have

    def _outgoing(self, step: int) -> list[float]:
        """What this process adds to the exchange after `step` steps."""
        flags = News()
        if self._group.leads:
            seconds = self.seconds()
            due = [i.is_due(step, seconds) for i in (self._save_interval, self._sample_interval)]
            has_plan = self._lacks_plan and self._planner.can_plan(step)
            flags = News(save=due[0], sample=due[1], plan=has_plan)
        return flags.numbers(self._group.part, self._pending_signal())

    def _told(self, decide: Callable[[], Plan | None]) -> Plan | None:
        """The leader's plan."""
        plan = decide() if self._group.leads else None
        told = self._group.told(plan and asdict(plan))
        return None if told is None else Plan(**told)
