"""Connect this terminal, or these streams, to a program on the remote host."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from repoman_tasks.hosts.base import KEPT_BYTES, Sink
from repoman_tasks.hosts.processes import reader_check
from repoman_tasks.hosts.ssh.connection_errors import no_terminal
from repoman_tasks.hosts.ssh.transport import ConnectionLost

if TYPE_CHECKING:
    from paramiko import Channel

__all__ = ["attach", "carry", "relay"]

_CHUNK = 1 << 18


def attach(channel: Channel, command: str, heard: Callable[[], None]) -> int:
    """Run `command` on `channel` with this process's streams; return its exit status.

    If they are a terminal, the command gets one of the same type and size, and all keys. `heard`
    is called for each output.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return _attached(channel, command, heard)
    from paramiko import SSHException

    size = shutil.get_terminal_size()
    try:
        channel.get_pty(os.environ.get("TERM", "dumb"), size.columns, size.lines)
    except (SSHException, EOFError, OSError):
        raise no_terminal() from None
    with _resized(channel), _raw():
        return _attached(channel, command, heard)


def _attached(channel: Channel, command: str, heard: Callable[[], None]) -> int:
    out, err = partial(_write, 1), partial(_write, 2)
    return _run(channel, command, heard, out, err, lambda: None, _read_input)


def relay(channel: Channel, command: str, heard: Callable[[], None], out: Sink, err: Sink) -> int:
    """Run `command` on `channel` as `Host.relay` does; `heard` is called for each output."""
    return _run(channel, command, heard, out, err, reader_check(), _read_input)


def carry(
    channel: Channel, command: str, heard: Callable[[], None], connection: socket.socket
) -> tuple[int, bytes]:
    """Run `command` on `channel` with `connection` as its standard input and output.

    Return its exit status and the end of standard error.
    """
    said = b""

    def keep(data: bytes) -> None:
        nonlocal said
        said = (said + data)[-KEPT_BYTES:]

    take = partial(connection.recv, _CHUNK)
    try:
        code = _run(channel, command, heard, connection.sendall, keep, lambda: None, take)
    except OSError:  # nobody reads from the connection any more
        code = 0
    finally:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)  # ends the thread that reads
    return code, said


def _run(
    channel: Channel,
    command: str,
    heard: Callable[[], None],
    out: Sink,
    err: Sink,
    check: Callable[[], None],
    take: Callable[[], bytes],
) -> int:
    """Run `command`; `take` returns the next part of its standard input, empty at the end."""
    channel.exec_command(command)
    threading.Thread(target=_feed, args=(channel, take), daemon=True).start()
    try:
        _pass_on(channel, heard, out, err, check)
    except BaseException:
        channel.close()
        raise
    code: int = channel.recv_exit_status()
    if code < 0:
        raise ConnectionLost("the connection broke, or a signal ended the program", "repeat")
    return code


def _read_input() -> bytes:
    return os.read(0, _CHUNK)


def _feed(channel: Channel, take: Callable[[], bytes]) -> None:
    """Pass on standard input until it or the program ends."""
    with contextlib.suppress(OSError, EOFError):
        while data := take():
            channel.sendall(data)
        channel.shutdown_write()


def _pass_on(
    channel: Channel,
    heard: Callable[[], None],
    out: Sink,
    err: Sink,
    check: Callable[[], None],
) -> None:
    """Pass on the output until both streams have ended; `check` may raise in between."""
    poll = select.poll()
    poll.register(channel.fileno(), select.POLLIN)
    while True:
        ended = channel.eof_received or channel.closed
        more_out, more_err = channel.recv_ready(), channel.recv_stderr_ready()
        if more_out:
            out(channel.recv(_CHUNK))
        if more_err:
            err(channel.recv_stderr(_CHUNK))
        if more_out or more_err:
            heard()
        elif ended:
            return
        else:
            poll.poll(1000)
        check()


def _write(number: int, data: bytes) -> None:
    while data:
        data = data[os.write(number, data) :]


@contextlib.contextmanager
def _raw() -> Iterator[None]:
    """Switch the terminal to raw mode: all keys are passed on, Ctrl-C and Ctrl-Z included."""
    before = termios.tcgetattr(0)
    try:
        tty.setraw(0, termios.TCSADRAIN)  # keeps what was typed ahead
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


@contextlib.contextmanager
def _resized(channel: Channel) -> Iterator[None]:
    """Pass on changes of the window's size."""

    def resize(*_: object) -> None:
        size = shutil.get_terminal_size()
        with contextlib.suppress(OSError, EOFError):
            channel.resize_pty(size.columns, size.lines)

    before = signal.signal(signal.SIGWINCH, resize)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
