"""Corpora at addresses: fetched from the host that was named. Imported when there is one: much comes with it."""

import base64
import string
import urllib.parse
import urllib.request
from typing import Any
from urllib.error import HTTPError, URLError

from charnn.data.addresses import complaint, without_secrets
from charnn.errors import CorpusError

TIMEOUT = 30.0  # seconds without an answer
LONGEST_SHOWN = 200  # characters of an address that a server gives


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
    """Follows a redirect to the same host only, on the web, and none from https to http."""

    inf_msg = "it redirects without end; "

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        target = urllib.parse.urljoin(req.full_url, headers.get("location") or "")
        if not _may_follow(req.full_url, target):
            fp.close()
            shown = without_secrets(target)[:LONGEST_SHOWN]
            raise URLError(f"it redirects to {shown}; name that address if you trust it")
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _may_follow(address: str, target: str) -> bool:
    old, new = urllib.parse.urlsplit(address), urllib.parse.urlsplit(target)
    is_web = new.scheme in ("http", "https")
    return is_web and new.hostname == old.hostname and (old.scheme, new.scheme) != ("https", "http")


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
