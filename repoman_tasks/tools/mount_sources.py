"""The folders of the host that Incus has to allow for mounts."""

from __future__ import annotations

from collections.abc import Sequence

from repoman_tasks.hosts.base import Host

__all__ = ["folders_to_allow"]


def folders_to_allow(host: Host, sources: Sequence[str]) -> list[str]:
    """Return each of `sources`, or the folder that holds it if it is a file.

    Incus opens what a project allows as a folder.
    """
    if not sources:
        return []
    argv = ["find", "-L", *sources, "-maxdepth", "0", "!", "-type", "d", "-print0"]
    # What is missing makes find fail, but it goes on to the others.
    files = set(host.read(argv).text.split("\0"))
    return [source.rpartition("/")[0] or "/" if source in files else source for source in sources]
