"""What a repo may ask for by itself, what needs approval, and what is never mounted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from repoman_tasks.model import Defaults, Mount, Project, Requested
from repoman_tasks.planning.trust.approval_rules import (
    ForbiddenPaths,
    Request,
    all_requests,
    approval,
    covers,
    difference,
    fault,
    has_privileged_requests,
    privileged_requests,
    unprivileged_requests,
)

DEFAULTS = Defaults()
MOUNT = Requested(mount=(Mount("~/data", "/data"),))
ASKED = Request("/r/isurus", "d1", MOUNT, ("/home/dev/data",))


@pytest.mark.parametrize(
    ("requested", "lines"),
    [
        (Requested(), ()),
        (Requested(image="debian", env=(("A", "1"),)), ()),
        (Requested(image="images:debian/13"), ()),
        (Requested(exclude=("build",)), ()),
        (Requested(image="local:x"), ()),
        (Requested(image="evil:x"), ("image evil:x, of a server that is not in image_remotes",)),
        (Requested(profiles=("default",)), ()),
        (Requested(profiles=("default", "gpu"), exclude=("x",)), ("profile gpu",)),
        (Requested(profiles=()), ("no profile default, which limits the container",)),
        (MOUNT, ("mount /home/dev/data at /data",)),
    ],
)
def test_what_reaches_out(requested: Requested, lines: tuple[str, ...]) -> None:
    request = replace(
        ASKED, requested=requested, sources=("/home/dev/data",) if requested.mount else ()
    )
    assert privileged_requests(request, DEFAULTS) == lines
    noted = Project(
        asked_image=requested.image,
        asked_profiles=requested.profiles,
        asked_mounts=all_requests(request).mount,
    )
    assert has_privileged_requests(noted, DEFAULTS) == bool(lines)
    own = replace(request, requested=unprivileged_requests(request, DEFAULTS), sources=())
    assert privileged_requests(own, DEFAULTS) == ()
    assert (own.requested.env, own.requested.exclude) == (requested.env, requested.exclude)
    if not lines:
        assert own.requested == requested


def test_what_was_approved_stands_for_just_that() -> None:
    approved = approval(ASKED, DEFAULTS)
    assert covers(approved, ASKED)
    assert not covers(None, ASKED)
    assert not covers(approved, replace(ASKED, digest="d2"))
    assert not covers(approved, replace(ASKED, repo="/r/other"))
    assert not covers(approved, replace(ASKED, sources=("/home/dev/other",)))
    assert all_requests(ASKED).mount == (Mount("/home/dev/data", "/data"),)


def test_the_difference_to_what_was_approved() -> None:
    assert difference(None, ASKED, DEFAULTS) == ["+ mount /home/dev/data at /data"]
    approved = approval(ASKED, DEFAULTS)
    more = replace(ASKED, requested=replace(MOUNT, profiles=("default", "gpu")))
    assert difference(approved, more, DEFAULTS) == [
        "  mount /home/dev/data at /data",
        "+ profile gpu",
    ]
    other = replace(ASKED, sources=("/home/dev/more",))
    assert difference(approved, other, DEFAULTS) == [
        "- mount /home/dev/data at /data",
        "+ mount /home/dev/more at /data",
    ]


PLACES = ForbiddenPaths(
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
def test_what_is_never_mounted(real: str) -> None:
    assert fault(real, PLACES)


@pytest.mark.parametrize(
    "real",
    [
        *("/home/dev/repos/isurus", "/home/dev/repos/lamna", "/data", "/srv/x", "/etcetera"),
        *("/home/dev/.sshx", "/home/developer", "/home/dev/repos/isurus2"),
    ],
)
def test_what_may_be(real: str) -> None:
    assert fault(real, PLACES) == ""
