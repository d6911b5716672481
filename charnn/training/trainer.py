"""One run's moving parts: network, optimizer, carried state, position. A step moves all of them."""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from charnn.config import TrainConfig
from charnn.model.state import State
from charnn.storage.train_state import TrainState
from charnn.training import device as devices
from charnn.training.distributed import Alone, News
from charnn.training.optimizer import Optimizer
from charnn.training.outer_step import exchange_for
from charnn.training.schedule import learning_rate
from charnn.training.task import Task


class Trainer:
    """Truncated back-propagation through time with carried state (Williams and Peng 1990).

    `weights`, given, replace the initial ones. The trainer measures nothing and decides nothing: the same
    configuration and plans give the same numbers.
    """

    def __init__(
        self,
        config: TrainConfig,
        task: Task[Any],
        weights: Mapping[str, Tensor] | None = None,
        group: Alone | None = None,
    ) -> None:
        self.config = config
        self.task = task
        self.group = group or Alone()
        self.exchange = exchange_for(config.optim.sync_every, self.group)
        self.device = torch.device(config.device)
        devices.seed_everything(config.seed)
        self.network = task.new_network()
        if weights is not None:
            self.network.load_state_dict(dict(weights))
        self.network.to(self.device)
        self.optimizer = Optimizer(self.network, config.optim, self.exchange.reduce)
        self._begin_alike()
        self.exchange.attach(self.optimizer)
        self.train_state = TrainState()
        self.state: State = task.initial_state(self.network)
        self.sums = self._zero_sums()

    @property
    def epoch(self) -> float:
        return self.train_state.step / self.task.batches_per_epoch

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        train_state = self.train_state
        return train_state.lr_scale * learning_rate(self.config.optim, train_state.plans, train_state.step)

    def step(self) -> None:
        """Read the next batch, back-propagate through it, update the weights."""
        if self.train_state.step % self.task.batches_per_epoch == 0:
            self.state = self.task.initial_state(self.network)
        batch = self.task.batch(self.train_state.step, self.device)
        with devices.autocast(self.config.precision, self.device):
            loss = self.task.loss(self.network, batch, self.state)
        norm = self.optimizer.step(self.exchange.trained(loss, self.train_state.step), self.lr)
        self.state = loss.state.detach()
        self._count(loss.symbols, norm)

    @property
    def is_level(self) -> bool:
        """Whether all processes that train this network hold the same: only then may anything but `step` be called."""
        return self.exchange.is_level

    def evaluate(self, stop: Callable[[], bool]) -> float | None:
        """Validation loss in nats per character; None when abandoned. Changes nothing in the training.

        Of several processes each reads its part; one that abandons it does so for all.
        """
        found = self.task.evaluate(self.network, stop)
        if self.group.part.is_whole:
            return found
        is_abandoned = found is None and self.task.val_symbols > 0
        news = self.group.own_news(self.train_state.step)
        nats, abandoned, *news = self.group.sums([found or 0.0, float(is_abandoned), *news])
        self.group.news = News.of(news)
        return None if abandoned or not self.task.val_symbols else nats

    def averages(self) -> tuple[float, float]:
        """Mean loss (nats per character) and gradient norm since the last `restart_averages`."""
        loss, norm = (self.sums / max(self.train_state.averaged, 1)).tolist()
        return loss, norm

    def restart_averages(self) -> None:
        self.sums = self._zero_sums()
        self.train_state.averaged = 0

    @property
    def is_healthy(self) -> bool:
        """Whether loss and gradients are finite and the loss is below twice what knowing nothing costs."""
        loss, norm = self.averages()
        return isfinite(loss) and isfinite(norm) and loss < 2 * self.task.uniform_nats + 2

    def weights(self) -> dict[str, Tensor]:
        return {name: tensor.detach().cpu() for name, tensor in self.network.state_dict().items()}

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor that the next step depends on, the same in all processes."""
        return self._own_tensors(self.group.state(self.state, self.task.streams(self.train_state.step)))

    def _own_tensors(self, state: State) -> dict[str, Tensor]:
        rng = devices.rng_states(self.device)
        return (
            _prefixed("network", self.network.state_dict())
            | _prefixed("optimizer", self.optimizer.tensors())
            | _prefixed("exchange", self.exchange.tensors())
            | _prefixed("state", dict(enumerate(state.tensors())))
            | _prefixed("rng", rng)
            | {"sums": self.sums}
        )

    def restore(self, tensors: Mapping[str, Tensor], train_state: TrainState) -> None:
        """Put the run where `tensors()` and `train_state` were taken.

        Raises ValueError for tensors that aren't those of such a run; nothing is moved then but the generators.
        """
        self.state = self.task.state_after(self.network, train_state.step)
        _require_alike(tensors, self._own_tensors(self.state))
        devices.restore_rng_states(_under("rng", tensors), self.device)
        self.network.load_state_dict(_under("network", tensors))
        self.optimizer.restore(_under("optimizer", tensors))
        parts = _under("state", tensors)
        self.state = self.state.with_tensors([parts[str(i)] for i in range(len(parts))]).to(self.device)
        if not self.group.part.is_whole and self.state.layers:
            streams = self.task.streams(train_state.step)
            self.state = self.state.rows(self.group.part.rows(streams).slice)
        self.exchange.restore(_under("exchange", tensors), train_state.step)
        self.sums = tensors["sums"].to(self.device)
        self.train_state = train_state

    def _begin_alike(self) -> None:
        """Begin with the leader's weights and generators: another machine may round otherwise, or have other models."""
        if not self.group.part.is_whole:
            own = self.network.state_dict() | _prefixed("rng", devices.rng_states(self.device))
            shared = self.group.tensors({name: tensor.cpu() for name, tensor in own.items()})
            devices.restore_rng_states(_under("rng", shared), self.device)
            self.network.load_state_dict({name: shared[name] for name in self.network.state_dict()})

    def _count(self, chars: int, norm: Tensor) -> None:
        plan = self.train_state.plan
        self.train_state.averaged += 1
        self.train_state.step += 1
        self.train_state.chars += chars
        is_last = plan is not None and self.train_state.step == plan.steps
        self.sums += self.exchange.finished(norm, is_last=is_last)

    def _zero_sums(self) -> Tensor:
        """Summed loss and gradient norm, on the device: reading them waits for it."""
        return torch.zeros(2, device=self.device)


def _require_alike(given: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """The same names, shapes and kinds of numbers; a GPU's generator may be there or not, a state be in bf16."""
    looks = [
        {name: _look(t) for name, t in tensors.items() if name != "rng.cuda"} for tensors in (given, expected)
    ]
    if odd := sorted(name for name, _ in looks[0].items() ^ looks[1].items()):
        raise ValueError(
            f"its tensor {odd[0]!a} is {_described(given, odd[0])}: it must be {_described(expected, odd[0])}"
        )


def _look(tensor: Tensor) -> tuple[object, ...]:
    return tensor.shape, "float" if tensor.is_floating_point() else tensor.dtype


def _described(tensors: Mapping[str, Tensor], name: str) -> str:
    if name not in tensors:
        return "absent"
    return f"{str(tensors[name].dtype).removeprefix('torch.')} of shape {tuple(tensors[name].shape)}"


def _prefixed(prefix: str, tensors: Mapping[Any, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
