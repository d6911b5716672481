"""What a run's files say of where its corpus came from, and what may be read because of it."""

from dataclasses import replace
from pathlib import Path

from charnn.config import DataConfig
from charnn.data.addresses import scheme_of, without_secrets
from charnn.data.cache import open_encoded
from charnn.errors import CorpusError
from charnn.storage.begun_here import is_begun_here
from charnn.training.context import TrainRequest


def without_secrets_in(data: DataConfig) -> DataConfig:
    """The same, addresses as they may be written to files."""
    val = data.val if data.val is None else without_secrets(data.val)
    return replace(data, sources=tuple(map(without_secrets, data.sources)), val=val)


def addresses_in(data: DataConfig) -> tuple[str, ...]:
    """The addresses that a configuration names."""
    return tuple(name for name in (*data.sources, data.val or "") if scheme_of(name))


def require_fetchable(data: DataConfig, request: TrainRequest, run: Path, sha256: str | None = None) -> None:
    """Raise CorpusError where resuming would fetch an address that neither was named now nor by this user before.

    `data` names what will be read; what is in the cache isn't fetched.
    """
    given = (*request.sources, request.options.get("val"))
    unnamed = [address for address in addresses_in(data) if address not in given]
    if unnamed and not (is_begun_here(run, unnamed) or _is_cached(sha256)):
        raise CorpusError(
            f"this run's text lies at {unnamed[0]}, which isn't fetched because a file says so; "
            f"name it if you trust it: charnn train {unnamed[0]} --resume --out {run}"
        )


def _is_cached(sha256: str | None) -> bool:
    return sha256 is not None and all(open_encoded(part) for part in sha256.split("+"))
