"""Finds what in a repo makes programs on the host run code: hooks, git configs and the like."""

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
from repoman_tasks.tools.regular_file import submit_head

__all__ = [
    "find_hazards",
    "record_seen",
    "submit_foreign",
    "submit_hazards",
    "submit_protected",
    "submit_seen",
    "was_recorded",
]

T = TypeVar("T")
Entries = list[tuple[str, str]]
"""Paths, each with a mark that changes when the file does."""

_SECONDS = 20.0
_MOST_CONFIG = 256 << 10
_MODULES = ".git/modules"
_MOST_MODULES = 50
_MOST_AT_ONCE = 200
"""Limit of configs held in memory, each up to 256 KiB: a hostile repo may have any number."""
_FIRST_FOREIGN = 100_000
"""UIDs from here on belong to users of containers, not of the host."""


def submit_protected(host: Host, repo: str) -> Future[tuple[str, ...]]:
    """Ask for the protected paths that exist in `repo`, relative to it.

    Left out are symlinks, and paths that lead through one.
    """
    heads = host.submit(_heads_argv([repo]), timeout=_SECONDS)
    usual = _submit_existing(host, repo, PROTECTED)

    def read() -> tuple[str, ...]:
        modules = _unwrap(_all_modules(host, [repo], heads)[repo])
        return (*usual.result(), *_submit_existing(host, repo, modules).result())

    return Future(read)


def _submit_existing(host: Host, repo: str, paths: Sequence[str]) -> Future[list[str]]:
    """Ask which of `paths` in `repo` exist and lead through no symlink."""
    if not paths:
        return Future(list)
    full = [f"{repo}/{path}" for path in paths]
    existing = host.submit(_existing_argv(full), timeout=_SECONDS)
    real = submit_real_paths(host, full)

    def choose(result: Result) -> list[str]:
        printed = set(result.text.split("\0"))
        resolved = zip(paths, full, real.result(), strict=True)
        return [path for path, before, after in resolved if before in printed and before == after]

    return existing.then(choose)


def _existing_argv(paths: Sequence[str]) -> Argv:
    """Return the argv that prints those of `paths` that are a file or a folder."""
    kinds = ["(", "-type", "f", "-o", "-type", "d", ")"]
    return ["find", *paths, "-maxdepth", "0", *kinds, "-print0"]


def _all_modules(
    host: Host, repos: Sequence[str], heads: Future[Result]
) -> dict[str, list[str] | RepomanError]:
    """Return the paths of the submodules' hooks and config for each of `repos`, or its error.

    A submodule is a folder in .git/modules with a HEAD; `heads` is the output of `_heads_argv`.
    """
    try:
        output = heads.result().text
    except RepomanError as problem:
        if len(repos) == 1:
            return {repos[0]: problem}
        # The error of one repo fails the call for all of them, so ask for each alone.
        each = {repo: host.submit(_heads_argv([repo]), timeout=_SECONDS) for repo in repos}
        return {repo: _all_modules(host, [repo], each[repo])[repo] for repo in repos}
    paths = output.split("\0")
    return {repo: _modules(f"{repo}/{_MODULES}/", paths) for repo in repos}


def _heads_argv(repos: Sequence[str]) -> Argv:
    """Return the argv that prints the paths of each HEAD in the .git/modules of `repos`."""
    argv = ["find", *(f"{repo}/{_MODULES}" for repo in repos), "-maxdepth", "8"]
    return [*argv, "-type", "f", "-name", "HEAD", "-print0"]


def _modules(start: str, heads: Iterable[str]) -> list[str]:
    """Return the hooks and config of the submodules whose HEAD is below `start`."""
    relative = [head.removeprefix(start) for head in heads if head.startswith(start)]
    folders = sorted(head.rpartition("/")[0] for head in relative[:_MOST_MODULES])
    folders = [folder for folder in folders if folder and "/logs" not in folder]
    return [f"{_MODULES}/{folder}/{name}" for folder in folders for name in ("hooks", "config")]


def find_hazards(host: Host, repo: str) -> list[Hazard]:
    """Return what is in `repo` now that a program on the host may run."""
    return _unwrap(submit_hazards(host, [repo]).result()[repo])


def submit_hazards(
    host: Host, repos: Sequence[str]
) -> Future[dict[str, list[Hazard] | RepomanError]]:
    """Ask for the hazards in each of `repos`, or for the error if one can't be scanned."""
    if not repos:
        return Future(dict)
    heads = host.submit(_heads_argv(repos), timeout=_SECONDS)
    usual = {repo: _submit_entries(host, repo, PROTECTED) for repo in repos}
    paths = [f"{repo}/.git/config" for repo in repos]  # every git repo has one
    return Future(partial(_all_hazards, host, heads, usual, _submit_configs(host, paths)))


def _all_hazards(
    host: Host,
    heads: Future[Result],
    usual: Mapping[str, Future[Entries]],
    configs: dict[str, Future[Result]],
) -> dict[str, list[Hazard] | RepomanError]:
    modules = _all_modules(host, list(usual), heads)
    more = {
        repo: _submit_entries(host, repo, paths if isinstance(paths, list) else ())
        for repo, paths in modules.items()
    }
    entries = {repo: _try(_entries, modules[repo], [usual[repo], more[repo]]) for repo in usual}
    paths = [
        path
        for repo, listed in entries.items()
        if isinstance(listed, list)
        for path, _ in listed
        if _is_config(repo, path) and path not in configs
    ]
    configs |= _submit_configs(host, paths)
    return {
        repo: listed
        if isinstance(listed, RepomanError)
        else _try(_hazards, host, repo, listed, configs)
        for repo, listed in entries.items()
    }


def _try(read: Callable[..., list[T]], *arguments: Any) -> list[T] | RepomanError:
    """Return what `read` returns, or its error."""
    try:
        return read(*arguments)
    except RepomanError as problem:
        return problem


def _unwrap(answer: list[T] | RepomanError) -> list[T]:
    if isinstance(answer, RepomanError):
        raise answer
    return answer


def _is_config(repo: str, path: str) -> bool:
    """Return True if `path` is a config of git, whose content matters."""
    return path.startswith(f"{repo}/.git/") and path.endswith("/config")


def _submit_configs(host: Host, paths: Sequence[str]) -> dict[str, Future[Result]]:
    """Ask for the configs at `paths`, up to the limit."""
    return {path: submit_head(host, path, _MOST_CONFIG) for path in paths[:_MOST_AT_ONCE]}


def _submit_entries(host: Host, repo: str, paths: Collection[str]) -> Future[Entries]:
    """Ask for the files at `paths` in `repo`, and directly in those that are folders."""
    if not paths:
        return Future(list)
    argv = ["find", *(f"{repo}/{path}" for path in paths)]
    argv += ["-maxdepth", "2", "!", "-name", "*.sample", "!", "-type", "d"]
    return host.submit([*argv, "-printf", "%p\\t%s.%i.%C@\\0"], timeout=_SECONDS).then(
        _parse_entries
    )


def _parse_entries(result: Result) -> Entries:
    entries = result.text.split("\0")[:-1]
    return [(path, mark) for path, _, mark in (entry.rpartition("\t") for entry in entries)]


def _entries(modules: list[str] | RepomanError, parts: Iterable[Future[Entries]]) -> Entries:
    _unwrap(modules)
    return [entry for future in parts for entry in future.result()]


def _hazards(
    host: Host, repo: str, entries: Entries, configs: dict[str, Future[Result]]
) -> list[Hazard]:
    hazards = []
    for path, mark in entries:
        relative = path[len(repo) + 1 :]
        if _is_config(repo, path):
            config = configs.pop(path, None) or submit_head(host, path, _MOST_CONFIG)
            text = config.result().out.decode(errors="replace")
            keys = config_hazards(text)
            hazards += [Hazard(f"{relative}: {key}", mark) for key in keys]
        elif relative != ".repoman.toml":  # approvals cover it
            hazards.append(Hazard(relative, mark))
    return hazards


def submit_foreign(host: Host, repos: Sequence[str]) -> Future[dict[str, int]]:
    """Ask for the number of entries in each of `repos` that belong to users of containers.

    Repos with none are left out. The result raises TimedOut if it takes too long.
    """
    if not repos:
        return Future(dict)

    def count(result: Result) -> dict[str, int]:
        return dict(Counter(result.text.split("\0")[:-1]))

    argv = ["find", *repos, "-uid", f"+{_FIRST_FOREIGN - 1}", "-printf", "%H\\0"]
    return host.submit(argv, timeout=_SECONDS).then(count)


# --- the baseline: what a person has seen -------------------------------------------


def submit_seen(host: Host, repo: str) -> Future[Mapping[str, str]]:
    """Ask for the hazards in `repo` that a person has seen, with their marks."""
    return host.submit_file(_seen_path(host, repo)).then(_marks)


def _marks(data: bytes | None) -> Mapping[str, str]:
    try:
        return {str(hazard): str(mark) for hazard, mark in json.loads(data or b"{}").items()}
    except (ValueError, AttributeError):
        return {}


def was_recorded(host: Host, repo: str) -> bool:
    """Return True if `record_seen` was ever called for `repo`, even with no hazards."""
    return host.read_file(_seen_path(host, repo)) is not None


def record_seen(host: Host, repo: str, hazards: Sequence[Hazard]) -> None:
    """Record that a person has seen these hazards in `repo`."""
    text = json.dumps({hazard.what: hazard.mark for hazard in hazards}, indent=2)
    with host.lock(f"{state_folder(host)}/seen.lock", wait_seconds=10):
        host.write_file(_seen_path(host, repo), f"{text}\n".encode())


def _seen_path(host: Host, repo: str) -> str:
    return state_path(host, "seen", repo)
