"""Finds the file systems in repos, and asks each if it answers, before anything walks into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from repoman_tasks.errors import Failed, Refused, RepomanError
from repoman_tasks.hosts.base import Future, Result, TimedOut
from repoman_tasks.model import Project, Registry
from repoman_tasks.mountinfo import MountEntry
from repoman_tasks.planning.mirror.inner_mounts import (
    InnerMounts,
    check_no_share_in,
    find_inner_mounts,
    share_in_repo,
)
from repoman_tasks.planning.mirror.share_check import (
    MARKER,
    parse_marker,
)
from repoman_tasks.tools.share import Share

__all__ = ["submit_inner_mounts"]

_Answers = Sequence[tuple[MountEntry, Future[Result]]]


def submit_inner_mounts(
    share: Share, registry: Registry, local_repos: str, projects: Sequence[Project]
) -> Future[Mapping[str, InnerMounts]]:
    """Ask for the file systems in the repos of `projects`, by the project's name.

    Projects without any are left out. A child with a time limit looks for the share's marker in
    each of them, which also shows if it answers at all.
    """
    asked: dict[str, tuple[str, _Answers]] = {}
    for project in projects:
        repo = f"{local_repos}/{project.repo}"
        mounts = find_inner_mounts(share.probe.mounts, repo)
        if mounts:
            asked[project.name] = repo, [(mount, _submit_marker(share, mount)) for mount in mounts]

    def wait() -> Mapping[str, InnerMounts]:
        return {
            name: InnerMounts(
                tuple(mount.target[len(repo) + 1 :] or "." for mount, _ in answers),
                _problem(share, registry.estate.id, repo, answers),
            )
            for name, (repo, answers) in asked.items()
        }

    return Future(wait)


def _submit_marker(share: Share, mount: MountEntry) -> Future[Result]:
    argv = ["head", "-c", "500", "--", f"{mount.target}/{MARKER}"]
    return share.host.submit_beside(argv, timeout=share.timeout)


def _problem(share: Share, estate: str, repo: str, answers: _Answers) -> RepomanError | None:
    """Return why `repo` can't be mirrored with the file systems in it, None if it can."""
    assert share.probe.mount is not None
    mounts = [mount for mount, _ in answers]
    try:
        check_no_share_in(repo, mounts, share.probe.mount, share.probe.real)
    except Refused as problem:
        return problem
    for mount, answer in answers:
        try:
            text = answer.result().out.decode(errors="replace")
        except TimedOut:
            what = f"{mount.target}, a file system in {repo}, did not answer"
            cure = "unmount it, or bring its file server back"
            return Failed(f"{what} within {share.timeout:g} s", cure)
        except Failed as problem:
            return problem
        if estate and parse_marker(text, 0, 0).estate == estate:
            return share_in_repo(repo, mount, share.probe.real)
    return None
