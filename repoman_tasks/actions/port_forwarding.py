"""Listens on loopback, and carries each connection to a port of a container by `incus exec`.

Nothing in Incus changes, so nothing is left behind. What a container sends goes to the program that
has connected, and nowhere else: no byte of it is parsed.
"""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import threading
from collections.abc import Iterator, Sequence

from repoman_tasks.errors import Interrupted, RepomanError, quoted
from repoman_tasks.hosts.base import Result, TooManySessions
from repoman_tasks.planning.forwarding import Forward, in_use, needs_root
from repoman_tasks.terminal.screen import Screen
from repoman_tasks.tools.guest import GuestHandle
from repoman_tasks.tools.guest_relay import NO_SERVER, NO_TOOL, relay_argv

__all__ = ["PortForwarding", "leads_here", "listen"]

_LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""Errors of a machine without IPv6."""
_MOST = 100
"""Connections at the same time; others wait until one ends."""
_BACKLOG = 128
_RETRY_SECONDS = 1.0
_ATTEMPTS = 20
"""Attempts to find a port that is free for both kinds of address."""

Listeners = list[tuple[Forward, list[socket.socket]]]


def leads_here(host: str, seconds: float = 1.0) -> bool:
    """Return True if each address of the name `host` is one of loopback.

    A name without an answer after `seconds` does not: where no DNS server answers, the system asks
    for many seconds.
    """
    found: list[str] = []

    def look() -> None:
        with contextlib.suppress(OSError):
            answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found.extend([str(one[4][0]) for one in answers])

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(found) and set(found) <= set(_LOOPBACK.values())


@contextlib.contextmanager
def listen(name: str, wanted: Sequence[Forward]) -> Iterator[Listeners]:
    """Listen on the loopback addresses; yield each port as it is then, with its sockets.

    Raise Failed, with a port that is free, if another program listens on one.
    """
    with contextlib.ExitStack() as stack:
        found: Listeners = []
        for forward in wanted:
            try:
                sockets = _bind(forward.local)
            except PermissionError:
                raise needs_root(name, wanted, forward) from None
            except OSError:
                raise in_use(name, wanted, forward, _free_port(forward.local)) from None
            for one in sockets:
                stack.enter_context(one)
            found.append((Forward(forward.port, sockets[0].getsockname()[1]), sockets))
        yield found


def _bind(port: int) -> list[socket.socket]:
    """Listen on `port` of both loopback addresses, or on one that is free if it is 0."""
    for attempt in range(_ATTEMPTS):
        first = socket.create_server((_LOOPBACK[socket.AF_INET], port), backlog=_BACKLOG)
        here = (_LOOPBACK[socket.AF_INET6], first.getsockname()[1])
        try:
            second = socket.create_server(here, family=socket.AF_INET6, backlog=_BACKLOG)
        except OSError as error:
            if error.errno in _ABSENT:
                return [first]
            first.close()
            if port or attempt == _ATTEMPTS - 1:
                raise
        else:
            return [first, second]
    raise AssertionError


def _free_port(port: int) -> int:
    """Return the next port that is free, 0 if those that follow are not."""
    for candidate in range(port + 1, min(port + _ATTEMPTS, 65536)):
        with contextlib.suppress(OSError):
            for one in _bind(candidate):
                one.close()
            return candidate
    return 0


class PortForwarding:
    """Carries connections to the ports of one container, each in a thread of its own."""

    def __init__(self, handle: GuestHandle, addresses: Sequence[str], screen: Screen) -> None:
        """`addresses` are those inside, besides loopback."""
        self._handle = handle
        self._addresses = addresses
        self._screen = screen
        self._changed = threading.Condition()
        """Held while what follows changes; notified when a connection ends."""
        self._active = 0
        self._told: dict[int, str] = {}
        """The last note about each port, so that a browser's attempts do not repeat it."""

    def serve(self, listeners: Listeners) -> None:
        """Accept connections, until an exception such as Ctrl-C ends it."""
        with selectors.DefaultSelector() as selector:
            for forward, sockets in listeners:
                for one in sockets:
                    one.setblocking(False)  # who connected may be gone when it is accepted
                    selector.register(one, selectors.EVENT_READ, forward.port)
            while True:
                for key, _ in selector.select():
                    self._accept(key.fileobj, key.data)  # type: ignore[arg-type]

    def _accept(self, listener: socket.socket, port: int) -> None:
        with self._changed:
            while self._active >= _MOST:
                self._changed.wait()
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._active += 1
        connection.setblocking(True)
        threading.Thread(target=self._carry, args=(connection, port), daemon=True).start()

    def _carry(self, connection: socket.socket, port: int) -> None:
        """Carry one connection to its end, and print a note if it did not reach a server."""
        try:
            with connection:
                self._tell(port, self._verdict(port, self._run(connection, port)))
        except Interrupted:  # the command ends
            pass
        except RepomanError as error:
            self._tell(port, str(error))
        finally:
            with self._changed:
                self._active -= 1
                self._changed.notify_all()

    def _run(self, connection: socket.socket, port: int) -> Result:
        """Run the relay. If the host allows no more programs at once, wait until one has ended."""
        argv = relay_argv(self._handle, port, self._addresses)
        while True:
            try:
                return self._handle.incus.host.carry(argv, connection)
            except TooManySessions as error:
                self._tell(port, f"some connections have to wait: {error}")
                with self._changed:
                    self._changed.wait(_RETRY_SECONDS)

    def _verdict(self, port: int, result: Result) -> str:
        """Return the note about how a connection ended, empty if it reached a server."""
        name = self._handle.name
        if result.code == 0:
            return ""
        if result.code == NO_SERVER:
            return f"nothing listens on port {port} in {name}"
        if result.code == NO_TOOL:
            install = f"`repoman exec {quoted(name)} -- sudo apt-get install perl`"
            return f"{name} has no perl, python3 or busybox: install one, for example {install}"
        container = self._handle.incus.container(name)
        if container is None:
            return f"{name} is gone"
        if not container.running:
            return f"{name} is {container.status}: run `repoman start {quoted(name)}`"
        return f"a connection to port {port} in {name} ended early: {result.complaint}"

    def _tell(self, port: int, text: str) -> None:
        with self._changed:
            if text and self._told.get(port) != text:
                self._screen.note(text)
            self._told[port] = text
