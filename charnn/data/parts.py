"""What one of several processes that train a network together has of what they divide: streams, rows, groups."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rows:
    """The rows, or streams, [start, stop) of a batch that has `of` in all.

    Those that are a `stand_in` belong to another process: they are computed, and count for nothing.
    """

    start: int
    stop: int
    of: int
    stand_in: bool = False

    @property
    def slice(self) -> slice:
        return slice(self.start, self.stop)

    @property
    def count(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Part:
    """The `rank`-th of `size` nearly equal parts; by default all there is."""

    rank: int = 0
    size: int = 1

    @property
    def is_whole(self) -> bool:
        return self.size == 1

    def bounds(self, count: int) -> tuple[int, int]:
        """[start, stop) of `count` things; empty where there are fewer things than parts."""
        return self.rank * count // self.size, (self.rank + 1) * count // self.size

    def rows(self, count: int) -> Rows:
        """The rows of a batch of `count`, one at least: a network can't compute none."""
        start, stop = self.bounds(count)
        return Rows(start, stop, count) if stop > start else Rows(0, 1, count, stand_in=True)


WHOLE = Part()
