"""What `charnn sample` was asked for, and the samples that answer it."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import chain, repeat
from math import nan
from typing import TYPE_CHECKING, Any

from charnn.config import SampleConfig, Unknown

if TYPE_CHECKING:
    from charnn.data.cache import EncodedText
    from charnn.inference.generate import Sample
    from charnn.inference.model import Model
    from charnn.inference.stopping import Token


@dataclass(frozen=True)
class Request:
    """`count` samples after each of `prompts` with each of `configs`, each the best of `best_of`.

    Errors call the prompts `called`; several are numbered after it. With a `corpus`, what each copied from it is said.
    """

    model: "Model"
    prompts: tuple[str, ...]
    configs: tuple[SampleConfig, ...]
    count: int
    best_of: int
    seed: int
    called: str = "the prompt"
    are_lines: bool = False
    unknown: Unknown = "error"
    new: bool = False
    corpus: "EncodedText | None" = None

    @property
    def total(self) -> int:
        return len(self.configs) * len(self.prompts) * self.count

    @property
    def is_streamed(self) -> bool:
        """Whether each sample can be written as it is made."""
        return self.count == self.best_of == 1 and not self.are_lines and not self.new

    @property
    def separator(self) -> str | None:
        """What stands between the documents of a model of documents."""
        return self.model.documents.separator if self.model.documents else None

    def prompt_of(self, index: int) -> str:
        """What sample `index` begins with."""
        return self.prompts[index // self.count % len(self.prompts)]

    def config_of(self, index: int) -> SampleConfig:
        """How sample `index` is drawn."""
        return self.configs[index // (self.count * len(self.prompts))]

    def samples(self) -> Iterator["Sample"]:
        """All of them, numbered; every option is checked before the first is made."""
        prompts = self.prompts if self.are_lines else self.prompts[0]
        groups = [
            self.model.sample_many(
                self.count, prompts, best_of=self.best_of, new=self.new, **self._options(config)
            )
            for config in self.configs
        ]
        if len(groups) == 1:
            return groups[0]
        return (replace(one, index=index) for index, one in enumerate(chain.from_iterable(groups)))

    def streams(self, *, scored: bool) -> list[Iterator["Token"]]:
        """The characters of one sample for each of `configs`, with their log-probabilities only if `scored`."""
        [prompt] = self.prompts
        if scored:
            return [self.model.stream_scored(prompt, **self._options(config)) for config in self.configs]
        streams = [self.model.stream(prompt, **self._options(config)) for config in self.configs]
        return [zip(stream, repeat(nan), strict=False) for stream in streams]

    def _options(self, config: SampleConfig) -> dict[str, Any]:
        return {"seed": self.seed, "unknown": self.unknown, "called": self.called, **asdict(config)}
