"""What is fuzzed, by name."""

from . import commands, corpora, models, states

TARGETS = {target.name: target for target in (models.TARGET, states.TARGET, corpora.TARGET, commands.TARGET)}
