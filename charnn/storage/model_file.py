"""The model file: safetensors, with configuration, vocabulary and provenance as JSON in its metadata.

    8 bytes   length of the header, little-endian
    header    JSON: "__metadata__": {"charnn": JSON}, and for each tensor its dtype, shape and place
    tensors   the weights, see `storage.model_tensors`

Files may come from strangers: nothing is believed, executed, mapped or allocated before it is checked.
"""

import errno
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from charnn.config import ModelConfig, to_json
from charnn.data.symbols import PairVocabulary
from charnn.data.vocab import Vocabulary
from charnn.errors import CharnnError, InputError, ModelFileError
from charnn.files import open_own_file, open_regular, write_atomically
from charnn.model.kinds import Capability, kind_of, weight_shapes, with_kind
from charnn.model.shapes import inconsistency
from charnn.settings import require_stored, settings_of
from charnn.storage.model_documents import ModelDocuments
from charnn.storage.model_tensors import (
    HASHES,
    Floats,
    Weights,
    dense,
    is_quantized,
    read_hashes,
    read_tensors,
    require_sane,
    stored_tensors,
)
from charnn.storage.strict_json import decode, parse_json
from charnn.storage.tensor_file import safetensors_chunks, stored_array

FORMATS = (1, 2)  # 2: with 8-bit rows
MODEL_FILE = "model.safetensors"
MAX_HEADER = 1 << 20  # bytes; all characters that Unicode has assigned take two thirds of it
ROOM_OF_A_TENSOR = 512  # bytes of the header: its names, shapes and places
MACHINE_FAULTS = (errno.EACCES, errno.EPERM, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE)


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds. `weights` by name, shaped as `weight_shapes(config)` says; float32.

    But n-gram tables may be float16 or 8-bit rows: few of their rows are read, and those are widened when they are.
    """

    config: ModelConfig
    vocabulary: Vocabulary
    weights: Weights
    provenance: dict[str, Any]
    documents: ModelDocuments | None = None  # of a model of documents, whose vocabulary has their end
    pairs: PairVocabulary | None = None  # of an encoder–decoder, whose `vocabulary` is that of its targets

    def dense_weights(self) -> dict[str, Floats]:
        """The weights as arrays all."""
        return {name: dense(weight) for name, weight in self.weights.items()}


def model_path(path: Path) -> Path:
    """The model file that `path` means: itself, or the one in a run's folder.

    Raises ModelFileError where a run's model is a link to somewhere else: a run from a stranger may hold one.
    """
    if not os.path.isdir(path):  # noqa: PTH112 - pathlib raises for a name that is too long
        return path
    file = path / MODEL_FILE
    if file.is_symlink() and Path(os.path.realpath(file)).parent != Path(os.path.realpath(path)):
        raise ModelFileError(f"{file} is a link out of its run: name the model's file itself")
    return file


def require_capability(path: Path, config: ModelConfig, capability: Capability) -> None:
    """Raise ModelFileError unless a model can do this; it says what the model does instead."""
    kind = kind_of(config)
    if capability not in kind.capabilities:
        raise ModelFileError(f"{path} is {kind.name}: it {kind.purpose}, see `charnn {kind.command}`")


def write_model(path: Path, model: ModelFile) -> None:
    """Write a model file atomically; a large one in half precision and 8-bit rows: its loss moves by under 0.001.

    Raises CharnnError naming the path and the cause; InputError, ModelFileError for what could not be read again.
    """
    check_readable(model)
    try:
        require_sane(model.weights)
    except ValueError as error:
        raise CharnnError(f"cannot write {path}: {error}; try a lower --lr") from None
    tensors = stored_tensors(model.weights)
    if model.documents and model.documents.hashes is not None:
        tensors[HASHES] = stored_array(model.documents.hashes, np.dtype(np.uint32), "U32")
    write_atomically(path, safetensors_chunks(tensors, {"charnn": _metadata_text(model)}))


def check_readable(model: ModelFile, room: int = 0) -> None:
    """Raise InputError unless `read_model` accepts such a header, be it `room` bytes longer."""
    metadata = json.dumps(_metadata_text(model), ensure_ascii=False)
    if (length := len(metadata.encode()) + ROOM_OF_A_TENSOR * len(model.weights) + room) > MAX_HEADER:
        raise InputError(
            f"the model file's header would have {length:,} bytes, more than the {MAX_HEADER:,} that are read: "
            f"{_too_many(model)}"
        )
    parse_model_config(to_json(model.config))


def _too_many(model: ModelFile) -> str:
    """What makes a header long, and the remedy."""
    count = len(model.vocabulary)
    if model.pairs is None:
        return f"{count:,} different characters are too many; keep fewer with --max-vocab"
    count += model.pairs.source_size
    return f"{count:,} different symbols are too many; check the separators, or train on pairs with fewer"


def _metadata_text(model: ModelFile) -> str:
    """What charnn says about the tensors, as JSON."""
    metadata = {
        "format": FORMATS[any(is_quantized(*weight) for weight in model.weights.items())],
        "config": to_json(model.config),
        "vocabulary": {
            "characters": model.vocabulary.characters,
            "has_unknown": model.vocabulary.has_unknown,
            "has_end": model.vocabulary.has_end,
        },
        "provenance": model.provenance,
    }
    if model.documents:
        metadata["documents"] = model.documents.to_json()
    if model.pairs:
        metadata["pairs"] = asdict(model.pairs)
    text = json.dumps(metadata, ensure_ascii=False)
    return text.encode(
        "utf-8", "backslashreplace"
    ).decode()  # a file name's invalid UTF-8 bytes; JSON reads them back


def read_model(path: Path) -> ModelFile:
    """Read and check a model file.

    Raises ModelFileError, one line that names the file and what is wrong with it; CharnnError where the
    machine can't read it.
    """
    try:
        with open_regular(path) as file:
            return _read(file, path)
    except ValueError as error:
        raise ModelFileError(f"{path} is no model of charnn's: {_plain(error)}; name another") from None
    except OSError as error:
        kind = CharnnError if error.errno in MACHINE_FAULTS else ModelFileError
        raise kind(f"cannot read the model {path}: {error.strerror}") from None


def is_model_file(path: Path) -> bool:
    """Whether its header says that charnn wrote it, whatever else is wrong with it. Raises OSError."""
    try:
        with open_own_file(path) as file:
            prefix = _read_prefix(file, os.fstat(file.fileno()).st_size)
            _metadata(_object(_parsed(prefix[8:], "header"), "header"))
    except (ValueError, InputError):
        return False
    return True


def _read(file: BinaryIO, path: Path) -> ModelFile:
    """The checks, from the cheapest on. Raises ValueError."""
    size = os.fstat(file.fileno()).st_size
    prefix = _read_prefix(file, size)
    header, begin = _object(_parsed(prefix[8:], "header"), "header"), len(prefix)
    about = _metadata(header)
    config = parse_model_config(about["config"])
    weights = read_tensors(file, path, header, begin, weight_shapes(config))
    vocabulary = _vocabulary(about["vocabulary"], config)
    documents, pairs = None, None
    if config.kind == "encoder_decoder":
        pairs = _pairs(about["pairs"], config, vocabulary)
    elif vocabulary.has_end:
        documents = ModelDocuments.parse(about["documents"], read_hashes(file, header, begin))
    return ModelFile(config, vocabulary, weights, about["provenance"], documents, pairs)


def _pairs(value: Any, config: ModelConfig, vocabulary: Vocabulary) -> PairVocabulary:
    """What sources hold, of the size that the configuration says."""
    pairs = decode(PairVocabulary, value, "pairs")
    if pairs.source_size != config.source_size:
        raise ValueError(
            f"its pairs have {pairs.source_size} source symbols, its configuration {config.source_size}"
        )
    if not vocabulary.has_end or not vocabulary.has_unknown:
        raise ValueError("its vocabulary has no end, or nothing for what is unknown")
    return pairs


def _read_prefix(file: BinaryIO, size: int) -> bytes:
    """The header and its length before it: what precedes the tensors."""
    prefix = file.read(8)
    length = int.from_bytes(prefix, "little")
    if size < 8 or length > size - 8:
        raise ValueError("it is no safetensors file, or cut short")
    if length > MAX_HEADER:
        raise ValueError(f"its header has {length:,} bytes, more than {MAX_HEADER:,}")
    return prefix + file.read(length)


def _metadata(header: dict[str, Any]) -> dict[str, Any]:
    """What charnn says about the tensors."""
    text = _object(header.get("__metadata__"), "metadata").get("charnn")
    if not isinstance(text, str):
        raise ValueError("its metadata has no entry of charnn's")
    about = _object(_parsed(text.encode(), "metadata"), "metadata")
    if about.get("format") not in FORMATS:
        known = " and ".join(map(str, FORMATS))
        raise ValueError(
            f"its format is {about.get('format')!r}, this charnn reads {known}; try a newer charnn"
        )
    parts = {name: _object(about.get(name), name) for name in ("config", "vocabulary", "provenance")}
    return {**parts, "documents": about.get("documents"), "pairs": about.get("pairs")}


def parse_model_config(values: dict[str, Any]) -> ModelConfig:
    """The configuration, every value within bounds. Raises ValueError naming what isn't."""
    values, known = with_kind(values), settings_of(ModelConfig)
    if strange := sorted(values.keys() - known.keys()):
        raise ValueError(f"its configuration has an unknown setting {strange[0]!r}; try a newer charnn")
    if "vocab_size" not in values:
        raise ValueError("its configuration has no vocab_size")
    config = ModelConfig(
        **{name: require_stored(known[name], value, f"its {name}") for name, value in values.items()}
    )
    if reason := inconsistency(config):
        raise ValueError(f"its configuration contradicts itself: {reason}")
    return config


def _vocabulary(values: dict[str, Any], config: ModelConfig) -> Vocabulary:
    """The vocabulary, of the size that the configuration says."""
    characters, has_unknown = values.get("characters"), values.get("has_unknown")
    has_end = values.get("has_end", False)  # which charnn 0.1 didn't know
    if not isinstance(characters, str) or not isinstance(has_unknown, bool) or not isinstance(has_end, bool):
        raise ValueError(
            "its vocabulary is not a string of characters, has_unknown and has_end true or false"
        )
    vocabulary = Vocabulary(characters, has_unknown, has_end)
    if len(vocabulary) != config.vocab_size:
        raise ValueError(
            f"its vocabulary has {len(vocabulary)} characters, its configuration {config.vocab_size}"
        )
    return vocabulary


def _parsed(content: bytes, name: str) -> Any:
    try:
        return parse_json(content)
    except ValueError as error:
        raise ValueError(f"its {name} is not the JSON of a model: {error}") from None


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"its {name} is not a JSON object")
    return value


def _plain(error: Exception) -> str:
    """An error's text on one short line, the control characters of a hostile file escaped."""
    text = str(error).encode("unicode_escape").decode()
    return text if len(text) <= 200 else text[:200] + "…"
