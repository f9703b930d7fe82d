"""Looking for what in a repo makes programs of the host run something; nothing of it is run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from repoman_tasks.errors import RepomanError
from repoman_tasks.hosts.base import Argv, Host
from repoman_tasks.planning.trust.hazard_findings import PROTECTED, Hazard, config_hazards
from repoman_tasks.registry.names_file import state_folder
from repoman_tasks.tools.approvals import state_path
from repoman_tasks.tools.forbidden_paths import real_paths, real_paths_argv
from repoman_tasks.tools.regular_file import read_argv, read_begin

__all__ = [
    "find_all_hazards",
    "find_hazards",
    "find_protected",
    "foreign_entries",
    "foresee_hazards",
    "foresee_protected",
    "note_seen",
    "seen",
    "was_looked_at",
]

T = TypeVar("T")

_SECONDS = 20.0
_MOST_CONFIG = 256 << 10
_MODULES = ".git/modules"
_MOST_MODULES = 50
_MOST_AT_ONCE = 200
"""So many configs are held in memory, 256 KiB of each: a hostile repo may have any number."""
_FIRST_FOREIGN = 100_000
"""From this uid on, nobody of the host is meant: those are the users of containers."""


def foresee_protected(host: Host, repo: str) -> None:
    """Say that the protected paths in `repo` will be asked for."""
    chosen = [f"{repo}/{path}" for path in PROTECTED]
    host.foresee([_heads([repo]), _plain(chosen), real_paths_argv(chosen)], seconds=_SECONDS)


def find_protected(host: Host, repo: str) -> tuple[str, ...]:
    """Which of the protected paths are in `repo`, relative to it; none is, or is behind, a link."""
    modules = _brought(_all_modules(host, [repo])[repo])
    return (*_protected(host, repo, PROTECTED), *_protected(host, repo, modules))


def _protected(host: Host, repo: str, paths: Sequence[str]) -> list[str]:
    """Those of `paths` in `repo` that are there, and are where they seem to be."""
    if not paths:
        return []
    chosen = [f"{repo}/{path}" for path in paths]
    said = host.read(_plain(chosen), timeout=_SECONDS)
    there = set(said.out.decode(errors="surrogateescape").split("\0"))
    real = zip(paths, chosen, real_paths(host, chosen), strict=True)
    return [path for path, named, leads in real if named in there and named == leads]


def _plain(paths: Sequence[str]) -> Argv:
    """The words that print those of `paths` that are a file or a folder."""
    kinds = ["(", "-type", "f", "-o", "-type", "d", ")"]
    return ["find", *paths, "-maxdepth", "0", *kinds, "-print0"]


def _all_modules(host: Host, repos: Sequence[str]) -> dict[str, list[str] | RepomanError]:
    """The hooks and config of submodules of each of `repos`: beside a HEAD in .git/modules."""
    try:
        said = host.read(_heads(repos), timeout=_SECONDS)
    except RepomanError as problem:
        if len(repos) == 1:
            return {repos[0]: problem}
        # One of them keeps the others from being looked into.
        return {repo: _all_modules(host, [repo])[repo] for repo in repos}
    heads = said.out.decode(errors="surrogateescape").split("\0")
    return {repo: _modules(f"{repo}/{_MODULES}/", heads) for repo in repos}


def _heads(repos: Sequence[str]) -> Argv:
    """The words that print where a HEAD is in the .git/modules of `repos`, where that is there."""
    argv = ["find", *(f"{repo}/{_MODULES}" for repo in repos), "-maxdepth", "8"]
    return [*argv, "-type", "f", "-name", "HEAD", "-print0"]


def _modules(start: str, heads: Iterable[str]) -> list[str]:
    """Those whose HEAD is below `start`."""
    found = [head.removeprefix(start) for head in heads if head.startswith(start)]
    folders = sorted(head.rpartition("/")[0] for head in found[:_MOST_MODULES])
    folders = [folder for folder in folders if folder and "/logs" not in folder]
    return [f"{_MODULES}/{folder}/{name}" for folder in folders for name in ("hooks", "config")]


def foresee_hazards(host: Host, repos: Sequence[str]) -> None:
    """Say that it will be asked what is in `repos`: hazards, what was seen of them, and entries
    that are foreign."""
    if not repos:
        return
    configs = [f"{repo}/.git/config" for repo in repos[:_MOST_AT_ONCE]]
    reads = [
        _heads(repos),
        *(_looking(repo, PROTECTED) for repo in repos),
        *(read_argv(path, _MOST_CONFIG) for path in configs),
    ]
    host.foresee(reads, files=[_path_of_seen(host, repo) for repo in repos], seconds=_SECONDS)
    host.foresee([_of_others(repos)], seconds=_SECONDS)  # the longest comes last


def find_hazards(host: Host, repo: str) -> list[Hazard]:
    """What is in `repo` now that a program of the host may run."""
    return _brought(find_all_hazards(host, [repo])[repo])


def find_all_hazards(host: Host, repos: Sequence[str]) -> dict[str, list[Hazard] | RepomanError]:
    """The same, of each of several repos; the error where one can't be looked into."""
    if not repos:
        return {}
    modules = _all_modules(host, repos)
    more = {repo: there for repo, there in modules.items() if isinstance(there, list) and there}
    host.foresee([_looking(repo, there) for repo, there in more.items()], seconds=_SECONDS)
    entries = {repo: _attempted(_entries, host, repo, modules[repo]) for repo in repos}
    configs = [
        path
        for repo, found in entries.items()
        if isinstance(found, list)
        for path, _ in found
        if _is_config(repo, path)
    ]
    reads = [read_argv(path, _MOST_CONFIG) for path in configs[:_MOST_AT_ONCE]]
    host.foresee(reads, seconds=_SECONDS)
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


def _brought(found: list[T] | RepomanError) -> list[T]:
    if isinstance(found, RepomanError):
        raise found
    return found


def _is_config(repo: str, path: str) -> bool:
    """Whether it is one of git's, which is read."""
    return path.startswith(f"{repo}/.git/") and path.endswith("/config")


def _looking(repo: str, paths: Iterable[str]) -> Argv:
    argv = ["find", *(f"{repo}/{path}" for path in paths)]
    argv += ["-maxdepth", "2", "!", "-name", "*.sample", "!", "-type", "d"]
    return [*argv, "-printf", "%p\\t%s.%i.%C@\\0"]


def _entries(host: Host, repo: str, modules: list[str] | RepomanError) -> list[tuple[str, str]]:
    """Paths, each with a mark that changes when it does."""
    every = [PROTECTED, *([there] if (there := _brought(modules)) else [])]
    said = [host.read(_looking(repo, paths), timeout=_SECONDS).out for paths in every]
    entries = b"".join(said).decode(errors="surrogateescape").split("\0")[:-1]
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
    said = host.read(_of_others(repos), timeout=_SECONDS)
    found: dict[str, int] = {}
    for repo in said.out.decode(errors="surrogateescape").split("\0")[:-1]:
        found[repo] = found.get(repo, 0) + 1
    return found


def _of_others(repos: Sequence[str]) -> Argv:
    return ["find", *repos, "-uid", f"+{_FIRST_FOREIGN - 1}", "-printf", "%H\\0"]


# --- what a person has seen -----------------------------------------------------------------


def seen(host: Host, repo: str) -> Mapping[str, str]:
    """What a person has seen in `repo`: hazards with their marks."""
    try:
        found = json.loads(host.read_file(_path_of_seen(host, repo)) or b"{}")
        return {str(what): str(mark) for what, mark in found.items()}
    except (ValueError, AttributeError):
        return {}


def was_looked_at(host: Host, repo: str) -> bool:
    """Whether it is kept what a person has seen in `repo`, be it nothing."""
    return host.read_file(_path_of_seen(host, repo)) is not None


def note_seen(host: Host, repo: str, hazards: Sequence[Hazard]) -> None:
    """Keep that a person has seen these hazards in `repo`."""
    text = json.dumps({hazard.what: hazard.mark for hazard in hazards}, indent=2)
    with host.lock(f"{state_folder(host)}/seen.lock", wait_seconds=10):
        host.write_file(_path_of_seen(host, repo), f"{text}\n".encode())


def _path_of_seen(host: Host, repo: str) -> str:
    return state_path(host, "seen", repo)
