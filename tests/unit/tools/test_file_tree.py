"""A survey of a repo's files."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

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
