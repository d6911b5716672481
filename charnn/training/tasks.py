"""Which task a run is."""

from typing import Any

from charnn.config import TrainConfig
from charnn.data.corpus import Corpus
from charnn.data.pair_view import PairView
from charnn.data.parts import WHOLE, Part
from charnn.data.tokens import TokenView
from charnn.training.pair_task import PairTask
from charnn.training.task import DocumentTask, Task, TextTask


def task_for(config: TrainConfig, corpus: Corpus, part: Part = WHOLE) -> Task[Any]:
    """The task of a run, from what it trains on; of one process among several, its part."""
    if isinstance(corpus.train, PairView):
        return PairTask(config, corpus, part)
    kind = TextTask if isinstance(corpus.train, TokenView) else DocumentTask
    return kind(config, corpus, part)
