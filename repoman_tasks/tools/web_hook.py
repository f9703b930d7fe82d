"""Requests to the services that alerts go to.

Their URLs are secrets, so no message contains one, nor what a library says that may.
"""

from __future__ import annotations

import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPMessage
from typing import IO

__all__ = ["SECONDS", "WebHook"]

SECONDS = 10.0
"""Time limit of a request, from the look-up of the name to the last byte."""
_MOST_BYTES = 1 << 16


class WebHook:
    """A POST request that runs beside all else. A server that never ends its answer, or a name
    that is never found, can't delay a command longer than `wait` allows."""

    def __init__(self, url: str, text: str, headers: Mapping[str, str] | None = None) -> None:
        self._request = urllib.request.Request(
            url, text.encode(), {"User-Agent": "repoman", **(headers or {})}, method="POST"
        )
        self._problem = f"it did not answer within {SECONDS:g} s"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> str:
        """Wait for the answer; return what went wrong, "" if nothing did."""
        self._thread.join(max(0.0, seconds))
        return self._problem

    def _run(self) -> None:
        try:
            opener = urllib.request.build_opener(_OnlyToHttps)
            with opener.open(self._request, timeout=SECONDS) as answer:
                answer.read(_MOST_BYTES)
            self._problem = ""
        except urllib.error.HTTPError as error:
            self._problem = f"it answered with status {error.code}"
        except Exception as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            self._problem = _reason(reason)


class _OnlyToHttps(urllib.request.HTTPRedirectHandler):
    """Follows redirects only where nobody on the way can read the secret."""

    max_redirections = 5

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if not newurl.startswith("https://"):
            raise urllib.error.URLError(_Redirected())
        if code in (307, 308):  # the library repeats no POST by itself
            return urllib.request.Request(newurl, req.data, dict(req.header_items()), method="POST")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Redirected(Exception):
    """The server redirects to something else than https."""


def _reason(error: object) -> str:
    """Return what went wrong, in words that can't contain a URL."""
    if isinstance(error, _Redirected):
        return "it redirects to an address without https"
    if isinstance(error, TimeoutError):
        return f"it did not answer within {SECONDS:g} s"
    if isinstance(error, ssl.SSLError):
        return "it has no valid certificate"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return f"it failed ({type(error).__name__})"
