"""Deletion of a repo, which requires that its mirror holds all of it."""

from __future__ import annotations

from repoman_tasks.errors import Failed, Refused, quoted
from repoman_tasks.hosts.base import Host, Result
from repoman_tasks.model import Registry
from repoman_tasks.planning.mirror.sync_plan import find_project
from repoman_tasks.planning.names import absolute
from repoman_tasks.planning.steps import DeleteRepo
from repoman_tasks.tools import rsync
from repoman_tasks.tools.repo_copies import remove_tree
from repoman_tasks.tools.share import Share

__all__ = ["check_deletable", "erase_repo"]

_MOST_LISTED = 3
"""Limit of differing files that a message lists."""
_SECONDS = 24 * 3600.0
_UNSAVED = (rsync.Kind.NEW, rsync.Kind.CHANGED)


def check_deletable(host: Host, share: Share, local_repos: str, name: str, repo: str) -> None:
    """Raise Refused if a project's repo can't be deleted without loss, or only in part.

    All of it has to be in the mirror. Contents are compared. Excluded files count, too, because
    there is no other copy of them.
    """
    share.check()
    _check_folders(host, f"{local_repos}/{repo}")
    total, listed = _unsaved_files(host, share, local_repos, repo)
    if total:
        more = f" and {total - len(listed)} more" if total > len(listed) else ""
        raise Refused(
            f"the mirror of {name} differs from the repo: {', '.join(listed)}{more}",
            f"run `repoman sync {quoted(name)}`, save what is excluded, and try again",
        )


def _unsaved_files(host: Host, share: Share, local_repos: str, repo: str) -> tuple[int, list[str]]:
    """Return how many files differ from the mirror, and the first of them."""
    listed: list[str] = []
    total = 0

    def count(line: bytes) -> None:
        nonlocal total
        item = rsync.parse_item(line)
        if item is not None and item.kind in _UNSAVED:
            total += 1
            if len(listed) < _MOST_LISTED:
                listed.append(item.path.decode(errors="replace"))

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
    code = host.stream(argv, count, complaints.append, cwd=share.root, changes=False)
    if code:
        complaint = Result((), code, err=b"\n".join(complaints)).complaint
        raise Refused(f"{repo} can't be compared with its mirror", complaint)
    return total, listed


def erase_repo(host: Host, share: Share, step: DeleteRepo, registry: Registry) -> None:
    """Compare the repo with its mirror again, now that its container is gone, and delete it."""
    if host.real_folder(step.path) is None:
        return  # gone already
    project = find_project(registry, step.name)
    configured = absolute(registry.defaults.local_repos, host.home)
    local_repos = host.real_folder(configured) or configured
    check_deletable(host, share, local_repos, project.name, project.repo)
    result = remove_tree(host, step.path)
    if result.code:
        raise Failed(
            f"{step.path} was deleted only in part, its mirror has all of it",
            f"{result.complaint}; delete files of a container's root as root",
        )


def _check_folders(host: Host, path: str) -> None:
    """Raise Refused if a folder in a repo can't be emptied, as one of a container's root."""
    full = ["-type", "d", "!", "-user", str(host.uid), "!", "-writable", "!", "-empty"]
    found = host.read(["find", path, "-xdev", *full, "-print0", "-quit"], timeout=_SECONDS)
    if found.code or found.out:
        folder = found.text.rstrip("\0")
        raise Refused(
            f"{path} can't be deleted: {folder or found.complaint}",
            f"make it yours: `{quoted('sudo', 'chown', '-R', str(host.uid), path)}`",
        )
