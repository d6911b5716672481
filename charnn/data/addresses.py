"""Corpora at addresses: fetched from the host that was named, their secrets shown nowhere."""

import base64
import re
import string
import urllib.parse
import urllib.request
from typing import Any
from urllib.error import HTTPError, URLError

from charnn.errors import CorpusError

TIMEOUT = 30.0  # seconds without an answer
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
    """What `error` says, without the secrets of `address`."""
    message = str(error)
    secrets = [*_CREDENTIALS.findall(address), *_QUERY.findall(address)]
    parts = [part for secret in secrets for part in (secret, *re.split(r"[:@?#&=]", secret)) if len(part) > 2]
    for part in sorted({*parts, *map(urllib.parse.unquote, parts)}, key=len, reverse=True):
        message = message.replace(part, "…")
    return message


def fetch(address: str) -> Any:
    """The open answer of a web server. Raises OSError, ValueError or http.client.HTTPException."""
    parts = urllib.parse.urlsplit(urllib.parse.quote(address, safe=string.punctuation))
    host = parts.netloc.rpartition("@")[2]
    request = urllib.request.Request(
        parts._replace(netloc=host).geturl(), headers={"User-Agent": "charnn"}
    )  # many sites refuse urllib's own name
    if parts.username is not None:
        user, password = (urllib.parse.unquote(part or "") for part in (parts.username, parts.password))
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    try:
        return urllib.request.build_opener(_SameHost).open(request, timeout=TIMEOUT)
    except HTTPError as error:
        error.close()  # it holds the connection
        raise


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows a redirect to the same host only, and none from https to http."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        old, new = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        if new.hostname != old.hostname or (old.scheme, new.scheme) == ("https", "http"):
            fp.close()
            raise URLError(f"it redirects to {without_secrets(newurl)}; name that address if you trust it")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def open_remote(address: str) -> Any:
    """A file at an address that fsspec knows. Raises CorpusError where a library is missing, else what it raises."""
    try:
        import fsspec

        return fsspec.open(address, "rb").open()
    except ImportError as error:
        raise CorpusError(
            f"{without_secrets(address)} needs a library more ({complaint(address, error)}); "
            "pip install 'charnn[remote]'"
        ) from None
