"""Renames the folder of a repo and its mirror, never by a copy that may be half done."""

from __future__ import annotations

from repoman_tasks.errors import Failed, Refused
from repoman_tasks.hosts.base import Host
from repoman_tasks.planning.steps import RenameFolder, RenameMirror
from repoman_tasks.tools.share import Share

__all__ = ["rename_folder", "rename_mirror"]


def rename_folder(host: Host, step: RenameFolder) -> None:
    """Rename the folder of a repo. Raise an error if nothing was renamed."""
    _rename(host, step.path, step.to, step.path, 0)


def rename_mirror(host: Host, share: Share, step: RenameMirror) -> None:
    """Rename a folder on the share. Raise an error if nothing was renamed."""
    share.check()
    shown = f"{share.probe.path}/{step.source}"
    _rename(host, f"{share.root}/{step.source}", f"{share.root}/{step.to}", shown, share.timeout)


def _rename(host: Host, path: str, to: str, shown: str, timeout: float) -> None:
    """Rename `path`, which messages call `shown`; `timeout` is in seconds, 0 for none."""
    parent = path.rpartition("/")[0]
    argv = ["find", f"{path}/.", f"{parent}/.", "-maxdepth", "0", "-printf", "%D\n"]
    devices = host.read(argv, timeout=timeout or 60).text.split()
    if len(devices) != 2:
        raise Failed(f"{shown} can't be renamed", "see if it is there")
    if devices[0] != devices[1]:  # mv would copy it, and then delete it
        what = f"{shown} is a file system of its own, which can't be renamed"
        raise Refused(what, "leave out --folder")
    result = host.change(["mv", "-nT", "--", path, to], timeout=timeout or 60)
    if result.code:
        raise Failed(f"{shown} can't be renamed", result.complaint)
    if host.read(["test", "-e", path], timeout=timeout or 60).code == 0:
        raise Failed(f"{shown} can't be renamed, there is another one of the new name", "move that")
