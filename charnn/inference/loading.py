"""The library's door to trained models, of whatever kind."""

from pathlib import Path
from typing import Any

from charnn.inference.model import Model
from charnn.model.kinds import kind_of
from charnn.storage.model_file import model_path, read_model, require_capability


def load(path: str | Path) -> Any:
    """The model in a .safetensors file or a run's folder: a `Model`, which writes and scores texts, or, of one that was
    trained on pairs, a `Translator`.

    Raises ModelFileError, naming it and what is wrong; so too for a bidirectional model, which `load_filler` loads.
    """
    file = model_path(Path(path))
    stored = read_model(file)
    if "translate" in kind_of(stored.config).capabilities:
        from charnn.inference.translator import Translator

        return Translator.of(stored, file)
    require_capability(file, stored.config, "sample")
    return Model.of(stored, file)
