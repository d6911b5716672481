"""Going on with a run: what a resume will do, with which configuration, from which tensors."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from charnn.config import TRAIN_SETTINGS, Budget, TrainConfig, TrainOptions
from charnn.data.batches import fit
from charnn.data.corpus import Corpus
from charnn.data.tokens import TokenView
from charnn.errors import InputError, ModelFileError
from charnn.model.kinds import kind_options
from charnn.settings import AUTOMATIC, settings_of
from charnn.storage.checkpoints import Checkpoint, unusable
from charnn.training.trainer import Trainer


class Resumption(Enum):
    """What a resume does."""

    NOT_STARTED = "nothing was saved: the run starts from its beginning"
    CONTINUED = "the run goes on where its checkpoint stands"
    EXTENDED = "the run goes on, and its plan grows with the budget"
    FINISHED = "the budget is spent: nothing is left to do"


def resumption(checkpoint: Checkpoint | None, budget: Budget) -> Resumption:
    """What going on from `checkpoint` with `budget`, as `continued_config` gives it, means."""
    if checkpoint is None:
        return Resumption.NOT_STARTED
    train_state, plan = checkpoint.values.train_state, checkpoint.values.train_state.plan
    if plan is None:
        return Resumption.CONTINUED
    if replace(budget, patience=None) != replace(checkpoint.values.config.budget, patience=None):
        return Resumption.EXTENDED
    is_spent = train_state.step >= plan.steps and train_state.evaluated >= train_state.step
    is_over = is_spent or budget.ends_early(train_state.not_better)
    return Resumption.FINISHED if is_over else Resumption.CONTINUED


def continued_config(config: TrainConfig, sources: tuple[str, ...], options: TrainOptions) -> TrainConfig:
    """The run's configuration with a larger budget, if one is given.

    What a setting's `on_resume` says decides; another place of the same text is none of it. Raises InputError naming
    what would change the run.
    """
    data = replace(config.data, sources=sources or config.data.sources)
    if "val" in options and data.val is not None:
        data = replace(data, val=options["val"])
    config = replace(config, data=data)
    for name, given in options.items():
        if TRAIN_SETTINGS[name].on_resume == "fixed":
            _require_same(name, given, value_of(config, name))
    budget = _continued_budget(config.budget, options)
    free = {
        name: options[name]
        for name, one in settings_of(TrainConfig).items()
        if one.on_resume == "free" and name in options
    }
    return replace(config, budget=budget, **free)


def _continued_budget(old: Budget, options: TrainOptions) -> Budget:
    given = {name: options[name] for name in settings_of(Budget) if name in options}
    for name, value in given.items():
        option, had = TRAIN_SETTINGS[name].option, getattr(old, name)
        if had is None:
            raise InputError(f"{option} {value:g} would change this run, whose budget is {_shown(old)}")
        if value < had:
            raise InputError(f"{option} {value:g} is less than this run's {had:g}; give as much or more")
    return replace(old, **given)


def _shown(budget: Budget) -> str:
    bounds = {TRAIN_SETTINGS[name].option: value for name, value in vars(budget).items() if value is not None}
    return ", ".join(f"{option} {value:g}" for option, value in bounds.items())


def value_of(config: TrainConfig, name: str) -> Any:
    """What a run has for the setting called `name`."""
    sections = (
        kind_options(config.model.kind),
        vars(config),
        *map(vars, filter(is_dataclass, vars(config).values())),
    )
    return next(section[name] for section in sections if name in section)


def _require_same(name: str, given: Any, had: Any) -> None:
    one = TRAIN_SETTINGS[name]
    is_automatic = given == AUTOMATIC and AUTOMATIC in (*one.choices, one.default)  # whatever the run has
    if given != had and not is_automatic:
        raise InputError(
            f"{one.option} {given!r} would change this run, which was begun with {had!r}; "
            "leave it out, or start a new run with another --out"
        )


def check_fit(config: TrainConfig, corpus: Corpus) -> None:
    """Raise ValueError where the configuration isn't one for this corpus."""
    sizes, size = (config.optim.batch_size, config.optim.seq_length), len(corpus.vocabulary)
    most = fit(len(corpus.train), *sizes) if isinstance(corpus.train, TokenView) else sizes
    if most != sizes:
        raise ValueError(
            f"config.optim has {sizes[0]} streams of {sizes[1]} characters a step: "
            f"the corpus fills {most[0]} and {most[1]}"
        )
    if size != config.model.vocab_size:
        raise ValueError(f"config.model.vocab_size is {config.model.vocab_size}: the corpus has {size}")


@contextmanager
def refused(checkpoint: Checkpoint) -> Iterator[None]:
    """Turn what is found wrong with a checkpoint into a ModelFileError that names it."""
    try:
        yield
    except (ValueError, InputError) as error:
        raise unusable(checkpoint.path, error) from None


@contextmanager
def refused_start(folder: Path) -> Iterator[None]:
    """The same for the configuration of a run that saved nothing."""
    try:
        yield
    except (ValueError, InputError) as error:
        raise ModelFileError(
            f"{folder} holds a run that can't start again ({error}); start anew with --overwrite"
        ) from None


def restore(trainer: Trainer, checkpoint: Checkpoint) -> None:
    """Put `trainer` where `checkpoint` was taken. Raises ModelFileError, naming it, for another trainer's tensors."""
    with refused(checkpoint):
        trainer.restore(checkpoint.tensors, checkpoint.values.train_state.copy())
