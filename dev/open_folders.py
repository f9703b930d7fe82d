"""Run a program with some folders made accessible to all users, whatever their parents' modes.

    unshare --mount python -m dev.open_folders HOLD FOLDER… -- WORDS…

A folder below one that is closed to others (/root, often) is shown at its own path in an empty
folder that stands in for the closed one. This needs root and a mount namespace of its own, so
nobody else sees it, and it ends with the words. HOLD is a folder to be made for what is on the
way; what lies in the folders is not changed, so it has to be readable by everybody itself.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from repoman_tasks.errors import Failed, RepomanError
from repoman_tasks.hosts.base import Host
from repoman_tasks.hosts.local import LocalHost

__all__ = ["closed_above", "main"]


def closed_above(folder: str, is_closed: Callable[[str], bool]) -> str:
    """Return the topmost parent of `folder` that others can't enter, "" if none."""
    return next((str(path) for path in reversed(Path(folder).parents) if is_closed(str(path))), "")


def main(argv: Sequence[str]) -> int:
    """Make the folders accessible, and run the program."""
    hold, *folders = argv[: argv.index("--")]
    argv = argv[argv.index("--") + 1 :]
    host = LocalHost()
    try:
        _open(host, hold, folders)
        return host.hand_over(argv)
    except RepomanError as error:
        print(error, file=sys.stderr)
        return int(error.code)


def _open(host: Host, hold: str, folders: Sequence[str]) -> None:
    covers = {folder: closed_above(folder, _is_closed) for folder in folders}
    held = {folder: f"{hold}/{number}" for number, folder in enumerate(folders) if covers[folder]}
    for folder, place in held.items():
        _bind(host, folder, place)
    for cover in dict.fromkeys(covers[folder] for folder in held):
        _mount(host, "-t", "tmpfs", "-o", "mode=755", "tmpfs", cover)
    # Outer folders first, because one may hold another.
    for folder in sorted(held):
        _bind(host, held[folder], folder)


def _is_closed(path: str) -> bool:
    return not os.stat(path).st_mode & stat.S_IXOTH


def _bind(host: Host, source: str, target: str) -> None:
    os.makedirs(target, mode=0o755, exist_ok=True)
    _mount(host, "--bind", source, target)


def _mount(host: Host, *argv: str) -> None:
    result = host.change(["mount", *argv])
    if result.code:
        raise Failed(result.complaint)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
