"""Where and how a network is trained: device, precision, threads, seeds."""

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Event, Thread

import torch
from torch import Tensor

from charnn.config import Precision
from charnn.errors import CharnnError, InputError

MANY_THREADS = 64  # no machine has trouble with so many


def choose_device(requested: str, *, cuda_count: int, has_mps: bool) -> str:
    """The device to train on, given what is there: `auto` takes a GPU, then MPS, then the CPU.

    Raises InputError for an unknown name or a device that isn't there.
    """
    if requested == "auto":
        return "cuda" if cuda_count else "mps" if has_mps else "cpu"
    match = re.fullmatch(r"cpu|mps|cuda(?::(0|[1-9][0-9]{0,3}))?", requested)
    if not match:
        raise InputError(f"--device {requested!r} is unknown; use auto, cpu, cuda, cuda:N or mps")
    if requested.startswith("cuda") and int(match[1] or 0) >= cuda_count:
        raise InputError(
            f"--device {requested}: this machine has {cuda_count} CUDA devices; use --device auto or cpu"
        )
    if requested == "mps" and not has_mps:
        raise InputError("--device mps: this machine has no Metal device; use --device auto or cpu")
    return requested


def available_device(requested: str) -> torch.device:
    """`choose_device` on this machine."""
    return torch.device(
        choose_device(
            requested, cuda_count=torch.cuda.device_count(), has_mps=torch.backends.mps.is_available()
        )
    )


def choose_precision(requested: Precision, device: torch.device) -> Precision:
    """`auto` is bf16 on a GPU that computes in it, else fp32. Raises InputError for bf16 where nothing does."""
    bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    if requested == "bf16" and not (bf16 or (device.type == "cpu" and cpu_has_bf16())):
        raise InputError(f"--precision bf16: {device} doesn't compute in it; use fp32")
    return "bf16" if requested == "bf16" or (bf16 and requested == "auto") else "fp32"


def cpu_has_bf16() -> bool:
    """Whether oneDNN, torch's library of kernels, computes in bfloat16 on this processor."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The context a forward pass runs in."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()


_MEMORY_SIGNS = re.compile(r"DefaultCPUAllocator|bad_alloc|could not \w+ a primitive")  # the last: oneDNN's


@contextmanager
def memory_advice(device: str) -> Iterator[None]:
    """Turn running out of memory into a CharnnError with advice; nothing is ever made smaller silently."""
    try:
        yield
    except RuntimeError as error:
        if not (isinstance(error, torch.OutOfMemoryError) or _MEMORY_SIGNS.search(str(error))):
            raise
        raise CharnnError(
            f"{device} ran out of memory; give a smaller --batch-size, --seq-length or --hidden"
        ) from None


def use_threads(threads: int | None) -> int:
    """Set the number of CPU threads (None: torch's own choice) and return the number in force.

    Raises CharnnError where the system doesn't start as many: OpenMP would end the process.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    count = torch.get_num_threads()
    if not _can_start(count - 1):
        raise CharnnError(f"the system doesn't start {count} threads (see ulimit -u); give --threads 1")
    return count


def _can_start(count: int) -> bool:
    """Whether so many threads can be at once, beside those that there are."""
    over, started = Event(), []
    try:
        for _ in range(count):
            thread = Thread(target=over.wait)
            thread.start()
            started.append(thread)
    except RuntimeError:
        return False
    finally:
        over.set()
        for thread in started:
            thread.join()
    return True


def shared_threads(threads: int | None, processes: int) -> int | None:
    """The threads of one of several processes on a machine: what is asked for, else its share of the processors.

    OMP_NUM_THREADS stands, as for a process alone.
    """
    if threads is not None or processes == 1 or "OMP_NUM_THREADS" in os.environ:
        return threads
    return max(1, torch.get_num_threads() // processes)


def sane_threads(stored: int | None) -> int | None:
    """What a run from elsewhere asks for, unless that is far beyond this machine's: threads take memory each."""
    most = max(MANY_THREADS, 4 * (os.cpu_count() or 1))
    return stored if stored is None or stored <= most else None


def seed_everything(seed: int) -> None:
    torch.manual_seed(seed)


def rng_states(device: torch.device) -> dict[str, Tensor]:
    """The random generators' states, by name."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_rng_states(states: Mapping[str, Tensor], device: torch.device) -> None:
    """The inverse of `rng_states`; a generator that has no state here keeps its own.

    Raises ValueError for what is no generator's state.
    """
    try:
        torch.set_rng_state(states["cpu"])
        if device.type == "cuda" and "cuda" in states:
            torch.cuda.set_rng_state(states["cuda"], device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"its random generator's state is none: {error}") from None


def machine_gflops(device: torch.device, seconds: float = 0.15) -> float:
    """Measured float32 matrix-product rate at a recurrent step's shape, in 10⁹ FLOP a second."""
    a, b = torch.randn(64, 256, device=device), torch.randn(256, 1024, device=device)
    flop = 2 * 64 * 256 * 1024
    synchronize(device)
    start, products = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        for _ in range(50):
            a @ b
        synchronize(device)
        products += 50
    return products * flop / (time.perf_counter() - start) / 1e9


def synchronize(device: torch.device) -> None:
    """Wait for the device's queue, so that a clock read afterwards means something."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
