"""Going on with a run: its configuration read back, options that would change it refused by name."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from re import fullmatch
from typing import Any, cast

from charnn.config import Budget, TrainConfig, TrainOptions
from charnn.errors import InputError, ModelFileError
from charnn.model.shapes import inconsistency, weight_shapes
from charnn.storage.states import StoredState
from charnn.storage.typed_values import read_as
from charnn.text.corpus import Corpus
from charnn.text.lanes import fit
from charnn.text.vocab import Vocabulary
from charnn.training.options import check_options, option_name
from charnn.training.trainer import Course, Trainer

_BUDGETS = ("minutes", "steps", "epochs")
_FREE = ("out", "resume", "overwrite", "device", "threads", "save_every", "keep", "sample_every")
_OF_A_SESSION = ("out", "resume", "overwrite", "save_every", "keep", "sample_every")


@dataclass(frozen=True)
class StoredRun:
    """What a state says besides its tensors; `seconds` and `deadline` on the run's own clock."""

    config: TrainConfig
    corpus_sha256: str
    vocabulary: Vocabulary
    versions: dict[str, str]
    seconds: float
    deadline: float | None
    course: Course


def stored_run(state: StoredState) -> StoredRun:
    """What `state` says. Raises ModelFileError, naming it, unless that is what a run of charnn's says."""
    with _believed(state):
        run = read_as(StoredRun, state.values, "state")
        _check_config(run.config)
        _require(fullmatch(r"[0-9a-f]{64}(\+[0-9a-f]{64})?", run.corpus_sha256), "corpus_sha256")
        _require(len(run.vocabulary) == run.config.model.vocab_size, "vocabulary")
        _require(
            run.seconds >= 0 and (run.deadline is None) is (run.config.budget.minutes is None), "deadline"
        )
        _check_course(run.course, state.step)
        is_timed = run.deadline is not None
        _require(not is_timed or all(plan.chars_per_second for plan in run.course.plans), "speed")
        return run


def require_fit(state: StoredState, config: TrainConfig, corpus: Corpus) -> None:
    """Raise ModelFileError unless the state holds the network's weights, and the corpus fits both.

    What is allocated next is then no larger than what was read.
    """
    with _believed(state):
        sizes = config.optim.batch_size, config.optim.seq_length
        _require(fit(len(corpus.train), *sizes) == sizes, "batch")
        _require(len(corpus.vocabulary) == config.model.vocab_size, "vocabulary")
        shapes = {f"network.{name}": shape for name, shape in weight_shapes(config.model).items()}
        found = {name: tuple(t.shape) for name, t in state.tensors.items() if name.startswith("network.")}
        _require(found == shapes, "weights")


def restore(trainer: Trainer, state: StoredState) -> None:
    """Put `trainer` where `state` was taken. Raises ModelFileError, naming it, when it isn't one of such a run."""
    with _believed(state):
        course = read_as(Course, state.values.get("course"), "course")
        _check_course(course, state.step)
        trainer.restore(state.tensors, course)


def stored_config(value: object, folder: Path) -> TrainConfig:
    """The configuration in a run's metrics. Raises ModelFileError when what stands there isn't one."""
    try:
        config = read_as(TrainConfig, value, "config")
        _check_config(config)
    except (ValueError, InputError) as error:
        raise ModelFileError(
            f"{folder} holds a run whose configuration can't be read ({error}); start anew"
        ) from None
    return config


@contextmanager
def _believed(state: StoredState) -> Iterator[None]:
    """States may come from strangers: whatever is wrong with one is said in one line."""
    try:
        yield
    except (ValueError, InputError) as error:
        raise ModelFileError(
            f"the state {state.path} can't be resumed: {error}; remove it to go on from the one before"
        ) from None


def _check_config(config: TrainConfig) -> None:
    """Raise ValueError or InputError where no options give such a configuration."""
    given = {
        name: _setting(config, name) for name in TrainOptions.__annotations__ if name not in _OF_A_SESSION
    }
    unused = {"ngram_rows"} if not config.model.ngrams else set()
    unused |= {"nonlinearity"} if config.model.cell != "rnn" else set()
    check_options(
        cast(TrainOptions, {n: v for n, v in given.items() if v is not None and n not in unused}),
    )
    if reason := inconsistency(config.model):
        raise ValueError(reason)
    _require(min(vars(config.optim).values()) >= 0, "optim")
    _require(max(config.optim.beta1, config.optim.beta2) < 1, "beta")


def _check_course(course: Course, step: int) -> None:
    _require(course.step == step, "step")
    _require(min(course.evaluated, course.chars, course.averaged, course.lr_scale) >= 0, "course")
    for plan in course.plans:
        _require(min(plan.step, plan.steps) >= 0 and min(plan.eval_every, plan.log_every) >= 1, "plan")
        _require(0 <= plan.progress <= 1 and (plan.chars_per_second or 0) >= 0, "plan")


def _require(holds: object, name: str) -> None:
    if not holds:
        raise ValueError(f"its {name} can't be")


def continued_config(config: TrainConfig, sources: tuple[str, ...], options: TrainOptions) -> TrainConfig:
    """The run's configuration with a larger budget, if one is given.

    Raises InputError naming what would change the run.
    """
    if sources and sources != config.data.sources:
        raise InputError(
            f"this run was trained on {', '.join(config.data.sources)}; leave CORPUS out to go on with it"
        )
    for name, value in options.items():
        if name not in _FREE and name not in _BUDGETS:
            _require_same(name, value, _setting(config, name))
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


def _setting(config: TrainConfig, name: str) -> Any:
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
