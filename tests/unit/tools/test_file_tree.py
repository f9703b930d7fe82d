"""A survey of a repo's files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repoman_tasks.errors import Interrupted
from repoman_tasks.hosts.base import Entry
from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.tools.file_tree import git_state

FOLDERS = st.lists(st.from_regex(rb"([ab-]{1,2}(/[ab-]{1,2}){0,3})?", fullmatch=True), max_size=6)


class Walked(LocalHost):
    """A host that notes which folders were walked."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []

    def walk(self, root: str, **_: object) -> Iterator[Entry]:
        self.paths.append(root)
        return iter(())


@given(FOLDERS)
def test_each_git_directory_is_walked_once(folders: list[bytes]) -> None:
    host = Walked()
    git_state(host, "/r", folders)
    walked = {path.removeprefix("/r").removeprefix("/").encode() for path in host.paths}
    assert len(walked) == len(host.paths)
    for folder in folders:
        covering = [w for w in walked if not w or folder == w or folder.startswith(w + b"/")]
        assert len(covering) == 1
    assert walked <= set(folders)


def test_many_git_directories_are_walked_at_once() -> None:
    host = Walked()
    git_state(host, "/r", [b"%d" % number for number in range(20_000)])
    assert host.paths == ["/r"]


def test_a_walk_over_many_git_directories_sees_only_these(tmp_path: Path) -> None:
    folders = [b"%d" % number for number in range(30)]
    for folder in folders:
        (tmp_path / folder.decode() / "refs").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    host = LocalHost()
    before = git_state(host, str(tmp_path), folders)
    (tmp_path / "other/file").touch()
    assert git_state(host, str(tmp_path), folders) == before
    (tmp_path / "29/refs/x").touch()
    assert git_state(host, str(tmp_path), folders) != before


def test_a_walk_ends_if_the_host_is_to_stop(tmp_path: Path) -> None:
    for folder in "ab":
        (tmp_path / folder / "in").mkdir(parents=True)
    host = LocalHost()
    walk = host.walk(str(tmp_path))
    next(walk)
    host.stopping.set()
    with pytest.raises(Interrupted):
        list(walk)
