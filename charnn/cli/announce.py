"""What a command says on stderr of its own choices and readings: the model, the seed, another normal form."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from charnn.cli.terminal import note

if TYPE_CHECKING:
    from charnn.data.vocab import Vocabulary
    from charnn.inference.find import Found, Stored
    from charnn.inference.infill import Filler
    from charnn.inference.model import Model
    from charnn.inference.translator import Translator
    from charnn.storage.description import Description

Loaded = TypeVar("Loaded", "Model", "Filler", "Translator", "Description", "Stored")

MODEL_DEFAULT = "$CHARNN_MODEL, else the newest run under ./checkpoints, else the one that ships"


def announced_model(path: str | None) -> "Model":
    """Load the model at `path`, or the one that `find_model` prefers, and say which."""
    from charnn.inference.find import find_model

    return _announced(find_model(path))


def announced_filler(path: str | None) -> "Filler":
    """Load the model at `path`, or the one that `find_filler` prefers, and say which."""
    from charnn.inference.find import find_filler

    return _announced(find_filler(path))


def announced_translator(paths: Sequence[str]) -> "Translator":
    """Load the models of pairs at `paths` as one, or the one that `find_translator` prefers, and say which."""
    from charnn.inference.find import find_translator
    from charnn.inference.translator import load_translator

    first = _announced(find_translator(paths[0] if paths else None))
    others = [load_translator(path) for path in paths[1:]]
    for other in others:
        note(f"model: {other.path} (--model)")
    return first.joined(others) if others else first


def announced_description() -> "Description":
    """The description of the model that `find_description` prefers, and say which that is."""
    from charnn.inference.find import find_description

    return _announced(find_description())


def announced_file() -> "Stored":
    """What the file of the model that `find_stored` prefers holds, and say which that is."""
    from charnn.inference.find import find_stored

    return _announced(find_stored())


def _announced(found: "Found[Loaded]") -> Loaded:
    for reason in found.passed_over:
        note(f"passed over: {reason}")
    note(f"model: {found.model.path} ({found.reason})")
    return found.model


def announced_seed(seed: int | None) -> int:
    """The seed, or a random one, which is printed."""
    from charnn.inference.sampler import fresh_seed

    if seed is None:
        seed = fresh_seed()
        note(f"seed: {seed}")
    return seed


def strange_characters(vocabulary: "Vocabulary", text: str) -> list[str]:
    """The characters of `text` that the vocabulary lacks, in the normal form of which it lacks the fewest."""
    from charnn.inference.encoding import known_form

    return [character for character in known_form(vocabulary, text) if character not in vocabulary]


def note_escapes(option: str, text: str) -> None:
    """Say that a backslash is no escape, where it looks like one."""
    if found := re.search(r"\\[ntr0]", text):
        note(
            f"{option} {text!r} holds a backslash and a letter as they stand; in bash $'{found[0]}' is an escape"
        )


def note_conversion(what: str) -> None:
    """Say that texts were converted to a normal form that the model knows."""
    note(f"{what} converted to the Unicode normal form (NFC or NFD) of the model's vocabulary")


def note_reading(vocabulary: "Vocabulary", text: str, called: str) -> None:
    """Say what of a prompt or a text with gaps isn't read as it stands."""
    from charnn.inference.encoding import known_form

    if known_form(vocabulary, text) != text:
        note_conversion(f"{called} is")
    unknown = len(strange_characters(vocabulary, text))
    if unknown and vocabulary.has_unknown:
        note(
            f"{unknown:,} characters of {called} are unknown to the model: its unknown character stands for them"
        )
