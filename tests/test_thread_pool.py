"""Work on several threads: results in order, whatever the threads do."""

import os
import threading
import time
from itertools import count, islice

import pytest
from helpers import loaded, random_model

from charnn.config import ModelConfig
from charnn.inference import thread_pool
from charnn.inference.thread_pool import in_order


@pytest.fixture(autouse=True)
def three_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")


def test_results_come_in_order():
    def slower_first(number):
        time.sleep(0.01 * (5 - number))
        return number

    assert list(in_order(slower_first, range(5))) == list(range(5))
    assert list(in_order(slower_first, [])) == []


def test_pieces_run_side_by_side():
    together = threading.Barrier(3, timeout=300)
    assert sorted(in_order(lambda _: together.wait(), range(3))) == [0, 1, 2]


def test_items_are_taken_only_a_few_ahead():
    taken = count()
    results = in_order(lambda number: number, (next(taken) for _ in range(1000)))
    assert list(islice(results, 5)) == list(range(5)) and next(taken) < 10


def test_an_error_comes_out_in_its_place():
    results = in_order(lambda number: 1 // number, [1, 1, 0, 1])
    assert [next(results), next(results)] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


@pytest.mark.parametrize("allowed", [0, 1, 2])
def test_work_is_done_where_the_system_starts_no_more_threads(allowed, monkeypatch):
    started = count()
    start = threading.Thread.start

    def refuse(thread):
        if next(started) >= allowed:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert list(in_order(lambda number: number * 2, range(20))) == list(range(0, 40, 2))


def test_threads_end_with_the_iterator():
    before = set(threading.enumerate())
    results = in_order(lambda number: number, range(100))
    next(results)
    results.close()
    list(in_order(lambda number: number, range(10)))
    deadline = time.monotonic() + 10
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not set(threading.enumerate()) - before


@pytest.mark.parametrize(
    ("wanted", "threads"), [("2", 2), ("16", 16), ("0", None), ("2,1", None), ("", None)]
)
def test_the_user_may_say_how_many(monkeypatch, wanted, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    assert thread_pool._thread_count() == threads or (threads is None and thread_pool._thread_count() >= 1)


def test_samples_and_scores_do_not_depend_on_the_threads(monkeypatch):
    model = loaded(random_model(ModelConfig(vocab_size=30, hidden=16)))
    lines = [text for length in range(40) for text in ["abc" * length] * 10]
    results = []
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        samples = list(model.sample_many(300, length=20, seed=1))
        results.append((samples, [score.log_prob for score in model.score_many(lines)]))
    assert results[0] == results[1]


def test_without_a_wish_as_many_threads_as_cores(monkeypatch):
    """Where the system doesn't say which cores this process may use, all of them."""
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    together = threading.Barrier(3, timeout=300)
    assert sorted(in_order(lambda _: together.wait(), range(3))) == [0, 1, 2]
