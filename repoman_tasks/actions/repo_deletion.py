"""Deleting a repo, for which its mirror has to hold all of it, by content and now."""

from __future__ import annotations

from repoman_tasks.errors import Failed, Refused
from repoman_tasks.hosts.base import Host, Result
from repoman_tasks.model import Registry
from repoman_tasks.planning.mirror.sync_plan import find_project
from repoman_tasks.planning.names import absolute
from repoman_tasks.planning.steps import DeleteRepo
from repoman_tasks.tools import rsync
from repoman_tasks.tools.share import Share

__all__ = ["compare_with_mirror", "erase_repo"]

_NAMED = 3
"""How many of the files that the mirror has not are named."""
_SECONDS = 24 * 3600.0
_LOST = (rsync.Kind.NEW, rsync.Kind.CHANGED)


def compare_with_mirror(host: Host, share: Share, local_repos: str, name: str, repo: str) -> None:
    """`Refused` where the mirror of the project does not hold all that its repo does.

    Excluded files count: they are nowhere else.
    """
    share.check()
    lost: list[str] = []
    total = 0

    def see(line: bytes) -> None:
        nonlocal total
        item = rsync.parse_item(line)
        if item is not None and item.kind in _LOST:
            total += 1
            if len(lost) < _NAMED:
                lost.append(item.path.decode(errors="replace"))

    argv = rsync.pass_argv(
        local_repos,
        [f"{repo}/"],
        [],
        rsync.Preserved(nanoseconds=False),
        delete=False,
        dry_run=True,
        contents=True,
    )
    complaints: list[bytes] = []
    code = host.stream(argv, see, complaints.append, cwd=share.root, changes=False)
    if code:
        said = Result((), code, err=b"\n".join(complaints)).complaint
        raise Refused(f"{repo} can't be compared with its mirror", said)
    if total:
        more = f" and {total - len(lost)} more" if total > len(lost) else ""
        raise Refused(
            f"the mirror of {name} lacks, or has otherwise: {', '.join(lost)}{more}",
            f"`repoman sync {name}`, and look at what is excluded; then again",
        )


def erase_repo(host: Host, share: Share, step: DeleteRepo, registry: Registry) -> None:
    """Compare once more, now that nothing in the container can write, and delete the repo."""
    if host.real_folder(step.path) is None:
        return  # gone already
    project = find_project(registry, step.name)
    configured = absolute(registry.defaults.local_repos, host.home)
    local_repos = host.real_folder(configured) or configured
    compare_with_mirror(host, share, local_repos, project.name, project.repo)
    argv = ["rm", "-rf", "--one-file-system", "--", step.path]
    result = host.change(argv, timeout=_SECONDS)
    if result.code:
        raise Failed(
            f"{step.path} could not be deleted wholly, its mirror has all of it",
            f"{result.complaint}; what root of a container made takes root to delete",
        )
