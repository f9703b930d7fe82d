"""The names of snapshots, as `ls` lists them."""

from __future__ import annotations

from pathlib import Path

from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.tools.snapshot_names import SnapshotListing


def find(root: Path, inner: str = "", pattern: str = "") -> set[tuple[str, str]]:
    listing = SnapshotListing(LocalHost(), str(root), str(root), pattern, 30)
    return {(name, path.replace(f"{root}/", "")) for name, path in listing.find(inner)}


def test_names_are_found_where_snapshots_lie(tmp_path: Path) -> None:
    for folder in (".zfs/snapshot/a b", "@GMT-1", "snapshots/7", "repos", "other/@GMT-2"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / ".zfs/snapshot/desktop.ini").write_text("no folder")
    zfs, samba = ("a b", ".zfs/snapshot/a b"), ("@GMT-1", "@GMT-1")
    assert find(tmp_path) == {zfs, samba}
    pattern = f"{tmp_path}/snapshots/{{name}}/snapshot"
    assert find(tmp_path, pattern=pattern) == {zfs, samba, ("7", "snapshots/7/snapshot")}


def test_they_may_lie_above_the_root(tmp_path: Path) -> None:
    (tmp_path / ".snapshot/daily/deep/er").mkdir(parents=True)
    root = tmp_path / "deep/er"
    root.mkdir(parents=True)
    assert find(root) == set(), "what is above may be another file system"
    assert find(root, "deep/er") == {("daily", "../../.snapshot/daily/deep/er")}


def test_no_name_leads_elsewhere(tmp_path: Path) -> None:
    place = tmp_path / ".zfs/snapshot"
    for name in ("x\n..", "y\n.", f"{tmp_path.name}:", "\n", "-z"):
        (place / name).mkdir(parents=True)
    for name, path in find(tmp_path):
        assert path == f".zfs/snapshot/{name}"
        assert name not in ("", ".", "..")
    assert {f"{tmp_path.name}:", "-z"} <= {name for name, _ in find(tmp_path)}
