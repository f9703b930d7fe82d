"""Looking for what in a repo makes programs of the host run something; nothing of it is run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from repoman_tasks.errors import RepomanError
from repoman_tasks.host import Host, Words
from repoman_tasks.planning.hazards import PROTECTED, Hazard, config_hazards
from repoman_tasks.tools.approvals import state_folder, state_path
from repoman_tasks.tools.places import real_paths
from repoman_tasks.tools.plain_file import begin_words, read_begin

__all__ = [
    "find_all_hazards",
    "find_hazards",
    "find_protected",
    "foreign_entries",
    "foresee_seen",
    "note_seen",
    "seen",
    "was_looked_at",
]

T = TypeVar("T")

_SECONDS = 20.0
_MOST_CONFIG = 256 << 10
_MOST_MODULES = 50
_MOST_AT_ONCE = 200
"""So many configs are held in memory, 256 KiB of each: a hostile repo may have any number."""
_FIRST_FOREIGN = 100_000
"""From this uid on, nobody of the host is meant: those are the users of containers."""


def find_protected(host: Host, repo: str) -> tuple[str, ...]:
    """Which of the protected paths are in `repo`, relative to it; none is, or is behind, a link."""
    wanted = [f"{repo}/{path}" for path in (*PROTECTED, *_of_modules(host, [repo])[repo])]
    kinds = ["(", "-type", "f", "-o", "-type", "d", ")"]
    said = host.read(["find", *wanted, "-maxdepth", "0", *kinds, "-print0"], timeout=_SECONDS)
    there = said.out.decode(errors="surrogateescape").split("\0")[:-1]
    real = zip(there, real_paths(host, there), strict=True)
    return tuple(path[len(repo) + 1 :] for path, leads in real if path == leads)


def _of_modules(host: Host, repos: Sequence[str]) -> dict[str, list[str]]:
    """The hooks and config of submodules of each of `repos`: beside a HEAD in .git/modules."""
    there = host.real_folders([f"{repo}/.git/modules" for repo in repos])
    words = {
        repo: [*("find", f"{repo}/.git/modules", "-maxdepth", "8"), *_HEADS]
        for repo, modules in zip(repos, there, strict=True)
        if modules is not None
    }
    host.foresee(list(words.values()))
    return {repo: _below(host, words[repo]) if repo in words else [] for repo in repos}


_HEADS = ("-type", "f", "-name", "HEAD", "-printf", "%P\\0")


def _below(host: Host, words: Words) -> list[str]:
    said = host.read(words, timeout=_SECONDS)
    heads = said.out.decode(errors="surrogateescape").split("\0")[:_MOST_MODULES]
    folders = sorted(head.rpartition("/")[0] for head in heads if head.count("/"))
    folders = [folder for folder in folders if "/logs" not in folder]
    return [f".git/modules/{folder}/{name}" for folder in folders for name in ("hooks", "config")]


def find_hazards(host: Host, repo: str) -> list[Hazard]:
    """What is in `repo` now that a program of the host may run."""
    found = find_all_hazards(host, [repo])[repo]
    if isinstance(found, RepomanError):
        raise found
    return found


def find_all_hazards(host: Host, repos: Sequence[str]) -> dict[str, list[Hazard] | RepomanError]:
    """The same, of each of several repos; the error where one can't be looked into."""
    if not repos:
        return {}
    modules = _of_modules(host, repos)
    words = {repo: _looking(repo, modules[repo]) for repo in repos}
    host.foresee(list(words.values()))
    entries = {repo: _attempted(_entries, host, words[repo]) for repo in repos}
    configs = [
        path
        for repo, found in entries.items()
        if isinstance(found, list)
        for path, _ in found
        if _is_config(repo, path)
    ]
    host.foresee([begin_words(path, _MOST_CONFIG) for path in configs[:_MOST_AT_ONCE]])
    return {
        repo: found if isinstance(found, RepomanError) else _attempted(_hazards, host, repo, found)
        for repo, found in entries.items()
    }


def _attempted(look: Callable[..., list[T]], *given: Any) -> list[T] | RepomanError:
    """What `look` brings, or its error."""
    try:
        return look(*given)
    except RepomanError as problem:
        return problem


def _is_config(repo: str, path: str) -> bool:
    """Whether it is one of git's, which is read."""
    return path.startswith(f"{repo}/.git/") and path.endswith("/config")


def _looking(repo: str, modules: Sequence[str]) -> Words:
    starts = [f"{repo}/{path}" for path in (*PROTECTED, *modules)]
    words = ["find", *starts, "-maxdepth", "2", "!", "-name", "*.sample", "!", "-type", "d"]
    return [*words, "-printf", "%p\\t%s.%i.%C@\\0"]


def _entries(host: Host, words: Words) -> list[tuple[str, str]]:
    """Paths, each with a mark that changes when it does."""
    said = host.read(words, timeout=_SECONDS)
    entries = said.out.decode(errors="surrogateescape").split("\0")[:-1]
    return [(path, mark) for path, _, mark in (entry.rpartition("\t") for entry in entries)]


def _hazards(host: Host, repo: str, entries: Sequence[tuple[str, str]]) -> list[Hazard]:
    found = []
    for path, mark in entries:
        relative = path[len(repo) + 1 :]
        if _is_config(repo, path):
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


def foresee_seen(host: Host, repos: Sequence[str]) -> None:
    """Say that it will be asked what a person has seen in each of `repos`."""
    host.foresee(files=[state_path(host, "seen", repo) for repo in repos])


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
