"""What processes tell each other beside the training: that they live, that a signal came, how one of them ended.

All of it goes through the key-value store that started them, from a thread of its own: a process that waits for the
others within torch answers too.
"""

import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from threading import Event, Thread
from typing import Any, TypeVar

from charnn.data.parts import Part

BEAT = 0.4  # seconds between looks at the store
LOOK = 2.0  # seconds between looks for signs of life of those that are waited for
PATIENCE = 3.0  # seconds for an answer of the store
ROLL_CALL = 2.5  # seconds for an answer to what every living process answers within a beat
LEAVING = 5.0  # seconds in which a process must come out of torch once another has ended

Result = TypeVar("Result")


@dataclass(frozen=True)
class Ended:
    """How a process ended the run for all: its rank, its exit code, the signal that it dies of if it does."""

    rank: int
    exit_code: int
    signal_number: int | None = None


class Watch:
    """Looks at the store each moment. `store` is torch's; whatever it raises means that it can't be reached."""

    def __init__(self, store: Any, part: Part) -> None:
        self._store, self._part = store, part
        self._stop, self._pool = Event(), ThreadPoolExecutor(1, "charnn-store")
        self._seen = 0
        self.signal: int | None = None
        self.ended: Ended | None = None
        self.is_lost = False
        self._thread = Thread(target=self._look_on, name="charnn-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if not self.is_lost:
            self._thread.join(PATIENCE)
        self._pool.shutdown(wait=False, cancel_futures=True)

    # What this process tells

    def tell_signal(self, number: int) -> None:
        """That this process was asked to end; whatever the others do, they stop it within a moment."""
        if self.signal is None:
            self.signal = number
            self._within(lambda: self._news("signal", str(number)))

    def tell_ended(self, ended: Ended, gone: Sequence[int] = ()) -> None:
        """That this process ends the run, and why, unless another did before. Returns once the others know."""
        content = json.dumps(asdict(ended))
        with suppress(Exception):
            told = self._within(lambda: self._store.compare_set("ended", "", content))
            self.ended = self.ended or Ended(**json.loads(told))
            self._within(lambda: self._store.set(f"heard/{self._part.rank}", "1"))
            self._within(lambda: self._store.add("news", 1))
            if self.ended == ended:
                self._wait_for("heard", self._others() - set(gone))

    # What it asks

    def missing(self) -> list[int]:
        """The ranks that don't answer. All that live and reach the store do."""
        with suppress(Exception):
            self._within(lambda: self._news("rollcall", "1"))
            return sorted(self._wait_for("here", self._others()))
        return [] if self._part.rank == 0 else [0]  # rank 0 holds the store, or is beside it

    def wait_ended(self, seconds: float) -> Ended | None:
        """How the run ended for all, if somebody says so within `seconds`."""
        until = time.monotonic() + seconds
        while self.ended is None and time.monotonic() < until:
            time.sleep(0.05)
        return self.ended

    def arrive(self, key: str, timeout: float) -> list[int]:
        """Wait until all processes have come to `key`; the ranks that didn't, and gave no sign of life for `timeout`.

        It ends at once where the run is ended.
        """
        self._within(lambda: self._store.set(f"{key}/{self._part.rank}", "1"))
        self._within(lambda: self._store.add(key, 1))
        pulse, since, looked = -1, time.monotonic(), time.monotonic()
        while self._within(lambda: self._store.add(key, 0)) < self._part.size and not self.ended:
            if time.monotonic() - looked > LOOK:
                looked = time.monotonic()
                late = self._late(key)
                now = sum(self._within(partial(self._store.add, f"pulse/{rank}", 0)) for rank in late)
                pulse, since = (now, looked) if now != pulse else (pulse, since)
                if looked - since > timeout:
                    return late
            time.sleep(0.02)
        return []

    def _late(self, key: str) -> list[int]:
        return sorted(r for r in self._others() if not self._within(partial(self._has, f"{key}/{r}")))

    def _wait_for(self, key: str, ranks: set[int]) -> set[int]:
        """Those of `ranks` that don't get to `key` in time."""
        until = time.monotonic() + ROLL_CALL
        while ranks and time.monotonic() < until:
            ranks = {rank for rank in ranks if not self._within(partial(self._has, f"{key}/{rank}"))}
            time.sleep(0.05)
        return ranks

    def _others(self) -> set[int]:
        return set(range(self._part.size)) - {self._part.rank}

    def _has(self, key: str) -> bool:
        return bool(self._store.check([key]))

    def _news(self, key: str, value: str) -> None:
        self._store.set(key, value)
        self._store.add("news", 1)

    def _within(self, action: Callable[[], Result]) -> Result:
        """What the store answers. Raises TimeoutError where it doesn't: torch would wait for minutes."""
        if self.is_lost:
            raise TimeoutError("the store didn't answer")
        try:
            return self._pool.submit(action).result(PATIENCE)
        except FutureTimeoutError:
            self.is_lost = True
            raise TimeoutError("the store doesn't answer") from None

    # The thread

    def _look_on(self) -> None:
        ended_at: float | None = None
        while not self._stop.wait(BEAT):
            try:
                self._look()
            except Exception:  # of whatever kind torch has for it: the store is gone
                self.is_lost = True
            if self.ended or self.is_lost:
                ended_at = ended_at or time.monotonic()
                if time.monotonic() - ended_at > LEAVING + PATIENCE:
                    os._exit(self.ended.exit_code if self.ended else 1)  # stuck within torch

    def _look(self) -> None:
        rank = self._part.rank
        self._store.add(f"pulse/{rank}", 1)
        if (news := self._store.add("news", 0)) == self._seen:
            return
        self._seen = news
        if self.signal is None and self._has("signal"):
            self.signal = int(self._store.get("signal"))
        if self._has("rollcall"):
            self._store.set(f"here/{rank}", "1")
        if self._has("ended"):
            self.ended = self.ended or Ended(**json.loads(self._store.get("ended")))
            self._store.set(f"heard/{rank}", "1")
