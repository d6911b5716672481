"""Going on with a run: what a resume will do, with which configuration, from which tensors."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Any, cast

from charnn.config import Budget, TrainConfig, TrainOptions
from charnn.data.batches import fit
from charnn.data.corpus import Corpus
from charnn.errors import InputError, ModelFileError
from charnn.model.kinds import kind_options
from charnn.storage.checkpoints import Checkpoint, unusable
from charnn.training.options import check_options, option_name
from charnn.training.trainer import Trainer

_BUDGETS = ("minutes", "steps", "epochs")
_MAY_CHANGE = ("out", "resume", "overwrite", "device", "threads", "save_every", "keep", "sample_every")
_SHAPES_NO_RUN = ("out", "resume", "overwrite", "save_every", "keep", "sample_every")


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
    if budget != checkpoint.values.config.budget:
        return Resumption.EXTENDED
    is_evaluated = train_state.evaluated >= train_state.step
    return Resumption.FINISHED if train_state.step >= plan.steps and is_evaluated else Resumption.CONTINUED


def continued_config(config: TrainConfig, sources: tuple[str, ...], options: TrainOptions) -> TrainConfig:
    """The run's configuration with a larger budget, if one is given.

    Raises InputError naming what would change the run.
    """
    if sources and sources != config.data.sources:
        raise InputError(
            f"this run was trained on {', '.join(config.data.sources)}; leave CORPUS out to go on with it"
        )
    for name, value in options.items():
        if name not in _MAY_CHANGE and name not in _BUDGETS:
            _require_same(name, value, setting(config, name))
    budget = _continued_budget(config.budget, options)
    threads, device = options.get("threads", config.threads), options.get("device", config.device)
    return replace(config, budget=budget, threads=threads, device=device)


def _continued_budget(old: Budget, options: TrainOptions) -> Budget:
    changes: dict[str, Any] = {}
    for name in _BUDGETS:
        if name not in options:
            continue
        given, had = options[name], getattr(old, name)  # type: ignore[literal-required]
        if had is None:
            raise InputError(
                f"{option_name(name)} {given} would change this run, whose budget is {_shown(old)}"
            )
        if given < had:
            raise InputError(
                f"{option_name(name)} {given} is less than this run's {had:g}; give as much or more"
            )
        changes[name] = given
    return replace(old, **changes)


def _shown(budget: Budget) -> str:
    return ", ".join(f"{option_name(n)} {v:g}" for n in _BUDGETS if (v := getattr(budget, n)) is not None)


def setting(config: TrainConfig, name: str) -> Any:
    """What a run has for the option called `name`. Raises InputError for an option that shapes no run."""
    if name in (of_kind := kind_options(config.model.kind)):
        return of_kind[name]
    for section in (config, config.model, config.optim, config.data, config.budget):
        if hasattr(section, name):
            return getattr(section, name)
    raise InputError(f"{option_name(name)} can't be given with --resume")


def _require_same(name: str, given: Any, had: Any) -> None:
    if given != had and not (name == "precision" and given == "auto"):
        raise InputError(
            f"{option_name(name)} {given!r} would change this run, which was begun with {had!r}; "
            "leave it out, or start a new run with another --out"
        )


def check_config(config: TrainConfig) -> None:
    """Raise ValueError or InputError where no options give such a configuration."""
    unused = {"ngram_rows"} if not config.model.ngrams else set()
    unused |= {"nonlinearity"} if config.model.cell != "rnn" else set()
    names = TrainOptions.__annotations__.keys() - {*_SHAPES_NO_RUN, *unused}
    given = {name: setting(config, name) for name in names}
    check_options(cast(TrainOptions, {name: value for name, value in given.items() if value is not None}))
    optim = config.optim
    for name, most in {"warmup": 2**62, "final_lr": 1, "beta1": 1 - 1e-9, "beta2": 1 - 1e-9}.items():
        if not 0 <= getattr(optim, name) <= most:
            raise ValueError(f"config.optim.{name} is {getattr(optim, name)}: it must be from 0 to {most:g}")
    if config.budget == Budget():
        raise ValueError("config.budget has no bound: minutes, steps or epochs must be there")


def check_fit(config: TrainConfig, corpus: Corpus) -> None:
    """Raise ValueError where the configuration isn't one for this corpus."""
    sizes, size = (config.optim.batch_size, config.optim.seq_length), len(corpus.vocabulary)
    most = fit(len(corpus.train), *sizes)
    if most != sizes:
        raise ValueError(
            f"config.optim has {sizes[0]} streams and windows of {sizes[1]}: "
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
