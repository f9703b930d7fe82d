"""Type docs/walkthrough.md and docs/migration.md, block by block, each on a host of its own."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.containers.conftest import ContainerEstate
from tests.support.estate import CHECKOUT, Result, run
from tests.support.guest_tmux import install_program, install_tmux
from tests.support.processes import WAIT_SECONDS, wait_until

pytestmark = pytest.mark.local_only("the page is typed on the host itself")
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def typed(estate: ContainerEstate, line: str) -> Result:
    """Type a line of the page, with the share of the test."""
    line = line.replace("/nfs/repos", str(estate.share))
    return run(["bash", "-c", line], estate.environ, cwd=estate.home)


def _text(page: str) -> str:
    return (CHECKOUT / "docs" / page).read_text()


def follow(
    estate: ContainerEstate, page: str, typed: Callable[[ContainerEstate, str], Result] = typed
) -> int:
    """Type the blocks of a page and compare the output; return the number of blocks."""
    blocks = BLOCK.findall(_text(page))
    for block in blocks:
        commands = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
        assert commands
        for command in commands:
            line, _, expected = command.partition("\n")
            done = typed(estate, line)
            assert done.code == 0, (line, done)
            assert not expected or _steady(done.out) == _steady(expected), (line, done)
    return len(blocks)


def _steady(text: str) -> str:
    """Return `text` without durations."""
    return re.sub(r"\d+\.\d s$", "0.1 s", text, flags=re.MULTILINE)


AGENT = r"""#!/usr/bin/perl
use strict; use Socket;
my ($port) = $ARGV[-1] =~ /(\d+)$/;
sub save { open my $file, '>', $_[0]; print $file $_[1]; close $file }
socket(my $server, AF_INET, SOCK_STREAM, 0);
bind($server, pack_sockaddr_in($port, INADDR_LOOPBACK)) or die;
listen($server, 5);
save('hello.txt', "nonsense\n");
save('index.html', "<h1>Sharks</h1>\n");
while (accept(my $client, $server)) {
    sysread $client, my $request, 65536;
    open my $file, '<', 'index.html';
    syswrite $client, join('', "HTTP/1.0 200 OK\r\n\r\n", <$file>);
}
"""
"""Does what the page tells the agent, and harm."""


class Walk:
    """The walkthrough, typed where there is no internet: another agent is in place of Claude Code,
    and it is put into the container by hand instead of the template."""

    def __init__(self, estate: ContainerEstate, scratch: Path) -> None:
        self._estate, self._scratch = estate, scratch
        self._forward: subprocess.Popen[str] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = str(free.getsockname()[1])

    def __call__(self, estate: ContainerEstate, line: str) -> Result:
        """Type a line; `forward` runs until the next one has ended."""
        changed = {
            "8000": self._port,
            " --agents claude": "",
            "new isurus --create": "new isurus --create --image local:debian",
        }
        for old, new in changed.items():
            line = line.replace(old, new)
        if line.startswith("repoman forward"):
            return self._begin_forward(line)
        done = typed(estate, line)
        if self._forward:
            self._forward.send_signal(signal.SIGINT)
            assert self._forward.wait(WAIT_SECONDS) == 0
            self._forward = None
        if line.startswith("repoman new"):
            install_tmux(estate, "isurus", self._scratch)
            install_program(estate, "isurus", "claude", AGENT)
        if line.startswith("repoman undo isurus --yes"):  # at boot, systemd empties /tmp, where
            typed(estate, "repoman update isurus --yes")  # the home of the test is
        if line.startswith("repoman agent isurus"):
            wait_until((estate.local_repos / "isurus/index.html").exists)
        return done

    def _begin_forward(self, line: str) -> Result:
        self._forward = subprocess.Popen(
            ["bash", "-c", f"exec {line}"],
            env=self._estate.environ,
            cwd=self._estate.home,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._forward.stdout is not None
        shown = self._forward.stdout.readline()
        here = shown.replace(self._port, "8000").replace("//localhost", "//isurus.localhost")
        return Result(0, here, "")


@pytest.mark.nightly
def test_every_block_of_the_walkthrough(
    host: ContainerEstate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "project", "repoman")
    assert follow(host, "walkthrough.md", Walk(host, tmp_path)) >= 12


@pytest.fixture
def with_a_past(host: ContainerEstate) -> ContainerEstate:
    """Return a host with repos, and with what the scripts of docs/migration.md created there."""
    host.environ["REPOMAN_BRIDGE"] = "repoman0"  # which setup makes by itself
    host.incus("storage", "create", "default", "dir")
    root = ("root", "disk", "path=/", "pool=default", "--project", "default")
    host.incus("profile", "device", "add", "default", *root)
    for name in ("isurus", "notes"):
        host.repo(name)
        (host.local_repos / name / "node_modules").mkdir()
    left = host.local_repos / "notes/last-year.txt"
    left.write_text("long ago\n")
    scripts = re.findall(r"^```sh\n(.*?)^```$", _text("migration.md"), re.MULTILINE | re.DOTALL)
    assert len(scripts) == 2
    for script in scripts:
        done = typed(host, f"set -e\n{script}")
        assert done.code == 0, (script, done)
    left.unlink()
    return host


@pytest.mark.nightly
def test_every_block_of_the_migration(with_a_past: ContainerEstate) -> None:
    assert follow(with_a_past, "migration.md") >= 8
