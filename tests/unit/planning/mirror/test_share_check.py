"""The mount that a path is on, and checks of the backup share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repoman_tasks.errors import TargetUnusable
from repoman_tasks.model import Defaults
from repoman_tasks.mountinfo import MountEntry, parse_mountinfo
from repoman_tasks.planning.mirror.share_check import (
    MARKER_NANOSECONDS,
    Marker,
    Probe,
    check_marker,
    check_share,
    check_still_mounted,
    find_mount,
    marker_text,
    parse_marker,
)

ROOT = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
AUTOFS = "40 22 0:50 / /nfs/repos rw,relatime - autofs systemd-1 rw,fd=50,direct\n"
NFS = "41 40 0:60 / /nfs/repos rw,relatime - nfs4 tank:/repos rw,vers=4.2\n"


def found(mountinfo: str, path: str) -> tuple[int, str] | None:
    mount = find_mount(parse_mountinfo(mountinfo), path)
    return (mount.id, mount.fstype) if mount else None


@pytest.mark.parametrize(
    ("mountinfo", "path", "expected"),
    [
        pytest.param("", "/nfs/repos", None, id="no mounts at all"),
        pytest.param(ROOT, "/nfs/repos", (22, "ext4"), id="not mounted: the disk"),
        pytest.param(ROOT + AUTOFS, "/nfs/repos", (40, "autofs"), id="untriggered trap"),
        pytest.param(ROOT + AUTOFS + NFS, "/nfs/repos", (41, "nfs4"), id="nfs on its trap"),
        pytest.param(NFS + AUTOFS + ROOT, "/nfs/repos", (41, "nfs4"), id="in any order"),
        pytest.param(ROOT + AUTOFS + NFS, "/nfs/repos/a/b", (41, "nfs4"), id="a path below"),
        pytest.param(
            ROOT + AUTOFS + NFS, "/nfs/repos2", (22, "ext4"), id="same prefix, other folder"
        ),
        pytest.param(ROOT + AUTOFS + NFS, "/nfs", (22, "ext4"), id="its parent"),
        pytest.param(ROOT + AUTOFS + NFS, "/", (22, "ext4"), id="the root"),
        pytest.param(
            ROOT + AUTOFS + NFS + "50 22 0:70 / /nfs rw - tmpfs tmpfs rw\n",
            "/nfs/repos",
            (50, "tmpfs"),
            id="hidden by a mount over its parent",
        ),
        pytest.param(
            ROOT + "50 22 0:70 / /nfs rw - tmpfs tmpfs rw\n"
            "51 50 0:71 / /nfs/repos rw - nfs tank:/repos rw\n",
            "/nfs/repos",
            (51, "nfs"),
            id="mounted on a mount",
        ),
        pytest.param(
            ROOT + AUTOFS + NFS + "60 41 0:80 / /nfs/repos rw - nfs4 other:/repos rw\n",
            "/nfs/repos",
            (60, "nfs4"),
            id="another share on top",
        ),
        pytest.param(
            ROOT + AUTOFS + NFS + "61 41 0:81 / /nfs/repos/a rw - nfs4 tank:/repos/a rw\n",
            "/nfs/repos/a/b",
            (61, "nfs4"),
            id="a share within the share",
        ),
        pytest.param(
            "1 1 0:2 / / rw - rootfs rootfs rw\n22 1 254:0 / / rw - ext4 /dev/vda rw\n"
            + AUTOFS
            + NFS,
            "/nfs/repos",
            (41, "nfs4"),
            id="a root mounted over a root",
        ),
        pytest.param(
            ROOT + r"70 22 0:90 / /nfs/my\040re\134pos\011x rw - nfs4 tank:/a rw" + "\n",
            "/nfs/my re\\pos\tx/a",
            (70, "nfs4"),
            id="space, backslash and tab in the name",
        ),
        pytest.param(
            ROOT + "71 22 0:91 / /nfs rw master:3 shared:7 propagate_from:2 - nfs a:/b rw\n",
            "/nfs",
            (71, "nfs"),
            id="several optional fields",
        ),
    ],
)
def test_find_mount(mountinfo: str, path: str, expected: tuple[int, str] | None) -> None:
    assert found(mountinfo, path) == expected


@pytest.mark.parametrize(
    ("options", "super_options", "read_only"),
    [
        ("rw,relatime", "rw,vers=4.2", False),
        ("ro,relatime", "rw", True),
        ("rw,relatime", "ro", True),
        ("rw,errors=remount-ro", "rw,rootcontext", False),
    ],
)
def test_read_only_options(options: str, super_options: str, read_only: bool) -> None:
    (mount,) = parse_mountinfo(f"22 1 0:1 / /a {options} - nfs4 tank:/a {super_options}\n")
    assert mount.read_only is read_only


def test_all_fields_of_a_mount() -> None:
    (mount,) = parse_mountinfo(r"41 40 0:60 /sub /nfs/re\040pos rw - nfs4 tank:/my\040repos rw")
    expected = (41, 40, "0:60", "/nfs/re pos", "nfs4", "tank:/my repos", False, "/sub")
    assert mount == MountEntry(*expected)


# --- find_mount against a step-by-step walk --------------------------------------------

NAMES = st.sampled_from(["a", "b", "ab"])
PATHS = st.lists(NAMES, max_size=3).map(lambda parts: "/" + "/".join(parts))


class Tree:
    """Mounts that are created one after another, as the kernel does."""

    def __init__(self) -> None:
        self.mounts = [MountEntry(100, 1, "0:100", "/", "ext4", "disk", False)]

    def topmost(self, path: str) -> MountEntry:
        """Return the mount at the end of a walk along `path` that crosses each mount point."""
        current = self.mounts[0]
        walked = "/"
        current = self._crossed(current, walked)
        for part in filter(None, path.split("/")):
            walked = walked.rstrip("/") + "/" + part
            current = self._crossed(current, walked)
        return current

    def _crossed(self, current: MountEntry, point: str) -> MountEntry:
        while True:
            children = [m for m in self.mounts if m.parent == current.id and m.target == point]
            if not children:
                return current
            current = children[-1]

    def mount(self, path: str) -> None:
        number = 100 + len(self.mounts)
        parent = self.topmost(path)
        self.mounts.append(MountEntry(number, parent.id, f"0:{number}", path, "nfs", "x", False))


@given(st.lists(PATHS, max_size=8), PATHS, st.randoms(use_true_random=False))
def test_find_mount_agrees_with_a_step_by_step_walk(
    points: Sequence[str], path: str, random: object
) -> None:
    tree = Tree()
    for point in points:
        tree.mount(point)
    shuffled = list(tree.mounts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert find_mount(tree.mounts, path) == tree.topmost(path)
    assert find_mount(shuffled, path) == tree.topmost(path)


# --- the checks ------------------------------------------------------------------------

SHARE = MountEntry(41, 40, "0:60", "/nfs/repos", "nfs4", "tank:/repos", False)
DISK = MountEntry(22, 1, "254:0", "/", "ext4", "/dev/vda", False)
GOOD = Probe(
    path="/nfs/repos",
    real="/nfs/repos",
    mount=SHARE,
    local_mount=DISK,
    still_there=True,
    writable=True,
    free_mib=50_000,
    marker=Marker("mine", 1000, MARKER_NANOSECONDS),
    uid=1000,
)


def test_a_good_share_passes() -> None:
    check_share(GOOD, Defaults())
    check_marker(GOOD, "mine")
    check_share(replace(GOOD, local_mount=None, marker=None, free_mib=1024), Defaults())


@pytest.mark.parametrize(
    ("probe", "message"),
    [
        pytest.param(replace(GOOD, mount=None), "changed during", id="no mount"),
        pytest.param(replace(GOOD, still_there=False), "changed during", id="swapped"),
        pytest.param(
            replace(GOOD, mount=DISK), r"is on ext4 \(/dev/vda mounted at /\)", id="on the disk"
        ),
        pytest.param(
            replace(GOOD, mount=replace(SHARE, fstype="autofs")), "is on autofs", id="trap"
        ),
        pytest.param(
            replace(GOOD, local_mount=replace(DISK, device="0:60")),
            "same file system as local_repos",
            id="no backup",
        ),
        pytest.param(
            replace(GOOD, mount=replace(SHARE, read_only=True)), "read-only", id="read-only"
        ),
        pytest.param(replace(GOOD, writable=False), "by uid 1000", id="not writable"),
        pytest.param(replace(GOOD, free_mib=1023), "1023 MiB free", id="full"),
    ],
)
def test_a_bad_share_is_unusable(probe: Probe, message: str) -> None:
    with pytest.raises(TargetUnusable, match=message) as caught:
        check_share(probe, Defaults())
    assert caught.value.code == 5
    assert "/nfs/repos" in caught.value.what
    assert caught.value.cure


@pytest.mark.parametrize(
    ("defaults", "good"),
    [
        (Defaults(nfs_fstypes=("tmpfs",)), False),
        (Defaults(nfs_fstypes=("tmpfs", "nfs4")), True),
        (Defaults(min_free_mib=50_001), False),
        (Defaults(min_free_mib=50_000), True),
    ],
)
def test_checks_depend_on_the_defaults(defaults: Defaults, good: bool) -> None:
    if good:
        check_share(GOOD, defaults)
    else:
        with pytest.raises(TargetUnusable):
            check_share(GOOD, defaults)


@pytest.mark.parametrize(
    ("marker", "estate", "message"),
    [
        pytest.param(None, "mine", "has no marker", id="no marker"),
        pytest.param(None, "", "has no marker", id="no marker, no estate"),
        pytest.param("theirs", "mine", "belongs to estate theirs", id="of another estate"),
        pytest.param("theirs", "", "this registry to estate none yet", id="no estate yet"),
        pytest.param("", "mine", "belongs to estate unknown", id="can't be read"),
        pytest.param("", "", "belongs to estate unknown", id="two empty ones are no match"),
    ],
)
def test_the_marker_must_be_of_this_estate(marker: str | None, estate: str, message: str) -> None:
    probe = replace(GOOD, marker=None if marker is None else Marker(marker, 0, 0))
    with pytest.raises(TargetUnusable, match=message):
        check_marker(probe, estate)


@pytest.mark.parametrize(
    ("mounts", "message"),
    [
        pytest.param([DISK], "unmounted or remounted", id="gone"),
        pytest.param([], "unmounted or remounted", id="nothing left"),
        pytest.param(
            [DISK, replace(SHARE, id=99, parent=22)], "unmounted or remounted", id="another mount"
        ),
        pytest.param(
            [DISK, replace(SHARE, parent=22), replace(SHARE, id=99, parent=41)],
            "unmounted or remounted",
            id="mounted over",
        ),
        pytest.param(
            [DISK, replace(SHARE, parent=22, read_only=True)], "became read-only", id="read-only"
        ),
    ],
)
def test_a_share_that_changed_during_the_run(mounts: list[MountEntry], message: str) -> None:
    with pytest.raises(TargetUnusable, match=message):
        check_still_mounted(GOOD, mounts)


def test_a_share_that_stayed_mounted() -> None:
    check_still_mounted(GOOD, [DISK, replace(SHARE, parent=22), replace(SHARE, id=9, target="/a")])


# --- the marker ------------------------------------------------------------------------


def test_parse_marker() -> None:
    text = marker_text("0a-b", "2026-04-28T15:00:00Z")
    assert parse_marker(text, 1000, 5) == Marker("0a-b", 1000, 5)


@pytest.mark.parametrize("text", ["", "estate", "estate = 3", "[estate]", 'other = "a"', "\ufffd"])
def test_a_marker_that_cannot_be_parsed_has_no_estate(text: str) -> None:
    assert parse_marker(text, 0, 0).estate == ""


@pytest.mark.parametrize(
    ("uid", "marker", "keeps"),
    [
        (0, Marker("mine", 0, MARKER_NANOSECONDS), (True, True, True)),
        (0, Marker("mine", 65534, MARKER_NANOSECONDS), (False, False, True)),
        (1000, Marker("mine", 1000, 0, 1000), (False, False, False)),
        (1000, Marker("mine", 1000, MARKER_NANOSECONDS, 2000), (False, True, True)),
        (1000, Marker("mine", 65534, MARKER_NANOSECONDS, 2000), (False, False, True)),
        (1000, None, (False, False, False)),
    ],
    ids=["root", "squashed root", "whole seconds", "a user", "a squashed user", "no marker"],
)
def test_attributes_that_the_share_keeps(
    uid: int, marker: Marker | None, keeps: tuple[bool, ...]
) -> None:
    probe = replace(GOOD, uid=uid, marker=marker, other_groups=frozenset({2000}))
    assert (probe.keeps_owners, probe.keeps_groups, probe.keeps_nanoseconds) == keeps
