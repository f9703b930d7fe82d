"""Measure container commands, compared with the bare incus commands they replace, in one run.

Runs beside a daemon: `python -m tests.worlds.daemon -- python -m tests.benchmarks.containers`.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pexpect  # type: ignore[import-untyped]

from repoman_tasks.model import TRANSPORTS
from tests.benchmarks.table import Row, show, timed
from tests.containers.conftest import ContainerEstate, RemoteContainerEstate
from tests.support.forwarding import exchange, forwarding, serve
from tests.support.guest_tmux import install_program, install_tmux
from tests.support.terminals import spawn

RUNS = 9
INSTANCES = 100
STARTED = 8
STREAMED = 200 << 20


def alternating(ours: Callable[[], float], theirs: Callable[[], float]) -> tuple[float, float]:
    """Return the shortest time of both, run in turn, after one run of each to warm up.

    A median also measures what else the machine does.
    """
    ours()
    theirs()
    both = [(ours(), theirs()) for _ in range(RUNS)]
    return min(a for a, _ in both), min(b for _, b in both)


class Bench:
    """An estate beside a daemon, and a clock."""

    def __init__(self, estate: ContainerEstate) -> None:
        self.estate = estate

    def repoman(self, *argv: str) -> float:
        """Return the seconds that a repoman command takes."""
        return timed([*self.estate.argv, *argv], env=self.estate.environ, cwd=self.estate.home)

    def incus(self, *argv: str) -> float:
        """Return the seconds that an incus command takes, in the same project."""
        named = ["incus", *argv[:1], "--project", self.estate.project, *argv[1:]]
        return timed(named, env=self.estate.environ)

    def new(self, image: str) -> Row:
        """Measure `new`, compared with the commands that a person would type instead."""
        (self.estate.local_repos / "isurus").mkdir(exist_ok=True)

        def ours() -> float:
            seconds = self.repoman("new", "isurus", "--image", image)
            self.repoman("remove", "isurus", "--yes")
            return seconds

        def theirs() -> float:
            seconds = sum(self.incus(*argv) for argv in bare_new(self.estate, image))
            self.incus("delete", "--force", "isurus")
            return seconds

        return Row(f"`new`, {image}", *alternating(ours, theirs))

    def from_template(self, image: str) -> list[Row]:
        """Measure `new` and `reset` from a built image, compared with `incus launch` of that."""
        estate, table = (
            self.estate,
            f'[templates.bench]\nimage = "{image}"\nrun = ["echo >/made"]\n',
        )
        estate.registry.write_text(f"{table}\n{estate.registry.read_text()}")
        estate.run("template", "build", "bench", "--yes", code=0)
        (built,) = [name for name in estate.built_names() if "-bench-" in name]
        (estate.local_repos / "isurus").mkdir(exist_ok=True)

        def ours() -> float:
            seconds = self.repoman("new", "isurus", "--template", "bench")
            self.repoman("remove", "isurus", "--yes")
            return seconds

        def theirs() -> float:
            seconds = self.incus("launch", built, "isurus", "--profile", "default")
            self.incus("delete", "--force", "isurus")
            return seconds

        rows = [Row(f"`new --template`, {image}", *alternating(ours, theirs))]
        estate.run("new", "isurus", "--template", "bench", code=0)
        again = [("stop", "--force", "isurus"), ("rebuild", built, "isurus"), ("start", "isurus")]
        both = alternating(
            lambda: self.repoman("reset", "isurus", "--yes"),
            lambda: sum(self.incus(*argv) for argv in again),
        )
        estate.run("remove", "isurus", "--yes", code=0)
        return [*rows, Row(f"`reset`, {image}", *both)]

    def shell(self) -> Row:
        """Measure `shell -- true`, compared with a bare exec."""
        self.estate.new("isurus")
        argv = ("exec", "isurus", "--", "true")
        row = Row(
            "`shell isurus -- true`",
            *alternating(
                lambda: self.repoman("shell", "isurus", "--", "true"), lambda: self.incus(*argv)
            ),
        )
        self.estate.run("remove", "isurus", "--yes", code=0)
        return row

    def attach(self) -> Row:
        """Measure `agent` until its terminal is shown, compared with a bare attach to that.

        The session detaches each client at once.
        """
        self.estate.new("isurus")
        with tempfile.TemporaryDirectory(prefix="bench-tmux-") as scratch:
            install_tmux(self.estate, "isurus", Path(scratch))
        install_program(self.estate, "isurus", "claude", "#!/bin/sh\nexec sleep 9999\n")
        self.estate.run("agent", "isurus", "--detach", "--no-snapshot", code=0)
        as_user = ("--user", str(os.getuid()), "isurus", "--", "tmux", "-L", "repoman")
        self.estate.incus("exec", *as_user, "set-hook", "-g", "client-attached", "detach-client")
        bare = ["incus", "exec", "--project", self.estate.project, "-t", *as_user, "attach"]
        row = Row(
            "`agent`, attach",
            *alternating(
                lambda: self._on_terminal([*self.estate.argv, "agent", "isurus"]),
                lambda: self._on_terminal(bare),
            ),
        )
        self.estate.run("remove", "isurus", "--yes", code=0)
        return row

    def _on_terminal(self, argv: Sequence[str]) -> float:
        """Return the seconds that a program takes on a terminal."""
        began = time.monotonic()
        child = spawn(argv, {**self.estate.environ, "TERM": "xterm-256color"}, self.estate.home)
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0, child.before
        return time.monotonic() - began

    def starts(self) -> Row:
        """Measure `start --all`, compared with one `incus start` of all."""
        names = [f"s{number}" for number in range(STARTED)]
        for name in names:
            self.estate.new(name)

        def stopped(start: Callable[[], float]) -> Callable[[], float]:
            def run() -> float:
                self.incus("stop", "--force", *names)
                return start()

            return run

        row = Row(
            f"`start --all`, {STARTED} containers",
            *alternating(
                stopped(lambda: self.repoman("start", "--all")),
                stopped(lambda: self.incus("start", *names)),
            ),
        )
        self.estate.run("remove", *names, "--yes", code=0)
        return row

    def listing(self, running: Sequence[str]) -> Row:
        """Measure `list`, compared with `incus list`, with many instances."""
        what = f"`list`, {INSTANCES} containers, {len(running)} running"
        return Row(what, *alternating(lambda: self.repoman("list"), lambda: self.incus("list")))


def bare_new(estate: ContainerEstate, image: str) -> list[tuple[str, ...]]:
    """Return the commands to create the same container by hand, with its user and its mount."""
    repo = f"{estate.local_repos}/isurus"
    uid = str(os.getuid())
    device = ("repo", "disk", f"source={repo}", f"path={repo}")
    argv: list[tuple[str, ...]] = [
        ("init", image, "isurus", "--profile", "default", "--profile", "claude-share"),
        ("config", "device", "add", "isurus", *device),
        ("start", "isurus"),
    ]
    if image == "busybox":
        line = f"echo dev:x:{uid}:{uid}::/home/dev:/bin/sh >>/etc/passwd"
        argv.append(("exec", "isurus", "--", "sh", "-c", line))
    else:
        argv.append(("exec", "isurus", "--", "useradd", "--uid", uid, "dev"))
        up = (
            "until systemctl is-system-running --wait | grep -q -e running -e degraded; "
            "do sleep 0.1; done"
        )
        argv.append(("exec", "isurus", "--", "sh", "-c", up))
    argv.append(("exec", "isurus", "--user", uid, "--cwd", repo, "--", "touch", "proof"))
    argv.append(("exec", "isurus", "--user", uid, "--cwd", repo, "--", "rm", "proof"))
    return argv


def fill(bench: Bench) -> None:
    """Register many projects with an empty container each, in which there is no drift."""
    estate = bench.estate
    with estate.registry.open("a") as registry:
        for number in range(INSTANCES):
            name = f"p{number}"
            repo = estate.local_repos / name
            repo.mkdir()
            registry.write(f'\n[[project]]\nname = "{name}"\nrepo = "{name}"\n')
            estate.incus("init", "--empty", name)


def over_ssh(estate: RemoteContainerEstate) -> list[Row]:
    """Measure `list` from another host, compared with `ssh HOST incus list` over a new connection
    and over an open one."""
    estate.setup()
    fill(Bench(estate))
    estate.sshd.set_session_environ(estate.environ)
    ssh = ["ssh", "-F", str(estate.laptop / ".ssh/config")]
    ssh += ["-o", f"UserKnownHostsFile={estate.laptop}/.ssh/known_hosts"]
    socket = ["-S", str(estate.ssh / "master")]
    fresh_estate = ["incus", "list", "--project", estate.project]
    subprocess.run([*ssh, *socket, "-M", "-N", "-f", "there"], check=True)

    def ours() -> float:
        return timed([*estate.argv, "list"], env=estate.client_environ)

    rows = [
        Row(
            "`list --host`, cold", *alternating(ours, lambda: timed([*ssh, "there", *fresh_estate]))
        ),
        Row(
            "`list --host`, beside a warm ssh",
            *alternating(ours, lambda: timed([*ssh, *socket, "there", *fresh_estate])),
        ),
    ]
    subprocess.run([*ssh, *socket, "-O", "exit", "there"], check=True, stderr=subprocess.DEVNULL)
    return rows


class Stream:
    """Random bytes that a program echoes, both ways at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with open("/dev/urandom", "rb") as source, path.open("wb") as file:
            for _ in range(STREAMED >> 20):
                file.write(source.read(1 << 20))
        self._digest = _digest(path)

    def through(self, argv: Sequence[str], environ: Mapping[str, str]) -> float:
        """Return the seconds until all of it is back, byte for byte."""
        began = time.monotonic()
        back = self._path.with_suffix(".back")
        with self._path.open("rb") as given, back.open("wb") as taken:
            subprocess.run(argv, env=environ, cwd="/", stdin=given, stdout=taken, check=True)
        seconds = time.monotonic() - began
        assert _digest(back) == self._digest
        back.unlink()
        return seconds


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def streams(transport: str) -> Row:
    """Measure `exec NAME -- cat` on another host, compared with `ssh HOST cat`."""
    with RemoteContainerEstate(Path(tempfile.mkdtemp(prefix="bench-")), transport) as estate:
        estate.setup().new("isurus")
        estate.sshd.set_session_environ(estate.environ)
        stream = Stream(estate.ssh / "stream")
        argv = [*estate.argv, "exec", "isurus", "--", "cat"]
        ours, theirs = alternating(
            lambda: stream.through(argv, estate.client_environ),
            lambda: stream.through(["ssh", "there", "cat"], estate.client_environ),
        )
    speed = f"{STREAMED / ours / 1e6:.0f} MB/s each way"
    return Row(f"`exec --host -- cat`, {transport}, {STREAMED >> 20} MiB: {speed}", ours, theirs)


def forwarded(estate: ContainerEstate) -> list[Row]:
    """Measure `forward` to an echo server, compared with a bare `incus exec` of `cat`."""
    estate.new("isurus", "--image", "debian")
    serve(estate, "isurus", 3000)
    stream = Stream(estate.base / "stream")
    data = (estate.base / "stream").read_bytes()
    bare = ["incus", "exec", "--project", estate.project, "isurus", "--"]

    def echoed(port: int) -> float:
        began = time.monotonic()
        back = exchange(port, data)
        seconds = time.monotonic() - began
        assert back[: len(data)] == data
        return seconds

    def connected(port: int) -> float:
        began = time.monotonic()
        assert exchange(port, b"x") == b"x\n1"
        return time.monotonic() - began

    with forwarding(estate, "isurus", "3000:0") as running:
        port = running.ports[3000]
        large = alternating(
            lambda: echoed(port), lambda: stream.through([*bare, "cat"], estate.environ)
        )
        small = alternating(
            lambda: connected(port), lambda: timed([*bare, "true"], env=estate.environ)
        )
    estate.run("remove", "isurus", "--yes", code=0)
    speed = f"{STREAMED / large[0] / 1e6:.0f} MB/s each way"
    return [
        Row(f"`forward`, {STREAMED >> 20} MiB and back: {speed}", *large),
        Row("`forward`, a connection with one byte", *small),
    ]


def main() -> None:
    """Measure and print the tables that were requested."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.containers")
    parser.add_argument("--streams", action="store_true", help="only those over SSH")
    parser.add_argument("--templates", action="store_true", help="only those from a template")
    parser.add_argument("--attach", action="store_true", help="only `agent`")
    arguments = parser.parse_args()
    if arguments.templates:
        templates()
        return
    if arguments.attach:
        with ContainerEstate(Path(tempfile.mkdtemp(prefix="bench-"))) as estate:
            show("Agents", "repoman", "bare incus", [Bench(estate.setup()).attach()])
        return
    if not arguments.streams:
        containers()
    show("Streams over SSH, on loopback", "repoman", "ssh", list(map(streams, TRANSPORTS)))
    sys.stdout.flush()


def templates() -> None:
    """Measure what starts from the image of a template, on btrfs."""
    with ContainerEstate(Path(tempfile.mkdtemp(prefix="bench-"))) as estate:
        rows = Bench(estate.setup()).from_template("busybox")
        show("From a template", "repoman", "bare incus", rows)


def containers() -> None:
    """Measure containers, compared with the bare incus commands, locally and over SSH."""
    base = Path(tempfile.mkdtemp(prefix="bench-"))
    with ContainerEstate(base) as estate:
        bench = Bench(estate.setup())
        rows = [bench.new("busybox"), bench.new("debian"), bench.shell(), bench.attach()]
        rows.append(bench.starts())
        rows += forwarded(estate)
        fill(bench)
        rows.append(bench.listing([]))
        show("Containers", "repoman", "bare incus", rows)
    with RemoteContainerEstate(Path(tempfile.mkdtemp(prefix="bench-"))) as far:
        show("Over SSH, on loopback", "repoman", "ssh", over_ssh(far))


if __name__ == "__main__":
    main()
