"""A new run's configuration: the recipe's for this corpus, with the threads and precision that are fastest here now."""

from dataclasses import replace

import torch

from charnn.config import DataConfig, Precision, TrainConfig, TrainOptions
from charnn.data.batches import fit
from charnn.data.collection import DocumentView
from charnn.data.corpus import Corpus
from charnn.data.pair_view import PairView
from charnn.errors import InputError
from charnn.model.kinds import kind_for
from charnn.model.shapes import inconsistency
from charnn.training import device as devices
from charnn.training.distributed import Alone
from charnn.training.pair_recipe import PairInputs, choose_for_pairs
from charnn.training.recipe import RecipeInputs, choose, choose_budget
from charnn.training.start import NONE
from charnn.training.throughput import Workload, fastest_execution

MEASURING_SHARE = 0.01  # of a timed budget, for the choice of threads and precision, but
MEASURING_SECONDS = 1.0  # at most
USUAL_GFLOPS = 60.0  # of a processor, for the sizes to measure with


def new_config(
    options: TrainOptions, data: DataConfig, corpus: Corpus, group: Alone
) -> tuple[TrainConfig, list[str]]:
    """The configuration, its batches cut to the corpus, and what the user should know of it.

    Raises InputError for options that contradict each other.
    """
    device = devices.available_device(options.get("device", TrainConfig.device))
    threads = devices.use_threads(devices.shared_threads(options.get("threads"), group.local_size))
    if not group.part.is_whole:
        options = {**options, "threads": threads}
    notices: list[str] = []
    gflops = None
    if (minutes := choose_budget(options).minutes) is not None:
        guess = _by_recipe(options, data, corpus, device, USUAL_GFLOPS)
        options, gain, notices = _measured(options, device, minutes, _workload(guess, corpus))
        if not isinstance(corpus.train, PairView):  # for which nothing depends on it
            gflops = group.part.size * gain * devices.machine_gflops(device)
    config = on_this_machine(_by_recipe(options, data, corpus, device, gflops))
    if reason := inconsistency(config.model):
        raise InputError(f"these options contradict each other: {reason}")
    if isinstance(corpus.train, PairView | DocumentView):
        return config, notices
    return _cut_to(len(corpus.train), config, notices)


def on_this_machine(config: TrainConfig) -> TrainConfig:
    """The configuration with device, precision and threads as they will be."""
    device = devices.available_device(config.device)
    precision = devices.choose_precision(config.precision, device)
    return replace(
        config, device=str(device), precision=precision, threads=devices.use_threads(config.threads)
    )


def _by_recipe(
    options: TrainOptions, data: DataConfig, corpus: Corpus, device: torch.device, gflops: float | None
) -> TrainConfig:
    view = corpus.train
    if isinstance(view, PairView):
        assert corpus.pairs is not None
        separators = corpus.pairs.separators
        copied = corpus.copied_share if separators.source == separators.target else 0.0
        sizes = view.count, view.source_symbols, corpus.pairs.source_size, len(corpus.vocabulary)
        config = choose_for_pairs(options, data, PairInputs(*sizes, copied, device.type))
    else:
        is_warm = options.get("init_from", NONE) != NONE
        is_collection = isinstance(view, DocumentView)
        inputs = RecipeInputs(len(view), len(corpus.vocabulary), device.type, gflops, is_collection, is_warm)
        config = choose(options, data, inputs)
    return replace(config, device=str(device))


def _cut_to(train_chars: int, config: TrainConfig, notices: list[str]) -> tuple[TrainConfig, list[str]]:
    """The configuration with a batch that the text fills, and the notices with that."""
    batch, length = fit(train_chars, config.optim.batch_size, config.optim.seq_length)
    if (batch, length) == (config.optim.batch_size, config.optim.seq_length):
        return config, notices
    notice = f"the training part has {train_chars:,} characters: a step reads {batch} streams of {length}"
    optim = replace(config.optim, batch_size=batch, seq_length=length)
    return replace(config, optim=optim), [*notices, notice]


def _workload(config: TrainConfig, corpus: Corpus) -> Workload:
    """What a step of this run is like."""
    view, model, optim = corpus.train, config.model, config.optim
    length = optim.seq_length if not isinstance(view, PairView) else len(view) // view.count
    return Workload(optim.batch_size, length, model.embedding or model.vocab_size, model.hidden)


def _measured(
    options: TrainOptions, device: torch.device, minutes: float, workload: Workload
) -> tuple[TrainOptions, float, list[str]]:
    """The options with the threads and the precision that are fastest now, how much the precision gains, and a notice.

    For a timed run on a CPU: what any other computes depends on the text and the options alone.
    """
    open_settings = "threads" not in options or options.get("precision", "auto") == "auto"
    if device.type != "cpu" or not open_settings:
        return options, 1.0, []
    precision = options.get("precision", "auto")
    seconds = min(MEASURING_SHARE * 60 * minutes, MEASURING_SECONDS)
    measured = fastest_execution(options.get("threads"), _precisions(precision, options), seconds, workload)
    threads, chosen = measured.execution
    notice = f"fastest on this machine now, as measured: {threads} thread{'s' * (threads > 1)}, {chosen}"
    return {**options, "threads": threads, "precision": chosen}, measured.gain, [notice]


def _precisions(precision: Precision, options: TrainOptions) -> list[Precision]:
    """Those to choose from. Two stacks at once read on threads of their own, where torch's autocast doesn't reach."""
    if precision != "auto":
        return [precision]
    both = devices.cpu_has_bf16() and kind_for(options) != "bidirectional"
    return ["fp32", "bf16"] if both else ["fp32"]
