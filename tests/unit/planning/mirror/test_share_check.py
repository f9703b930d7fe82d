"""Which mount a path lies on, and whether that is the backup share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repoman_tasks.errors import TargetUnusable
from repoman_tasks.model import Defaults
from repoman_tasks.planning.mirror.share_check import (
    MARKER_NANOSECONDS,
    Marker,
    Mount,
    Probe,
    judge,
    judge_again,
    judge_marker,
    marker_text,
    mount_at,
    parse_marker,
    parse_mounts,
)

ROOT = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
AUTOFS = "40 22 0:50 / /nfs/repos rw,relatime - autofs systemd-1 rw,fd=50,direct\n"
NFS = "41 40 0:60 / /nfs/repos rw,relatime - nfs4 tank:/repos rw,vers=4.2\n"


def found(mountinfo: str, path: str) -> tuple[int, str] | None:
    mount = mount_at(parse_mounts(mountinfo), path)
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
        pytest.param(ROOT + AUTOFS + NFS, "/nfs/repos2", (22, "ext4"), id="only alike in name"),
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
            id="a root over a root, its own parent",
        ),
        pytest.param(
            ROOT + r"70 22 0:90 / /nfs/my\040re\134pos\011x rw - nfs4 tank:/a rw" + "\n",
            "/nfs/my re\\pos\tx/a",
            (70, "nfs4"),
            id="space, backslash and tab in its name",
        ),
        pytest.param(
            ROOT + "71 22 0:91 / /nfs rw master:3 shared:7 propagate_from:2 - nfs a:/b rw\n",
            "/nfs",
            (71, "nfs"),
            id="several optional fields",
        ),
    ],
)
def test_mount_at(mountinfo: str, path: str, expected: tuple[int, str] | None) -> None:
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
def test_read_only_is_read(options: str, super_options: str, read_only: bool) -> None:
    (mount,) = parse_mounts(f"22 1 0:1 / /a {options} - nfs4 tank:/a {super_options}\n")
    assert mount.read_only is read_only


def test_a_mount_is_read_as_a_whole() -> None:
    (mount,) = parse_mounts(r"41 40 0:60 /sub /nfs/re\040pos rw - nfs4 tank:/my\040repos rw")
    assert mount == Mount(41, 40, "0:60", "/nfs/re pos", "nfs4", "tank:/my repos", False)


# --- mount_at against a walk of its own ------------------------------------------------

NAMES = st.sampled_from(["a", "b", "ab"])
PATHS = st.lists(NAMES, max_size=3).map(lambda parts: "/" + "/".join(parts))


class Tree:
    """Mounts, made one after another as the kernel would."""

    def __init__(self) -> None:
        self.mounts = [Mount(100, 1, "0:100", "/", "ext4", "disk", False)]

    def topmost(self, path: str) -> Mount:
        """The mount that a walk along `path` ends on: step by step, crossing what is there."""
        current = self.mounts[0]
        walked = "/"
        current = self._crossed(current, walked)
        for part in filter(None, path.split("/")):
            walked = walked.rstrip("/") + "/" + part
            current = self._crossed(current, walked)
        return current

    def _crossed(self, current: Mount, point: str) -> Mount:
        while True:
            here = [m for m in self.mounts if m.parent == current.id and m.target == point]
            if not here:
                return current
            current = here[-1]

    def mount(self, path: str) -> None:
        number = 100 + len(self.mounts)
        parent = self.topmost(path)
        self.mounts.append(Mount(number, parent.id, f"0:{number}", path, "nfs", "x", False))


@given(st.lists(PATHS, max_size=8), PATHS, st.randoms(use_true_random=False))
def test_mount_at_agrees_with_a_step_by_step_walk(
    points: Sequence[str], path: str, random: object
) -> None:
    tree = Tree()
    for point in points:
        tree.mount(point)
    shuffled = list(tree.mounts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert mount_at(tree.mounts, path) == tree.topmost(path)
    assert mount_at(shuffled, path) == tree.topmost(path)


# --- the judges ------------------------------------------------------------------------

SHARE = Mount(41, 40, "0:60", "/nfs/repos", "nfs4", "tank:/repos", False)
DISK = Mount(22, 1, "254:0", "/", "ext4", "/dev/vda", False)
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


def test_good_share_is_good() -> None:
    judge(GOOD, Defaults())
    judge_marker(GOOD, "mine")
    judge(replace(GOOD, local_mount=None, marker=None, free_mib=1024), Defaults())


@pytest.mark.parametrize(
    ("probe", "says"),
    [
        pytest.param(replace(GOOD, mount=None), "changed while", id="no mount"),
        pytest.param(replace(GOOD, still_there=False), "changed while", id="swapped"),
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
def test_bad_share_is_unusable(probe: Probe, says: str) -> None:
    with pytest.raises(TargetUnusable, match=says) as caught:
        judge(probe, Defaults())
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
def test_what_a_share_has_to_be_is_configurable(defaults: Defaults, good: bool) -> None:
    if good:
        judge(GOOD, defaults)
    else:
        with pytest.raises(TargetUnusable):
            judge(GOOD, defaults)


@pytest.mark.parametrize(
    ("marker", "estate", "says"),
    [
        pytest.param(None, "mine", "carries no marker", id="no marker"),
        pytest.param(None, "", "carries no marker", id="no marker, no estate"),
        pytest.param("theirs", "mine", "belongs to estate theirs", id="of another estate"),
        pytest.param("theirs", "", "this registry is estate none yet", id="no estate yet"),
        pytest.param("", "mine", "belongs to estate unknown", id="can't be read"),
        pytest.param("", "", "belongs to estate unknown", id="two empty ones are no match"),
    ],
)
def test_marker_has_to_be_the_estates(marker: str | None, estate: str, says: str) -> None:
    probe = replace(GOOD, marker=None if marker is None else Marker(marker, 0, 0))
    with pytest.raises(TargetUnusable, match=says):
        judge_marker(probe, estate)


@pytest.mark.parametrize(
    ("mounts", "says"),
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
            [DISK, replace(SHARE, parent=22, read_only=True)], "went read-only", id="read-only"
        ),
    ],
)
def test_share_that_changed_during_the_run(mounts: list[Mount], says: str) -> None:
    with pytest.raises(TargetUnusable, match=says):
        judge_again(GOOD, mounts)


def test_share_that_stayed() -> None:
    judge_again(GOOD, [DISK, replace(SHARE, parent=22), replace(SHARE, id=9, target="/a")])


# --- the marker ------------------------------------------------------------------------


def test_marker_comes_back() -> None:
    text = marker_text("0a-b", "2026-04-28T15:00:00Z")
    assert parse_marker(text, 1000, 5) == Marker("0a-b", 1000, 5)


@pytest.mark.parametrize("text", ["", "estate", "estate = 3", "[estate]", 'other = "a"', "\ufffd"])
def test_marker_that_cant_be_read_is_of_no_estate(text: str) -> None:
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
    ids=["root", "squashed root", "whole seconds", "a person", "a squashed person", "no marker"],
)
def test_what_the_share_keeps(uid: int, marker: Marker | None, keeps: tuple[bool, ...]) -> None:
    probe = replace(GOOD, uid=uid, marker=marker, other_groups=frozenset({2000}))
    assert (probe.keeps_owners, probe.keeps_groups, probe.keeps_nanoseconds) == keeps
