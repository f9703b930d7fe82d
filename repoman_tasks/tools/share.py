"""The backup share. Only children under a time limit touch it, so that a dead server can't
hold repoman."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from repoman_tasks.errors import Failed, TargetUnusable
from repoman_tasks.host import Host, Pin, Result, Stalled, TimedOut, Words
from repoman_tasks.planning.names import with_parents
from repoman_tasks.planning.share import (
    MARKER,
    MARKER_NANOSECONDS,
    Marker,
    Probe,
    judge_again,
    marker_text,
    mount_at,
    offered,
    parse_marker,
    parse_mounts,
)
from repoman_tasks.tools.tree import PRUNED

__all__ = ["Share", "mounted_shares", "open_share"]

_MOUNTINFO = "/proc/self/mountinfo"


@dataclass(frozen=True)
class Share:
    """The share, held in use so that it stays mounted, and what was found there."""

    host: Host
    pin: Pin
    probe: Probe
    timeout: float

    @property
    def root(self) -> str:
        """A path to the share's root that no later mount can redirect."""
        return self.pin.path

    def check(self) -> None:
        """`TargetUnusable` where the share is not mounted as it was when it was opened."""
        judge_again(self.probe, parse_mounts(_mountinfo(self.host)))

    def survey(self, folders: Sequence[str]) -> dict[str, int]:
        """The mode (st_mode) of each of `folders`, relative to the share, that is there.

        So does each folder on the way to one of them. Links are not followed.
        """
        paths = sorted({path for folder in folders for path in with_parents(folder)})
        if not paths:
            return {}
        words = ["stat", "--printf", "%f %n\\0", "--", *(f"{self.root}/{path}" for path in paths)]
        result = self._read(words)
        if not all(map(_not_there, result.err.splitlines())):
            raise TargetUnusable(f"{self.probe.path} can't be looked at", result.complaint)
        found = result.text.split("\0")[:-1]
        entries = (entry.partition(" ") for entry in found)
        return {name.removeprefix(f"{self.root}/"): int(mode, 16) for mode, _, name in entries}

    def count(self, folder: str) -> int:
        """How many files the mirror at `folder` holds, loose git objects aside."""
        words = ["find", f"{self.root}/{folder}"]
        for name in PRUNED:
            words += ["-name", name.decode(), "-prune", "-o"]
        words += ["-path", "*/objects/[0-9a-f][0-9a-f]/*", "-o", "!", "-type", "d", "-printf", "x"]
        counted = 0

        def add(line: bytes) -> None:
            nonlocal counted
            counted += len(line)

        complaints: list[bytes] = []
        patience = self.timeout * 6
        try:
            code = self.host.stream(
                words, add, complaints.append, stall_seconds=patience, changes=False
            )
        except Stalled:
            raise _silent(self.probe.path, patience) from None
        if code:
            what = Result((), code, err=b"\n".join(complaints)).complaint
            raise TargetUnusable(f"{self.probe.path}/{folder} can't be counted", what)
        return counted

    def head_resolves(self, git_dir: str) -> bool:
        """Whether the branch that HEAD names in the mirrored `git_dir` is there too."""
        where = f"{self.root}/{git_dir}"
        head = self._read(["head", "-c", "4096", "--", f"{where}/HEAD"]).text
        branch = head.removeprefix("ref: ").strip()
        if branch == head.strip():  # a commit, not a branch
            return True
        if self._read(["test", "-e", f"{where}/{branch}"]).code == 0:
            return True
        words = ["grep", "-qF", "-e", f" {branch}", "--", f"{where}/packed-refs"]
        return self._read(words).code == 0

    def mark(self, estate: str, when: str) -> None:
        """Write the marker of the estate with that id. `Failed` where the share refuses it."""
        temporary, marker = f"{self.root}/{MARKER}.new", f"{self.root}/{MARKER}"
        text = marker_text(estate, when).encode()
        self._change(["dd", f"of={temporary}", "conv=fsync", "status=none"], text)
        self._change(["touch", "-d", f"@1700000000.{MARKER_NANOSECONDS:09}", "--", temporary])
        for group in sorted(self.probe.other_groups)[:1]:
            # Whether it can be given away is told by the group that it has afterwards.
            self.host.change(["chgrp", "--", str(group), temporary], timeout=self.timeout)
        self._change(["mv", "-fT", "--", temporary, marker])

    def _read(self, words: Words) -> Result:
        try:
            return self.host.read(words, timeout=self.timeout)
        except TimedOut:
            raise _silent(self.probe.path, self.timeout) from None

    def _change(self, words: Words, given: bytes = b"") -> None:
        result = self.host.change(words, timeout=self.timeout, given=given)
        if result.code:
            raise Failed(f"{self.probe.path} could not be marked", result.complaint)


def _silent(path: str, seconds: float) -> TargetUnusable:
    what = f"{path} did not answer within {seconds:g} s"
    return TargetUnusable(what, "check the file server and the network")


def _not_there(complaint: bytes) -> bool:
    return complaint.endswith((b": No such file or directory", b": Not a directory"))


def _mountinfo(host: Host) -> str:
    return (host.read_file(_MOUNTINFO) or b"").decode(errors="surrogateescape")


def mounted_shares(host: Host, fstypes: Sequence[str]) -> list[str]:
    """The places of `host` where a share of one of these types is mounted now."""
    return offered(parse_mounts(_mountinfo(host)), fstypes)


@contextlib.contextmanager
def open_share(host: Host, path: str, local_repos: str, timeout: float) -> Iterator[Share]:
    """Hold the share at `path` and look at it; what it is worth is judged elsewhere.

    `timeout` in seconds for each question to it. `TargetUnusable` where it can't be
    entered or does not answer.
    """
    with contextlib.ExitStack() as stack:
        try:
            # Entering it triggers an automount; a question to it from outside would not.
            pin = stack.enter_context(host.pin(path, timeout=timeout))
            share = Share(host, pin, _look(host, path, local_repos, pin, timeout), timeout)
        except TimedOut:
            raise _silent(path, timeout) from None
        except Failed as error:
            raise TargetUnusable(
                f"{error.what} ({error.cure})", "mount the share, or set nfs_repos in [defaults]"
            ) from None
        yield share


def _look(host: Host, path: str, local_repos: str, pin: Pin, timeout: float) -> Probe:
    real = pin.real()
    mounts = parse_mounts(_mountinfo(host))
    here, there, marker = _stat(host, pin, path, timeout)
    writable = host.read(["test", "-w", f"{pin.path}/."], timeout=timeout).code == 0
    space = host.read(["stat", "-f", "-c", "%a %S", f"{pin.path}/."], timeout=timeout).text.split()
    return Probe(
        path=path,
        real=real,
        mount=mount_at(mounts, real),
        local_mount=mount_at(mounts, host.real_folder(local_repos) or local_repos),
        # The pinned folder is what `path` led to before and after the mounts were read,
        # so the mount that was found for the path is the one that is pinned.
        still_there=here == there,
        writable=writable,
        free_mib=int(space[0]) * int(space[1]) >> 20 if len(space) == 2 else 0,
        marker=marker,
        uid=host.uid,
        other_groups=host.other_groups,
    )


def _stat(host: Host, pin: Pin, path: str, timeout: float) -> tuple[str, str, Marker | None]:
    """Identity of the pinned folder and of what `path` leads to now, and the marker."""
    marker_path = f"{pin.path}/{MARKER}"
    words = ["stat", "-c", "%d:%i %u %g %.9Y", "--", f"{pin.path}/.", f"{path}/.", marker_path]
    lines = [line.split() for line in host.read(words, timeout=timeout).text.splitlines()]
    if len(lines) < 2:
        return "here", "gone", None
    (here, *_), (there, *_) = lines[:2]
    if len(lines) < 3:
        return here, there, None
    _, owner, group, when = lines[2]
    text = host.read(["head", "-c", "4096", "--", marker_path], timeout=timeout).out
    nanoseconds = int(when.partition(".")[2] or 0)
    return (
        here,
        there,
        parse_marker(text.decode(errors="replace"), int(owner), nanoseconds, int(group)),
    )
