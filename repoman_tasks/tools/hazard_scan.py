"""Looking for what in a repo makes programs of the host run something; nothing of it is run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from repoman_tasks.errors import RepomanError
from repoman_tasks.hosts.base import Argv, Future, Host, Result
from repoman_tasks.planning.trust.hazard_findings import PROTECTED, Hazard, config_hazards
from repoman_tasks.registry.names_file import state_folder
from repoman_tasks.tools.approvals import state_path
from repoman_tasks.tools.forbidden_paths import submit_real_paths
from repoman_tasks.tools.regular_file import submit_begin

__all__ = [
    "find_hazards",
    "note_seen",
    "submit_foreign",
    "submit_hazards",
    "submit_protected",
    "submit_seen",
    "was_looked_at",
]

T = TypeVar("T")
Entries = list[tuple[str, str]]
"""Paths, each with a mark that changes when it does."""

_SECONDS = 20.0
_MOST_CONFIG = 256 << 10
_MODULES = ".git/modules"
_MOST_MODULES = 50
_MOST_AT_ONCE = 200
"""So many configs are held in memory, 256 KiB of each: a hostile repo may have any number."""
_FIRST_FOREIGN = 100_000
"""From this uid on, nobody of the host is meant: those are the users of containers."""


def submit_protected(host: Host, repo: str) -> Future[tuple[str, ...]]:
    """Ask which of the protected paths are in `repo`, relative to it; none that is, or is behind, a
    link."""
    heads = host.submit(_heads([repo]), timeout=_SECONDS)
    usual = _submit_plain(host, repo, PROTECTED)

    def found() -> tuple[str, ...]:
        modules = _brought(_all_modules(host, [repo], heads)[repo])
        return (*usual.result(), *_submit_plain(host, repo, modules).result())

    return Future(found)


def _submit_plain(host: Host, repo: str, paths: Sequence[str]) -> Future[list[str]]:
    """Ask which of `paths` in `repo` are there, and are where they seem to be."""
    if not paths:
        return Future(list)
    chosen = [f"{repo}/{path}" for path in paths]
    there, real = host.submit(_plain(chosen), timeout=_SECONDS), submit_real_paths(host, chosen)

    def found(said: Result) -> list[str]:
        named = set(said.out.decode(errors="surrogateescape").split("\0"))
        every = zip(paths, chosen, real.result(), strict=True)
        return [path for path, one, leads in every if one in named and one == leads]

    return there.then(found)


def _plain(paths: Sequence[str]) -> Argv:
    """The words that print those of `paths` that are a file or a folder."""
    kinds = ["(", "-type", "f", "-o", "-type", "d", ")"]
    return ["find", *paths, "-maxdepth", "0", *kinds, "-print0"]


def _all_modules(
    host: Host, repos: Sequence[str], asked: Future[Result]
) -> dict[str, list[str] | RepomanError]:
    """Return the hooks and config of submodules of each of `repos`: beside a HEAD in .git/modules.

    `asked` are the `_heads` of all of them.
    """
    try:
        said = asked.result()
    except RepomanError as problem:
        if len(repos) == 1:
            return {repos[0]: problem}
        # One of them keeps the others from being looked into.
        each = {repo: host.submit(_heads([repo]), timeout=_SECONDS) for repo in repos}
        return {repo: _all_modules(host, [repo], each[repo])[repo] for repo in repos}
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


def find_hazards(host: Host, repo: str) -> list[Hazard]:
    """Return what is in `repo` now that a program of the host may run."""
    return _brought(submit_hazards(host, [repo]).result()[repo])


def submit_hazards(
    host: Host, repos: Sequence[str]
) -> Future[dict[str, list[Hazard] | RepomanError]]:
    """Ask for the same of each of several repos; the error if one can't be looked into."""
    if not repos:
        return Future(dict)
    heads = host.submit(_heads(repos), timeout=_SECONDS)
    usual = {repo: _submit_entries(host, repo, PROTECTED) for repo in repos}
    paths = [f"{repo}/.git/config" for repo in repos]  # each repo of git has one
    return Future(partial(_all_hazards, host, heads, usual, _submit_configs(host, paths)))


def _all_hazards(
    host: Host,
    heads: Future[Result],
    usual: Mapping[str, Future[Entries]],
    configs: dict[str, Future[Result]],
) -> dict[str, list[Hazard] | RepomanError]:
    modules = _all_modules(host, list(usual), heads)
    more = {
        repo: _submit_entries(host, repo, found if isinstance(found, list) else ())
        for repo, found in modules.items()
    }
    entries = {
        repo: _attempted(_entries, modules[repo], [usual[repo], more[repo]]) for repo in usual
    }
    paths = [
        path
        for repo, found in entries.items()
        if isinstance(found, list)
        for path, _ in found
        if _is_config(repo, path) and path not in configs
    ]
    configs |= _submit_configs(host, paths)
    return {
        repo: found
        if isinstance(found, RepomanError)
        else _attempted(_hazards, host, repo, found, configs)
        for repo, found in entries.items()
    }


def _attempted(look: Callable[..., list[T]], *given: Any) -> list[T] | RepomanError:
    """Return what `look` brings, or its error."""
    try:
        return look(*given)
    except RepomanError as problem:
        return problem


def _brought(found: list[T] | RepomanError) -> list[T]:
    if isinstance(found, RepomanError):
        raise found
    return found


def _is_config(repo: str, path: str) -> bool:
    """Return whether it is one of git's, which is read."""
    return path.startswith(f"{repo}/.git/") and path.endswith("/config")


def _submit_configs(host: Host, paths: Sequence[str]) -> dict[str, Future[Result]]:
    """Ask for the first of the configs at `paths`."""
    return {path: submit_begin(host, path, _MOST_CONFIG) for path in paths[:_MOST_AT_ONCE]}


def _submit_entries(host: Host, repo: str, paths: Collection[str]) -> Future[Entries]:
    """Ask for the files that are `paths` in `repo`, or lie in them."""
    if not paths:
        return Future(list)
    argv = ["find", *(f"{repo}/{path}" for path in paths)]
    argv += ["-maxdepth", "2", "!", "-name", "*.sample", "!", "-type", "d"]
    return host.submit([*argv, "-printf", "%p\\t%s.%i.%C@\\0"], timeout=_SECONDS).then(_parsed)


def _parsed(said: Result) -> Entries:
    entries = said.out.decode(errors="surrogateescape").split("\0")[:-1]
    return [(path, mark) for path, _, mark in (entry.rpartition("\t") for entry in entries)]


def _entries(modules: list[str] | RepomanError, asked: Iterable[Future[Entries]]) -> Entries:
    _brought(modules)
    return [entry for future in asked for entry in future.result()]


def _hazards(
    host: Host, repo: str, entries: Entries, configs: dict[str, Future[Result]]
) -> list[Hazard]:
    found = []
    for path, mark in entries:
        relative = path[len(repo) + 1 :]
        if _is_config(repo, path):
            config = configs.pop(path, None) or submit_begin(host, path, _MOST_CONFIG)
            text = config.result().out.decode(errors="replace")
            keys = config_hazards(text)
            found += [Hazard(f"{relative}: {key}", mark) for key in keys]
        elif relative != ".repoman.toml":  # which has an approval of its own
            found.append(Hazard(relative, mark))
    return found


def submit_foreign(host: Host, repos: Sequence[str]) -> Future[dict[str, int]]:
    """Ask how many entries in each of `repos` belong to users of containers; those with none are
    left out. The result raises `TimedOut` if it takes too long."""
    if not repos:
        return Future(dict)

    def found(said: Result) -> dict[str, int]:
        roots = said.out.decode(errors="surrogateescape").split("\0")[:-1]
        return dict(Counter(roots))

    argv = ["find", *repos, "-uid", f"+{_FIRST_FOREIGN - 1}", "-printf", "%H\\0"]
    return host.submit(argv, timeout=_SECONDS).then(found)


# --- what a person has seen -----------------------------------------------------------------


def submit_seen(host: Host, repo: str) -> Future[Mapping[str, str]]:
    """Ask what a person has seen in `repo`: hazards with their marks."""
    return host.submit_file(_path_of_seen(host, repo)).then(_marks)


def _marks(data: bytes | None) -> Mapping[str, str]:
    try:
        return {str(what): str(mark) for what, mark in json.loads(data or b"{}").items()}
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
