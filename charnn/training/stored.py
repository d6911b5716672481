"""What a run left behind to go on from. It may come from a stranger: nothing is believed before it is checked."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from re import fullmatch
from typing import cast

from charnn.config import Budget, TrainConfig, TrainOptions
from charnn.data.batches import fit
from charnn.data.corpus import Corpus
from charnn.data.vocab import Vocabulary
from charnn.errors import InputError, ModelFileError
from charnn.model.kinds import weight_shapes, with_kind
from charnn.model.shapes import inconsistency
from charnn.storage.checkpoints import Checkpoint
from charnn.storage.typed_values import read_as
from charnn.training.options import check_options
from charnn.training.resumption import setting
from charnn.training.trainer import Trainer, TrainState

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
    course: TrainState


def stored_run(state: Checkpoint) -> StoredRun:
    """What `state` says. Raises ModelFileError, naming it, unless that is what a run of charnn's says."""
    with _believed(state):
        values = state.values | {"config": _with_kind(state.values.get("config"))}
        run = read_as(StoredRun, values, "state")
        _check_config(run.config)
        _require(fullmatch(r"[0-9a-f]{64}(\+[0-9a-f]{64})?", run.corpus_sha256), "corpus_sha256")
        _require(len(run.vocabulary) == run.config.model.vocab_size, "vocabulary")
        _require(
            run.seconds >= 0 and (run.deadline is None) is (run.config.budget.minutes is None), "deadline"
        )
        _check_train_state(run.course, state.step)
        is_timed = run.deadline is not None
        _require(not is_timed or all(plan.chars_per_second for plan in run.course.plans), "speed")
        return run


def require_fit(state: Checkpoint, config: TrainConfig, corpus: Corpus) -> None:
    """Raise ModelFileError unless the state holds the network's weights, and the corpus fits both.

    What is allocated next is then no larger than what was read.
    """
    with _believed(state):
        _check_corpus(config, corpus)
        shapes = {f"network.{name}": shape for name, shape in weight_shapes(config.model).items()}
        found = {name: tuple(t.shape) for name, t in state.tensors.items() if name.startswith("network.")}
        _require(found == shapes, "weights")


def restore(trainer: Trainer, state: Checkpoint) -> None:
    """Put `trainer` where `state` was taken. Raises ModelFileError, naming it, when it isn't one of such a run."""
    with _believed(state):
        course = read_as(TrainState, state.values.get("course"), "course")
        _check_train_state(course, state.step)
        trainer.restore(state.tensors, course)


def stored_config(value: object, folder: Path) -> TrainConfig:
    """The configuration in a run's metrics. Raises ModelFileError when what stands there isn't one."""
    with _refused(f"{folder} holds a run whose configuration can't be read (", "); start anew"):
        config = read_as(TrainConfig, _with_kind(value), "config")
        _check_config(config)
        return config


def require_its_corpus(folder: Path, config: TrainConfig, corpus: Corpus) -> None:
    """Raise ModelFileError where the configuration of a run that saved no state is of another text."""
    with _refused(f"{folder} holds a run of another text (", "); start anew with --overwrite"):
        _check_corpus(config, corpus)


def _believed(state: Checkpoint) -> AbstractContextManager[None]:
    """States may come from strangers: whatever is wrong with one is said in one line."""
    return _refused(f"the state {state.path} can't be resumed: ", "; remove it to go on from the one before")


@contextmanager
def _refused(before: str, after: str) -> Iterator[None]:
    """Turn what is found wrong into a ModelFileError, between these words."""
    try:
        yield
    except (ValueError, InputError) as error:
        raise ModelFileError(f"{before}{error}{after}") from None


def _with_kind(config: object) -> object:
    """The JSON of a run's configuration, that of its model as `kinds.with_kind` gives it."""
    if isinstance(config, dict) and isinstance(config.get("model"), dict):
        return config | {"model": with_kind(config["model"])}
    return config


def _check_config(config: TrainConfig) -> None:
    """Raise ValueError or InputError where no options give such a configuration."""
    unused = {"ngram_rows"} if not config.model.ngrams else set()
    unused |= {"nonlinearity"} if config.model.cell != "rnn" else set()
    names = TrainOptions.__annotations__.keys() - {*_OF_A_SESSION, *unused}
    given = {name: setting(config, name) for name in names}
    check_options(cast(TrainOptions, {name: value for name, value in given.items() if value is not None}))
    if reason := inconsistency(config.model):
        raise ValueError(reason)
    _require(min(vars(config.optim).values()) >= 0, "optim")
    _require(max(config.optim.beta1, config.optim.beta2) < 1, "beta")
    _require(config.optim.final_lr <= 1, "final_lr")
    _require(config.model.vocab_size >= 1, "vocabulary")
    _require(config.budget != Budget(), "budget")


def _check_corpus(config: TrainConfig, corpus: Corpus) -> None:
    """Raise ValueError where the configuration isn't one for this corpus."""
    sizes = config.optim.batch_size, config.optim.seq_length
    _require(fit(len(corpus.train), *sizes) == sizes, "batch")
    _require(len(corpus.vocabulary) == config.model.vocab_size, "vocabulary")


def _check_train_state(course: TrainState, step: int) -> None:
    _require(course.step == step, "step")
    _require(min(course.evaluated, course.chars, course.averaged, course.lr_scale) >= 0, "course")
    _require(course.lr_scale <= 1, "lr_scale")
    for plan in course.plans:
        _require(min(plan.step, plan.steps) >= 0 and min(plan.eval_every, plan.log_every) >= 1, "plan")
        _require(0 <= plan.progress <= 1 and (plan.chars_per_second or 0) >= 0, "plan")


def _require(holds: object, name: str) -> None:
    if not holds:
        raise ValueError(f"its {name} can't be")
