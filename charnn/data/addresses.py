"""Names of corpora that are addresses: their secrets are shown nowhere."""

import re
import urllib.parse

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(?<=://)[^/?#]*@")
_QUERY = re.compile(r"[?#].*", re.DOTALL)


def scheme_of(name: str) -> str | None:
    """The scheme of an address, in lower case; None for any other name."""
    found = _SCHEME.match(name)
    return found[1].lower() if found else None


def without_secrets(name: str) -> str:
    """An address without user, password, query and fragment, which may let others in; other names as they are."""
    return _QUERY.sub("", _CREDENTIALS.sub("", name)) if scheme_of(name) else name


def complaint(address: str, error: Exception) -> str:
    """What `error` says, on one line, without the secrets of `address`."""
    from urllib.error import HTTPError, URLError  # only an address that fails needs them

    is_wrapped = isinstance(error, URLError) and not isinstance(error, HTTPError)
    message = " ".join(str(getattr(error, "reason", error) if is_wrapped else error).split())
    secrets = [*_CREDENTIALS.findall(address), *_QUERY.findall(address)]
    parts = [part for secret in secrets for part in (secret, *re.split(r"[:@?#&=]", secret)) if len(part) > 2]
    for part in sorted({*parts, *map(urllib.parse.unquote, parts)}, key=len, reverse=True):
        message = message.replace(part, "…")
    return message
