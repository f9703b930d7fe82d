"""Requests of a repo, their approval, and paths that are never mounted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from repoman_tasks.model import Defaults, Mount, Project, Requested
from repoman_tasks.planning.trust.approval_rules import (
    ForbiddenPaths,
    Request,
    all_requests,
    approval_changes,
    approval_of,
    copy_reason,
    covers,
    forbidden_reason,
    has_privileged_requests,
    privileged_requests,
    unprivileged_requests,
)

DEFAULTS = Defaults()
MOUNT = Requested(mount=(Mount("~/data", "/data"),))
REQUEST = Request("/r/isurus", "d1", MOUNT, ("/home/dev/data",))


@pytest.mark.parametrize(
    ("requested", "lines"),
    [
        (Requested(), ()),
        (Requested(image="debian", env=(("A", "1"),)), ()),
        (Requested(image="images:debian/13"), ()),
        (Requested(exclude=("build",)), ()),
        (Requested(image="local:x"), ()),
        (Requested(image="evil:x"), ("image evil:x, whose server is not in image_remotes",)),
        (Requested(profiles=("default",)), ()),
        (Requested(profiles=("default", "gpu"), exclude=("x",)), ("profile gpu",)),
        (Requested(profiles=()), ("no profile default, which limits the container",)),
        (MOUNT, ("mount /home/dev/data at /data",)),
    ],
)
def test_privileged_requests(requested: Requested, lines: tuple[str, ...]) -> None:
    request = replace(
        REQUEST, requested=requested, sources=("/home/dev/data",) if requested.mount else ()
    )
    assert privileged_requests(request, DEFAULTS) == lines
    noted = Project(
        requested_image=requested.image,
        requested_profiles=requested.profiles,
        requested_mounts=all_requests(request).mount,
    )
    assert has_privileged_requests(noted, DEFAULTS) == bool(lines)
    unprivileged = replace(request, requested=unprivileged_requests(request, DEFAULTS), sources=())
    assert privileged_requests(unprivileged, DEFAULTS) == ()
    assert (unprivileged.requested.env, unprivileged.requested.exclude) == (
        requested.env,
        requested.exclude,
    )
    if not lines:
        assert unprivileged.requested == requested


def test_an_approval_covers_one_request() -> None:
    approved = approval_of(REQUEST, DEFAULTS)
    assert covers(approved, REQUEST)
    assert not covers(None, REQUEST)
    assert not covers(approved, replace(REQUEST, digest="d2"))
    assert not covers(approved, replace(REQUEST, repo="/r/other"))
    assert not covers(approved, replace(REQUEST, sources=("/home/dev/other",)))
    assert all_requests(REQUEST).mount == (Mount("/home/dev/data", "/data"),)


def test_approval_changes() -> None:
    assert approval_changes(None, REQUEST, DEFAULTS) == ["+ mount /home/dev/data at /data"]
    approved = approval_of(REQUEST, DEFAULTS)
    more = replace(REQUEST, requested=replace(MOUNT, profiles=("default", "gpu")))
    assert approval_changes(approved, more, DEFAULTS) == [
        "  mount /home/dev/data at /data",
        "+ profile gpu",
    ]
    other = replace(REQUEST, sources=("/home/dev/more",))
    assert approval_changes(approved, other, DEFAULTS) == [
        "- mount /home/dev/data at /data",
        "+ mount /home/dev/more at /data",
    ]


FORBIDDEN = ForbiddenPaths(
    never=("/etc", "/proc", "/run", "/home/dev/.ssh", "/home/dev/.config/repoman", "/nfs/repos"),
    home="/home/dev",
    written=("/home/dev/repos/isurus", "/data"),
)


@pytest.mark.parametrize(
    "real",
    [
        *("/", "/etc", "/etc/ssh", "/proc/1/root", "/run/user/1000", "/home", "/home/dev"),
        *("/home/dev/.ssh", "/home/dev/.ssh/id_rsa", "/home/dev/.config", "/nfs", "/nfs/repos/x"),
        *("/home/dev/repos/isurus/sub", "/data/below"),
    ],
)
def test_forbidden_paths(real: str) -> None:
    assert forbidden_reason(real, FORBIDDEN)


@pytest.mark.parametrize(
    "real",
    [
        *("/home/dev/repos/isurus", "/home/dev/repos/lamna", "/data", "/srv/x", "/etcetera"),
        *("/home/dev/.sshx", "/home/developer", "/home/dev/repos/isurus2"),
    ],
)
def test_allowed_paths(real: str) -> None:
    assert forbidden_reason(real, FORBIDDEN) == ""


AGENTS = ForbiddenPaths(
    ("/home/dev/.ssh",),
    "/home/dev",
    ("/home/dev/repos/isurus",),
    ("/home/dev/.claude",),
    ("/home/dev/.claude/.credentials.json", "/home/dev/.claude/projects"),
)


@pytest.mark.parametrize(
    ("real", "mounted", "copied"),
    [
        ("/home/dev/.claude/CLAUDE.md", False, True),
        ("/home/dev/.claude", False, False),
        ("/home/dev/.claude/.credentials.json", False, False),
        ("/home/dev/.claude/projects/x", False, False),
        ("/home/dev/.ssh/id", False, False),
        ("/home/dev", False, False),
        ("/home/dev/repos/isurus", True, False),
        ("/home/dev/repos/isurus/x", False, False),
        ("/home/dev/notes", True, True),
    ],
)
def test_what_is_mounted_and_what_is_copied(real: str, mounted: bool, copied: bool) -> None:
    assert (forbidden_reason(real, AGENTS) == "") is mounted
    assert (copy_reason(real, AGENTS) == "") is copied
