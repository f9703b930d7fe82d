"""Finds what makes git run commands in a repo: its hooks, configs, and what leads elsewhere."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from hashlib import sha256

from repoman_tasks.hosts.base import Future, Host, Result
from repoman_tasks.planning.names import inside
from repoman_tasks.planning.trust.hazard_findings import Hazard, config_hazards
from repoman_tasks.planning.trust.hazard_names import MODULES
from repoman_tasks.tools.regular_file import submit_head

__all__ = ["git_hazards", "submit_configs"]

_MAX_CONFIG = 256 << 10
_MAX_LINE = 4 << 10
_MAX_AT_ONCE = 200
"""Limit of configs held in memory, each up to 256 KiB: a hostile repo may have any number."""


def submit_configs(host: Host, repos: Sequence[str]) -> dict[str, Future[Result]]:
    """Ask for the config that every git repo has, in each of `repos`, up to the limit."""
    paths = (f"{repo}/.git/config" for repo in repos[:_MAX_AT_ONCE])
    return {path: submit_head(host, path, _MAX_CONFIG + 1) for path in paths}


def git_hazards(
    host: Host,
    repo: str,
    files: Mapping[str, tuple[str, ...]],
    configs: Mapping[str, Future[Result]],
) -> list[Hazard]:
    """Return the hazards in those `files` of a repo that git reads, given with their marks.

    `configs` are the answers of `submit_configs`.
    """
    heads = {posixpath.dirname(path) for path in files if posixpath.basename(path) == "HEAD"}
    hazards = []
    for path, marks in files.items():
        name = posixpath.basename(path)
        if name == "HEAD" or not _is_read(path, heads):
            continue
        if name in ("config", "config.worktree"):
            hazards += _config_hazards(host, repo, path, marks, configs)
        elif name not in (".git", "commondir") or _leads_away(host, repo, path, name):
            hazards.append(Hazard(path, "git", marks))
    return hazards


def _is_read(path: str, heads: set[str]) -> bool:
    """Return True if git reads the file: a sample is none, a submodule's folder has a HEAD."""
    if "/hooks/" in path and path.endswith(".sample"):
        return False
    if not path.startswith(f"{MODULES}/"):
        return True
    folder = posixpath.dirname(path)
    while folder != MODULES and folder not in heads:
        folder = posixpath.dirname(folder)
    return folder in heads


def _config_hazards(
    host: Host,
    repo: str,
    path: str,
    marks: tuple[str, ...],
    configs: Mapping[str, Future[Result]],
) -> list[Hazard]:
    asked = configs.get(f"{repo}/{path}") or submit_head(host, f"{repo}/{path}", _MAX_CONFIG + 1)
    data = asked.result().out
    if len(data) > _MAX_CONFIG:
        return [Hazard(f"{path}: longer than 256 KiB", "git", marks)]
    marks = (*marks, sha256(data).hexdigest())
    keys = config_hazards(data.decode(errors="replace"))
    return [Hazard(f"{path}: {key}", "git", marks) for key in keys]


def _leads_away(host: Host, repo: str, path: str, name: str) -> bool:
    """Return True unless a .git or commondir leads to a folder that git itself makes in .git."""
    line = submit_head(host, f"{repo}/{path}", _MAX_LINE).result().text.removesuffix("\n")
    folder = posixpath.dirname(f"{repo}/{path}")
    if name == "commondir":
        return line != "../.." or posixpath.dirname(folder) != f"{repo}/.git/worktrees"
    to = posixpath.normpath(posixpath.join(folder, line.removeprefix("gitdir: ")))
    return not any(inside(to, f"{repo}/.git/{own}") for own in ("modules", "worktrees"))
