"""Which mounts in a repo show the share, and which are missing."""

from __future__ import annotations

import contextlib

import pytest

from repoman_tasks.errors import Refused
from repoman_tasks.mountinfo import MountEntry, parse_mountinfo
from repoman_tasks.planning.mirror.inner_mounts import (
    check_mounted_again,
    check_no_share_in,
    find_inner_mounts,
)

REPO = "/home/dev/repos/isurus"
MOUNTS = parse_mountinfo(
    "22 1 254:0 / / rw - ext4 /dev/vda rw\n"
    "41 22 0:60 / /nfs rw - nfs4 tank:/export rw\n"
    f"50 22 0:70 / {REPO} rw - btrfs /dev/vdb rw\n"
    f"51 50 0:71 / {REPO}/data rw - tmpfs t rw\n"
    f"52 51 0:72 / {REPO}/data rw - tmpfs over rw\n"
    f"53 22 0:73 / {REPO}/hidden rw - tmpfs t rw\n"
    f"54 22 0:74 / {REPO}x rw - tmpfs t rw\n"
)


def test_only_what_can_be_seen_counts() -> None:
    assert [mount.id for mount in find_inner_mounts(MOUNTS, REPO)] == [50, 52]
    assert find_inner_mounts(MOUNTS, "/home/dev/repos/lamna") == ()


NFS = MountEntry(41, 22, "0:60", "/nfs", "nfs4", "tank:/export", False)
DISK = MountEntry(41, 22, "0:60", "/nfs", "tmpfs", "tmpfs", False, "/a")
WHOLE_DISK = MountEntry(41, 22, "0:60", "/nfs", "tmpfs", "tmpfs", False)


def at(device: str, source: str, root: str = "/", fstype: str = "nfs4") -> MountEntry:
    return MountEntry(60, 22, device, f"{REPO}/archive", fstype, source, False, root)


@pytest.mark.parametrize(
    ("mount", "share", "refused"),
    [
        (at("0:60", "tank:/export"), NFS, True),
        (at("0:60", "tank:/export", "/repos"), NFS, True),
        (at("0:60", "tank:/export", "/repos/isurus"), NFS, True),
        (at("0:60", "tank:/export", "/music"), NFS, False),
        (at("0:61", "tank:/export/repos"), NFS, True),
        (at("0:61", "tank:/export"), NFS, True),
        (at("0:61", "tank:/export/music"), NFS, False),
        (at("0:61", "other:/export"), NFS, False),
        (at("0:60", "10.0.0.2:/export"), NFS, True),
        (at("0:60", "tmpfs", "/a/repos", "tmpfs"), DISK, True),
        (at("0:60", "tmpfs", "/a/repos/x", "tmpfs"), DISK, True),
        (at("0:60", "tmpfs", "/", "tmpfs"), DISK, True),
        (at("0:60", "tmpfs", "/b", "tmpfs"), DISK, False),
        (at("0:62", "tmpfs", "/a/repos", "tmpfs"), DISK, False),
        (at("0:60", "tmpfs", "/repos", "tmpfs"), WHOLE_DISK, True),
        (at("0:60", "tmpfs", "/repos/lamna", "tmpfs"), WHOLE_DISK, True),
        (at("0:60", "tmpfs", "/", "tmpfs"), WHOLE_DISK, True),
        (at("0:60", "tmpfs", "/music", "tmpfs"), WHOLE_DISK, False),
        (
            at("0:61", "tank:/repos"),
            MountEntry(41, 22, "0:60", "/nfs", "nfs4", "tank:/", False),
            True,
        ),
    ],
)
def test_the_share_is_known_by_what_is_mounted(
    mount: MountEntry, share: MountEntry, refused: bool
) -> None:
    says = f"{REPO}/archive shows the share at /nfs/repos"
    with pytest.raises(Refused, match=says) if refused else contextlib.nullcontext():
        check_no_share_in(REPO, [mount], share, "/nfs/repos")


@pytest.mark.parametrize(
    ("now", "before", "gone"),
    [
        ((), (), ""),
        (("data",), (), ""),
        (("data", "."), ("data",), ""),
        (("data",), (".", "data"), REPO),
        ((), ("data", "more"), f"{REPO}/data"),
    ],
)
def test_what_is_not_mounted_again(
    now: tuple[str, ...], before: tuple[str, ...], gone: str
) -> None:
    says = f"mounted at {gone} at.*`repoman sync isurus --force`"
    with pytest.raises(Refused, match=says) if gone else contextlib.nullcontext():
        check_mounted_again("isurus", REPO, now, before)
