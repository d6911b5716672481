"""Independent pieces of work on every core: NumPy's products and functions let other threads run.

Each piece is one thread's from beginning to end, so that no result depends on how many threads there are. This serves
better than a product's own threads (OpenBLAS's), which wait for each other at every step.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The results, in the items' order; items are taken a few ahead. What `work` raises comes out in its place.

    The threads end with the iterator or with the program, which doesn't wait for them. Where the system starts none
    (a limit on processes, say), the work is done here.
    """
    pending: deque[Future[Result]] = deque()
    jobs: SimpleQueue[tuple[Future[Result], Item] | None] = SimpleQueue()
    threads, most = 0, _thread_count()
    try:
        for item in items:
            pending.append(Future())
            jobs.put((pending[-1], item))
            if threads < most and _starts(Thread(target=_serve, args=(work, jobs), daemon=True)):
                threads += 1
                continue
            most = threads  # as many as there can be
            if not threads:
                jobs.put(None)
                _serve(work, jobs)
            yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
        for _ in range(threads):
            jobs.put(None)


def _starts(thread: Thread) -> bool:
    """Start it, unless the system refuses."""
    try:
        thread.start()
    except RuntimeError:
        return False
    return True


def _serve(work: Callable[[Item], Result], jobs: "SimpleQueue[tuple[Future[Result], Item] | None]") -> None:
    """One thread's life."""
    while job := jobs.get():
        future, item = job
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(work(item))
            except BaseException as error:  # it belongs to whoever asks for the result
                future.set_exception(error)


def _thread_count() -> int:
    """$OMP_NUM_THREADS, as everywhere in numerics, else the cores that this process may use."""
    wished = os.environ.get("OMP_NUM_THREADS", "")
    if wished.isdecimal() and int(wished) > 0:
        return int(wished)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
