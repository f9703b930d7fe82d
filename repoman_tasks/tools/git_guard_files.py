"""The guard for git on a host: its program, and the folders that it guards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

from repoman_tasks.errors import Failed
from repoman_tasks.guard import MARK, guard_script
from repoman_tasks.hosts.base import Future, Host
from repoman_tasks.planning.guard_files import (
    Guard,
    add_folders,
    folder_lines,
    guard_path,
    name_lines,
)
from repoman_tasks.registry.names_file import state_folder

__all__ = [
    "find_first_git",
    "git_version",
    "guard_folders",
    "refresh_guard",
    "submit_guard",
]


def submit_guard(host: Host) -> Future[Guard]:
    """Ask for the guard of `host`, which may not be installed."""
    path, text = guard_path(host.environ, host.home), guard_script(state_folder(host))
    content, folders = host.submit_file(path), host.submit_file(_folders_file(host))
    return Future(lambda: Guard(path, text, content.result(), MARK, _lines(folders.result())))


def find_first_git(host: Host) -> str:
    """Return the path of the first git on the PATH of `host`, or an empty string."""
    folders = [folder for folder in host.environ.get("PATH", "").split(":") if folder[:1] == "/"]
    for folder in dict.fromkeys(folders):
        found = host.read(["find", "-L", f"{folder}/git", "-maxdepth", "0", "-type", "f"])
        if found.text:
            return f"{folder}/git"
    return ""


def git_version(host: Host) -> str:
    """Return the output of `git version`."""
    return host.read(["git", "version"]).text


def guard_folders(host: Host, folders: Iterable[str]) -> None:
    """Have these folders guarded from now on, by their real paths."""
    path = _folders_file(host)
    with host.lock(f"{path}.lock", wait_seconds=10):
        known = _lines(host.read_file(path))
        if (after := add_folders(known, folders)) != known:
            host.write_file(path, folder_lines(after))


def refresh_guard(
    host: Host, folders: Iterable[str], repos: Mapping[str, str] | None = None
) -> None:
    """Add `folders` to those that the guard knows, and replace its names, if it is this host.

    `repos` maps projects to their repos. Never fails.
    """
    path = _folders_file(host)
    if not host.keeps_caches or host.dry:
        return
    with suppress(Failed):
        known = _lines(host.read_file(path))
        if add_folders(known, folders) != known:
            with host.lock(f"{path}.lock"):
                after = add_folders(_lines(host.read_file(path)), folders)
                host.cache_file(path, folder_lines(after))
    if repos is not None:
        host.cache_file(f"{state_folder(host)}/guard/names", name_lines(repos))


def _folders_file(host: Host) -> str:
    return f"{state_folder(host)}/guard/folders"


def _lines(data: bytes | None) -> tuple[str, ...]:
    return tuple((data or b"").decode(errors="surrogateescape").split("\n")[:-1])
