"""`git-remote-repoman`: git's remote helper for `repoman::NAME` and `repoman::HOST/NAME`.

git starts it with the name and the URL of a remote (gitremote-helpers(7)). It runs the other side
of a fetch or push in the project's container and passes the packets on, so that git on this host
reads no file that was written there.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Sequence
from typing import NamedTuple

from invoke.exceptions import Exit

from repoman_tasks.actions.container_entry import ready_project
from repoman_tasks.actions.facts import containers, incus, person, reconcile
from repoman_tasks.cli.connections import Connections
from repoman_tasks.cli.exits import exit_on_error
from repoman_tasks.errors import Failed, Refused, UsageError, one_line, quoted
from repoman_tasks.hosts.base import Host, Unread
from repoman_tasks.hosts.signals import take_signals
from repoman_tasks.journal import Journal
from repoman_tasks.planning.git_packets import PacketFilter, ReceivePackFilter, UploadPackFilter
from repoman_tasks.session import Session
from repoman_tasks.terminal.prompter import Prompter
from repoman_tasks.terminal.screen import Screen
from repoman_tasks.terminal.streams import open_streams
from repoman_tasks.tools.guest import GuestHandle, enter_argv

__all__ = ["run"]

_COMMAND = "git-remote-repoman"
_UPLOAD, _RECEIVE = "git-upload-pack", "git-receive-pack"
_CHECKS = ("git", "config", "--type=bool", "--get-regexp", r"^(fetch|transfer)\.fsckobjects$")
_MOST_SAID = 4096
"""Most bytes of standard error to show, the last ones."""
_NOT_FOUND, _NOT_ENTERED = 127, 125


class _Remote(NamedTuple):
    """A remote as git names it, and the container that it stands for."""

    title: str
    """Its name in git, or its URL if it has none."""
    host: str
    """Empty for this host."""
    name: str


def run(argv: Sequence[str]) -> int:
    """Serve git, which passes the name and the URL of the remote; return the exit code."""
    open_streams()
    try:
        # After Ctrl-C, git sends its helpers SIGTERM at once.
        signals = take_signals(once=True)
        with exit_on_error(debug=False), signals, Connections(dry=False) as connections:
            return _serve(_parse_remote(argv), connections)
    except Exit as end:
        print(end.message, file=sys.stderr)
        return end.code


def _parse_remote(argv: Sequence[str]) -> _Remote:
    if len(argv) != 2:
        raise UsageError(f"{_COMMAND} is run by git", "use `git fetch repoman::NAME`")
    title, url = argv
    host, slash, name = re.sub("^repoman:(:|//)", "", url).rpartition("/")
    if not name or "/" in host or (slash and not host.strip(".")):  # `..` is that of a path
        raise UsageError(f"{url!r} names no project", "use repoman::NAME or repoman::HOST/NAME")
    return _Remote(title, host, name)


def _serve(remote: _Remote, connections: Connections) -> int:
    """Answer git's commands until it connects."""
    while line := _read_line():
        if line == "capabilities":
            _write(b"connect\n\n")
        elif line in (f"connect {_UPLOAD}", f"connect {_RECEIVE}"):
            return _connect(remote, line.partition(" ")[2], connections)
        else:
            _write(b"fallback\n")
    return 0


def _connect(remote: _Remote, service: str, connections: Connections) -> int:
    """Run `service` in the container, connected to git."""
    prompter = Prompter(_COMMAND, yes=False, no_input=True)
    if service == _UPLOAD:
        with connections.open("", prompter, needs_holder=False) as here:
            _check_fsck(here, remote)
    with (
        Journal(_COMMAND, {"name": remote.name}) as journal,
        connections.open(remote.host, prompter, needs_holder=False) as host,
    ):
        host.observer = journal.observer(remote.host)
        session = Session(host, prompter, Screen(remote.host))
        with session.stack:
            return journal.ended(_run_inside(session, remote, service))


def _check_fsck(here: Host, remote: _Remote) -> None:
    """Raise Refused unless git checks what it fetches; a helper can't make it do so.

    `git ls-remote` outside of a repo fetches nothing.
    """
    if "GIT_DIR" not in here.environ:
        return
    lines = here.read(_CHECKS).text.splitlines()
    found = dict(line.split(" ", 1) for line in lines)
    if found.get("fetch.fsckobjects", found.get("transfer.fsckobjects")) != "true":
        # Where one is false, only the stronger key helps, in the repo itself.
        config = "fetch.fsckObjects" if found else "--global transfer.fsckObjects"
        address = f"{remote.host}/{remote.name}" if remote.host else remote.name
        clone = f"git clone -c fetch.fsckObjects=true {quoted(f'repoman::{address}')}"
        raise Refused(
            "git does not check the objects that it fetches",
            f"`git config {config} true`, or for one clone `{clone}`",
        )


def _run_inside(session: Session, remote: _Remote, service: str) -> int:
    session.submit(reconcile)
    session.submit(containers)
    session.submit(person)
    project, repo = ready_project(session, remote.name, "", "exec")
    handle = GuestHandle(session.of(incus), project.name, session.of(person))
    argv = enter_argv(
        *(handle, repo, _service_argv(service, repo)), login=False, terminal="", lang=""
    )
    packets = (UploadPackFilter if service == _UPLOAD else ReceivePackFilter)(project.name)
    pump = _Pump(packets)
    code = 0
    with contextlib.suppress(Unread, BrokenPipeError):  # git has what it needs, or was killed
        code = session.host.relay(argv, pump.out, pump.err)
        pump.check_begun(project.name, code)
    pump.show_said()
    if isinstance(packets, ReceivePackFilter) and packets.checked_out:
        session.screen.note(_checked_out(remote))
    return 1 if code else 0


def _service_argv(service: str, repo: str) -> list[str]:
    """Return the argv of git in the container, whatever the repo's configuration says."""
    if service == _UPLOAD:
        return ["env", "GIT_PROTOCOL=version=2", "git", "upload-pack", repo]
    return ["git", "-c", "receive.denyCurrentBranch=refuse", "receive-pack", repo]


def _checked_out(remote: _Remote) -> str:
    push = f"git push {quoted(remote.title)} HEAD:refs/heads/incoming"
    merge = f"repoman exec {quoted(remote.name)} -- git merge incoming"
    return f"the branch is checked out in {remote.name}: `{push}`, then `{merge}`"


class _Pump:
    """Passes on to git what a program in the container prints."""

    def __init__(self, packets: PacketFilter) -> None:
        self._packets = packets
        self._begun = False
        self._said = b""

    def out(self, data: bytes) -> None:
        """Pass on packets. Before the first one, say that the connection stands."""
        passed = self._packets.feed(data)
        if passed:
            _write(passed if self._begun else b"\n" + passed)
            self._begun = True

    def err(self, data: bytes) -> None:
        """Keep the end of standard error."""
        self._said = (self._said + data)[-_MOST_SAID:]

    def check_begun(self, name: str, code: int) -> None:
        """Raise the error of a program that exited with `code` and sent no packet."""
        if self._begun:
            return
        if code == _NOT_FOUND:
            cure = (
                f"install it, for example `repoman exec {quoted(name)} -- sudo apt-get install git`"
            )
            raise Failed(f"there is no git in {name}", cure)
        said = self._lines()[-1:] or [f"exit status {code}"]
        what = f"{name} can't be entered" if code == _NOT_ENTERED else f"git in {name} failed"
        raise Failed(what, said[0].removeprefix("repoman: "))

    def show_said(self) -> None:
        """Print standard error, as git prints what comes from a remote."""
        for line in self._lines():
            print(f"remote: {one_line(line)}", file=sys.stderr)

    def _lines(self) -> list[str]:
        return self._said.decode(errors="replace").splitlines()


def _read_line() -> str:
    """Return git's next line, byte by byte: what follows is for the program in the container."""
    line = b""
    while (byte := os.read(0, 1)) not in (b"", b"\n"):
        line += byte
    return line.decode(errors="replace")


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]
