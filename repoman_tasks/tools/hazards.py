"""Looking for what in a repo makes programs of the host run something; nothing of it is run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from repoman_tasks.host import Host
from repoman_tasks.planning.hazards import PROTECTED, Hazard, config_hazards
from repoman_tasks.tools.approvals import state_folder, state_path
from repoman_tasks.tools.places import real_paths
from repoman_tasks.tools.plain_file import read_begin

__all__ = [
    "find_hazards",
    "find_protected",
    "foreign_entries",
    "note_seen",
    "seen",
    "was_looked_at",
]

_SECONDS = 20.0
_MOST_CONFIG = 256 << 10
_MOST_MODULES = 50
_FIRST_FOREIGN = 100_000
"""From this uid on, nobody of the host is meant: those are the users of containers."""


def find_protected(host: Host, repo: str) -> tuple[str, ...]:
    """Which of the protected paths are in `repo`, relative to it; none is, or is behind, a link."""
    wanted = [f"{repo}/{path}" for path in (*PROTECTED, *_of_modules(host, repo))]
    kinds = ["(", "-type", "f", "-o", "-type", "d", ")"]
    said = host.read(["find", *wanted, "-maxdepth", "0", *kinds, "-print0"], timeout=_SECONDS)
    there = said.out.decode(errors="surrogateescape").split("\0")[:-1]
    real = zip(there, real_paths(host, there), strict=True)
    return tuple(path[len(repo) + 1 :] for path, leads in real if path == leads)


def _of_modules(host: Host, repo: str) -> list[str]:
    """The hooks and config of submodules: beside a HEAD somewhere in .git/modules."""
    if host.real_folder(f"{repo}/.git/modules") is None:
        return []
    words = ["find", f"{repo}/.git/modules", "-maxdepth", "8", "-type", "f", "-name", "HEAD"]
    said = host.read([*words, "-printf", "%P\\0"], timeout=_SECONDS)
    heads = said.out.decode(errors="surrogateescape").split("\0")[:_MOST_MODULES]
    folders = sorted(head.rpartition("/")[0] for head in heads if head.count("/"))
    folders = [folder for folder in folders if "/logs" not in folder]
    return [f".git/modules/{folder}/{name}" for folder in folders for name in ("hooks", "config")]


def find_hazards(host: Host, repo: str) -> list[Hazard]:
    """What is in `repo` now that a program of the host may run."""
    starts = [f"{repo}/{path}" for path in (*PROTECTED, *_of_modules(host, repo))]
    words = ["find", *starts, "-maxdepth", "2", "!", "-name", "*.sample", "!", "-type", "d"]
    said = host.read([*words, "-printf", "%p\\t%s.%i.%C@\\0"], timeout=_SECONDS)
    found = []
    for entry in said.out.decode(errors="surrogateescape").split("\0")[:-1]:
        path, _, mark = entry.rpartition("\t")
        relative = path[len(repo) + 1 :]
        if relative.startswith(".git/") and relative.endswith("/config"):
            text = read_begin(host, path, _MOST_CONFIG).out.decode(errors="replace")
            keys = config_hazards(text)
            found += [Hazard(f"{relative}: {key}", mark) for key in keys]
        elif relative != ".repoman.toml":  # which has an approval of its own
            found.append(Hazard(relative, mark))
    return found


def foreign_entries(host: Host, repos: Sequence[str]) -> dict[str, int]:
    """How many entries in each of `repos` belong to users of containers; those with none are
    left out. `TimedOut` where it takes too long."""
    if not repos:
        return {}
    words = ["find", *repos, "-uid", f"+{_FIRST_FOREIGN - 1}", "-printf", "%H\\0"]
    said = host.read(words, timeout=_SECONDS)
    found: dict[str, int] = {}
    for repo in said.out.decode(errors="surrogateescape").split("\0")[:-1]:
        found[repo] = found.get(repo, 0) + 1
    return found


# --- what a person has seen -----------------------------------------------------------------


def seen(host: Host, repo: str) -> Mapping[str, str]:
    """What a person has seen in `repo`: hazards with their marks."""
    try:
        found = json.loads(host.read_file(state_path(host, "seen", repo)) or b"{}")
        return {str(what): str(mark) for what, mark in found.items()}
    except (ValueError, AttributeError):
        return {}


def was_looked_at(host: Host, repo: str) -> bool:
    """Whether it is kept what a person has seen in `repo`, be it nothing."""
    return host.read_file(state_path(host, "seen", repo)) is not None


def note_seen(host: Host, repo: str, hazards: Sequence[Hazard]) -> None:
    """Keep that a person has seen these hazards in `repo`."""
    text = json.dumps({hazard.what: hazard.mark for hazard in hazards}, indent=2)
    with host.lock(f"{state_folder(host)}/seen.lock", wait_seconds=10):
        host.write_file(state_path(host, "seen", repo), f"{text}\n".encode())
