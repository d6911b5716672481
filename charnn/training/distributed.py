"""Several processes that train one network: what they tell each other, by torch.distributed's collectives.

A process that trains alone has an `Alone`, which imports and costs nothing. Every method is called in all processes,
in the same order; rank 0, the leader, has the clock, the files and the say.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import torch
import torch.distributed  # a part of torch that is there already
from torch import Tensor
from torch.distributed import PrefixStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from charnn.config import DistributedConfig, TrainOptions
from charnn.data.parts import WHOLE, Part
from charnn.errors import CharnnError, FollowedError, InterruptedRunError, LostProcessError
from charnn.model.state import State
from charnn.settings import configured
from charnn.training.place import LAUNCHED, Place
from charnn.training.watch import PATIENCE, Ended, Watch

CHUNK = 64 << 20  # bytes of a message that are sent at once
DIAGNOSIS = 5.0  # seconds of the timeout that are kept for finding out which rank is gone
ANSWER = 1.0  # seconds for whoever ended the run to say so


@dataclass(frozen=True)
class News:
    """What is due, as all processes know it since the last exchange: signals by rank, a save, a sample, a plan."""

    signals: tuple[int, ...] = ()
    save: bool = False
    sample: bool = False
    plan: bool = False

    @property
    def signal(self) -> int | None:
        """The number of the signal that ends the run."""
        return next((number for number in self.signals if number), None)

    @staticmethod
    def slots(part: Part) -> int:
        """How many numbers they are."""
        return part.size + 3

    def numbers(self, part: Part, signal_number: int | None) -> list[float]:
        """One process's, as numbers that are summed over all: its own signal, and the leader's flags."""
        signals = [0.0] * part.size
        signals[part.rank] = float(signal_number or 0)
        return [*signals, *(float(flag) for flag in (self.save, self.sample, self.plan))]

    @staticmethod
    def of(numbers: list[float]) -> "News":
        """From the sums."""
        *signals, save, sample, plan = numbers
        return News(tuple(round(number) for number in signals), save > 0, sample > 0, plan > 0)


@dataclass
class Alone:
    """The only process."""

    part: Part = WHOLE
    place: Place | None = None
    news: News = field(default_factory=News)
    outgoing: Callable[[int], list[float]] = lambda step: []
    """What this process adds to the exchange after `step` steps, as `News.numbers`."""

    def own_news(self, step: int) -> list[float]:
        """What this process adds to the exchange after `step` steps."""
        return self.outgoing(step) or [0.0] * News.slots(self.part)

    @property
    def local_size(self) -> int:
        """How many processes this machine has."""
        return self.place.local_size if self.place else 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that decides, writes and prints."""
        return self.part.rank == 0

    def interrupted(self, pending: int | None) -> bool:
        """Whether a signal came to any process, as far as this one knows yet."""
        return pending is not None

    def told(self, value: Any) -> Any:
        """The leader's value; plain JSON."""
        return value

    def told_bytes(self, content: bytes) -> bytes:
        """The leader's bytes."""
        return content

    def sums(self, numbers: list[float]) -> list[float]:
        """Over all processes, in float64."""
        return numbers

    def tensors(self, tensors: Mapping[str, Tensor] | None) -> Mapping[str, Tensor]:
        """The leader's, on the CPU; those of the others are overlooked."""
        assert tensors is not None
        return tensors

    def state(self, state: State, streams: int) -> State:
        """The state of all processes' streams, of which there are so many."""
        return state

    def all_reduce(self, flat: Tensor) -> Tensor:
        """The sum over all processes; its bits are the same in all."""
        return flat

    def all_gather(self, values: Tensor) -> list[Tensor]:
        """Each process's, of one shape, in the order of the ranks."""
        return [values]

    def arrive(self, key: str) -> None:
        """Wait for all processes to arrive here, however long it takes them."""


@dataclass
class Connected(Alone):
    """One of several processes."""

    timeout: float = 0.0
    watch: Watch = field(default=None)  # type: ignore[assignment]

    def interrupted(self, pending: int | None) -> bool:
        if pending is not None:
            self.watch.tell_signal(pending)
        return self.watch.signal is not None

    def told(self, value: Any) -> Any:
        return json.loads(self.told_bytes(json.dumps(value).encode()))

    def told_bytes(self, content: bytes) -> bytes:
        length = self._broadcast(torch.tensor([len(content)]))
        data = torch.frombuffer(bytearray(content), dtype=torch.uint8) if self.leads and content else None
        if data is None:
            data = torch.empty(int(length), dtype=torch.uint8)
        for piece in torch.split(data, CHUNK):
            self._broadcast(piece)
        return data.numpy().tobytes()

    def sums(self, numbers: list[float]) -> list[float]:
        summed: list[float] = self.all_reduce(torch.tensor(numbers, dtype=torch.float64)).tolist()
        return summed

    def tensors(self, tensors: Mapping[str, Tensor] | None) -> Mapping[str, Tensor]:
        mine = tensors if self.leads and tensors is not None else {}
        looks = {name: [str(t.dtype).removeprefix("torch."), list(t.shape)] for name, t in mine.items()}
        found = {}
        for name, (dtype, shape) in self.told(looks).items():
            tensor = (
                mine[name].contiguous() if self.leads else torch.empty(shape, dtype=getattr(torch, dtype))
            )
            for piece in torch.split(_bytes(tensor), CHUNK) if tensor.numel() else ():
                self._broadcast(piece)
            found[name] = tensor
        return found

    def state(self, state: State, streams: int) -> State:
        if not state.layers:
            return state
        bounds = [replace(self.part, rank=rank).bounds(streams) for rank in range(self.part.size)]
        most = max(stop - start for start, stop in bounds)

        def whole(tensor: Tensor, axis: int) -> Tensor:
            if not tensor.numel():
                return tensor
            rows = tensor.movedim(axis, 0)
            padded = rows.new_zeros(most, *rows.shape[1:])
            padded[: len(rows)] = rows[:most]
            parts = [part.view(padded.dtype).view(padded.shape) for part in self.all_gather(_bytes(padded))]
            kept = [part[: stop - start] for part, (start, stop) in zip(parts, bounds, strict=True)]
            return torch.cat(kept).movedim(0, axis).contiguous()

        layers = tuple(whole(part, 1) for part in state.layers)
        return State(layers, whole(state.recent, 1), whole(state.input, 0))

    def all_reduce(self, flat: Tensor) -> Tensor:
        with self._explained():
            torch.distributed.all_reduce(flat)
        return flat

    def all_gather(self, values: Tensor) -> list[Tensor]:
        gathered = list(values.new_empty(self.part.size, *values.shape))
        with self._explained():
            torch.distributed.all_gather(gathered, values)
        return gathered

    def arrive(self, key: str) -> None:
        with self._explained():
            late = self.watch.arrive(key, self.timeout)
        if late or self.watch.ended:
            self._give_up(late, "gave no sign of life")

    def _broadcast(self, tensor: Tensor) -> Tensor:
        with self._explained():
            torch.distributed.broadcast(tensor, src=0)
        return tensor

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn an error of torch's, or of the store, into how the run ended elsewhere, or which rank is gone."""
        try:
            yield
        except (RuntimeError, TimeoutError) as error:
            cause = (
                "took longer than --exchange-timeout" if "imed out" in str(error) else "lost its connection"
            )
            self._give_up(None, cause)

    def _give_up(self, missing: list[int] | None, cause: str) -> NoReturn:
        """Raise how the run ended elsewhere, or else that ranks are missing; the first that finds out tells it."""
        if (ended := self.watch.wait_ended(ANSWER)) is None:
            missing = self.watch.missing() if missing is None else missing
            self.watch.tell_ended(Ended(self.part.rank, LostProcessError.exit_code), missing)
            if self.watch.ended is None or self.watch.ended.rank == self.part.rank:
                if missing and LAUNCHED in os.environ:
                    raise FollowedError(LostProcessError.exit_code)  # the launcher says it
                raise LostProcessError(_lost(missing, self.part, cause))
            ended = self.watch.ended
        if ended.signal_number is not None:
            raise InterruptedRunError("", ended.signal_number)
        raise FollowedError(ended.exit_code)


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.view(-1).view(torch.uint8)


def _lost(missing: list[int], part: Part, cause: str) -> str:
    """One line."""
    if not missing:
        return f"rank {part.rank} {cause}: an exchange between the {part.size} processes failed"
    ranks = ", ".join(map(str, missing))
    said = f"rank {ranks} is" if len(missing) == 1 else f"ranks {ranks} are"
    return f"{said} gone, or can't be reached: the run of {part.size} processes stops at its last save"


@contextmanager
def joined(
    place: Place | None, options: TrainOptions, pending_signal: Callable[[], int | None]
) -> Iterator[Alone]:
    """This process among the others, until the block ends; the only one where `place` is None.

    What ends the block in one process ends it in all: they raise FollowedError, or InterruptedRunError without a text.
    Raises LostProcessError.
    """
    if place is None or place.size == 1:
        yield Alone()
        return
    group = _connected(place, configured(DistributedConfig, options), options)
    try:
        yield group
        _part_from(group)
    except (FollowedError, LostProcessError):
        raise
    except InterruptedRunError as error:
        if str(error) or group.watch.ended is None:
            _part_from(group)  # all processes raise it
        raise
    except BaseException as error:
        group.watch.tell_ended(_ended(place.rank, error, pending_signal()))
        raise _with_rank(error, place.rank) from None
    finally:
        group.watch.close()
    with suppress(RuntimeError):
        torch.distributed.destroy_process_group()


def _part_from(group: Connected) -> None:
    """Wait a moment for the others, so that none loses one that is done before it."""
    with suppress(Exception):
        group.watch.arrive("end", PATIENCE)


def _ended(rank: int, error: BaseException, signal_number: int | None) -> Ended:
    if isinstance(error, KeyboardInterrupt) and signal_number is not None:
        return Ended(rank, 128 + signal_number, signal_number)
    return Ended(rank, error.exit_code if isinstance(error, CharnnError) else 1)


def _with_rank(error: BaseException, rank: int) -> BaseException:
    """The same, its text saying which process it comes from, where that isn't the leader."""
    if rank and isinstance(error, CharnnError) and str(error):
        error.args = (f"rank {rank}: {error}", *error.args[1:])
    return error


def _connected(place: Place, config: DistributedConfig, options: TrainOptions) -> Connected:
    if place.local_size == place.size and Path("/sys/class/net/lo").exists():
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    os.environ.update(place.environment())
    on_gpu = torch.cuda.is_available() and options.get("device", "auto") not in ("cpu", "mps")
    if on_gpu:
        torch.cuda.set_device(place.local_rank % torch.cuda.device_count())
    patience = max(config.exchange_timeout - DIAGNOSIS, config.exchange_timeout / 2)
    timeout = timedelta(seconds=patience)
    attempt = f"charnn/{place.restarts}"  # the launcher's store may be that of the attempt before
    try:
        store, rank, size = next(rendezvous("env://", timeout=timeout))
        torch.distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
            store=PrefixStore(f"{attempt}/torch", store),
            rank=rank,
            world_size=size,
            timeout=timeout,
        )
    except (RuntimeError, ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise LostProcessError(
            f"rank {place.rank} can't join the {place.size} processes at {place.address}:{place.port} ({reason}); "
            "GLOO_SOCKET_IFNAME names the network interface to use"
        ) from None
    part = Part(rank, size)
    watch = Watch(PrefixStore(attempt, store), part)
    return Connected(part, place, timeout=config.exchange_timeout, watch=watch)
