"""Incus, asked through its REST API by its own client. Everything here only reads."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from repoman_tasks.errors import Failed
from repoman_tasks.host import Host, Result
from repoman_tasks.planning.drift import Container, read_containers

__all__ = ["containers", "query"]

_SECONDS = 10.0
"""How long the daemon may take to answer."""

_NOT_FOUND = 404


def containers(host: Host, project: str) -> dict[str, Container]:
    """The containers in the Incus project, by name, in one call; none where it does not exist.

    `Failed` where Incus is not there, does not answer, or says no.
    """
    path = f"/1.0/instances?project={quote(project, safe='')}"
    return read_containers(query(host, path, recursion=1) or [])


def query(host: Host, path: str, recursion: int = 0) -> Any:
    """The metadata that the daemon of `host` gives for an API path whose names are encoded.

    None where there is no such thing; `Failed` with the daemon's words where it gives another
    error.
    """
    deep = f"{'&' if '?' in path else '?'}recursion={recursion}" if recursion else ""
    # `local:`, because a person's default remote may be another machine; --raw, because an
    # error keeps its code that way. The exit status is 0 then, too.
    result = host.read(["incus", "query", "--raw", f"local:{path}{deep}"], timeout=_SECONDS)
    if result.code:
        raise _refusal(result)
    try:
        answer = json.loads(result.out)
        error, code = answer["error"], answer["error_code"]
        metadata = answer["metadata"]
    except (ValueError, KeyError, TypeError):
        raise Failed("incus gave an answer that is no JSON of its API", "update incus") from None
    if code == _NOT_FOUND:
        return None
    if error:
        raise Failed(f"Incus says: {error}", "`incus info` may tell more")
    return metadata


def _refusal(result: Result) -> Failed:
    """What keeps the client from the daemon, in our words where we know them."""
    said = result.complaint.removeprefix("Error: ")
    if "daemon doesn't appear to be started" in said:
        return Failed("the Incus daemon does not run", "start it, `systemctl start incus`")
    if "don't have the needed permissions" in said:
        return Failed(
            "this user may not talk to the Incus daemon",
            "join the group incus-admin, then log in again",
        )
    return Failed(f"incus can't ask its daemon: {said}", "`incus info` may tell more")
