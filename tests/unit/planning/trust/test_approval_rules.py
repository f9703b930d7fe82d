"""What a repo may ask for by itself, what needs approval, and what is never mounted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from repoman_tasks.model import Defaults, Mount, Project, Wish
from repoman_tasks.planning.trust.approval_rules import (
    Asked,
    Places,
    approval,
    bounded,
    difference,
    fault,
    granted,
    reaches,
    reaching,
    stands,
)

DEFAULTS = Defaults()
MOUNT = Wish(mount=(Mount("~/data", "/data"),))
ASKED = Asked("/r/isurus", "d1", MOUNT, ("/home/dev/data",))


@pytest.mark.parametrize(
    ("wish", "lines"),
    [
        (Wish(), ()),
        (Wish(image="debian", env=(("A", "1"),)), ()),
        (Wish(image="images:debian/13"), ()),
        (Wish(exclude=("build",)), ()),
        (Wish(image="local:x"), ()),
        (Wish(image="evil:x"), ("image evil:x, of a server that is not in image_remotes",)),
        (Wish(profiles=("default",)), ()),
        (Wish(profiles=("default", "gpu"), exclude=("x",)), ("profile gpu",)),
        (Wish(profiles=()), ("no profile default, which limits the container",)),
        (MOUNT, ("mount /home/dev/data at /data",)),
    ],
)
def test_what_reaches_out(wish: Wish, lines: tuple[str, ...]) -> None:
    asked = replace(ASKED, wish=wish, sources=("/home/dev/data",) if wish.mount else ())
    assert reaching(asked, DEFAULTS) == lines
    noted = Project(
        asked_image=wish.image, asked_profiles=wish.profiles, asked_mounts=granted(asked).mount
    )
    assert reaches(noted, DEFAULTS) == bool(lines)
    own = replace(asked, wish=bounded(asked, DEFAULTS), sources=())
    assert reaching(own, DEFAULTS) == ()
    assert (own.wish.env, own.wish.exclude) == (wish.env, wish.exclude)
    if not lines:
        assert own.wish == wish


def test_what_was_approved_stands_for_just_that() -> None:
    approved = approval(ASKED, DEFAULTS)
    assert stands(approved, ASKED)
    assert not stands(None, ASKED)
    assert not stands(approved, replace(ASKED, digest="d2"))
    assert not stands(approved, replace(ASKED, repo="/r/other"))
    assert not stands(approved, replace(ASKED, sources=("/home/dev/other",)))
    assert granted(ASKED).mount == (Mount("/home/dev/data", "/data"),)


def test_the_difference_to_what_was_approved() -> None:
    assert difference(None, ASKED, DEFAULTS) == ["+ mount /home/dev/data at /data"]
    approved = approval(ASKED, DEFAULTS)
    more = replace(ASKED, wish=replace(MOUNT, profiles=("default", "gpu")))
    assert difference(approved, more, DEFAULTS) == [
        "  mount /home/dev/data at /data",
        "+ profile gpu",
    ]
    other = replace(ASKED, sources=("/home/dev/more",))
    assert difference(approved, other, DEFAULTS) == [
        "- mount /home/dev/data at /data",
        "+ mount /home/dev/more at /data",
    ]


PLACES = Places(
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
