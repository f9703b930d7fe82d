"""Connect by Fabric, which implements SSH itself and needs no ssh program."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import select
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Sink
from repoman_tasks.hosts.local import LocalHost, Pipe
from repoman_tasks.hosts.processes import waits
from repoman_tasks.hosts.ssh import connection_errors, host_keys, ssh_settings
from repoman_tasks.hosts.ssh.authentication import Question, forward_agent, strategy
from repoman_tasks.hosts.ssh.ssh_settings import SshConfig
from repoman_tasks.hosts.ssh.tokens import split_command
from repoman_tasks.hosts.ssh.transport import ConnectionLost, RemoteProcess, SSHTransport
from repoman_tasks.model import Address

if TYPE_CHECKING:
    from fabric import Connection
    from paramiko import Channel, Transport

__all__ = ["FabricTransport"]

_Found = tuple[int, int, int, str, Any]
"""An address, as getaddrinfo gives it."""

_CONNECT_SECONDS = 10
_BANNER_SECONDS = 15
_AUTH_SECONDS = 60
"""Time limit of a login that may prompt."""
_CHANNEL_SECONDS = 20
_PULSE_SECONDS = 10.0
"""Interval of keepalive requests."""
_SILENCE_SECONDS = 30.0
"""Time without any answer after which the connection is given up."""
_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
_POLL_SECONDS = 0.1
_CHUNK = 1 << 16
_WINDOW = 16 << 20
"""Window size in bytes: what the server may send before the first byte is read."""
_REFUSED = (1, 2)
"""Code of SSH for a session that is not allowed (RFC 4254, section 5.1), such as one too many."""

_REASON_TAKEN = "Unable to open channel."
"""Message of Paramiko if several threads were refused a session at once. It keeps one reason for
all of them, and the first to look takes it (`Transport.get_exception`)."""


class FabricTransport(SSHTransport):
    """An SSH connection by Fabric, through its gateways."""

    def __init__(self, address: Address, here: LocalHost, ask: Question) -> None:
        # Our sentences say what Paramiko logs; without a handler it goes to stderr.
        logging.getLogger("paramiko").addHandler(logging.NullHandler())
        self.typed = ssh_settings.typed(address)
        self._here = here
        self._gates: list[Connection] = []
        self._pipes: list[Pipe] = []
        # Ctrl-C may leave a thread behind that still connects; its programs must not stay.
        atexit.register(here.close)
        try:
            for config in ssh_settings.route(address, here):
                self._open(config, address, ask)
        except BaseException:
            self.close()
            raise
        self._connection = self._gates[-1]
        self._pulse = _Pulse(self._connection.transport)
        self._agent = config.forwarded_agent

    def start(self, command: str) -> RemoteProcess:
        return FabricProcess(self._session(), command, self._pulse)

    def hand_over(self, command: str) -> int:
        from repoman_tasks.hosts.ssh.remote_terminal import attach

        return attach(self._session(), command, self._pulse.heard)

    def relay(self, command: str, out: Sink, err: Sink) -> int:
        from repoman_tasks.hosts.ssh.remote_terminal import relay

        return relay(self._session(), command, self._pulse.heard, out, err)

    def carry(self, command: str, connection: socket.socket) -> tuple[int, bytes]:
        from repoman_tasks.hosts.ssh.remote_terminal import carry

        return carry(self._session(), command, self._pulse.heard, connection)

    def lives(self) -> bool:
        return self._pulse.ask()

    def close(self) -> None:
        for connection in reversed(self._gates):
            connection.client.close()  # also one that is only half open
        for pipe in self._pipes:
            pipe.close()
        self._here.close()
        atexit.unregister(self._here.close)

    def _open(self, config: SshConfig, address: Address, ask: Question) -> None:
        """Connect to the next host on the way, through the one before it."""
        connection = _connection(config, self._gates[-1] if self._gates else False, ask)
        host_keys.check_key(connection, config, address)
        self._gates.append(connection)
        told = waits.during(f"{config.hostname}, port {config.port}")
        with _sentences(config, address, self._pipes), told:
            if config.proxy_command:
                connection.connect_kwargs["sock"] = self._proxy(config, address)
            elif not config.proxy_jump:
                connection.connect_kwargs["sock"] = _dial(config)
            connection.open()

    def _proxy(self, config: SshConfig, address: Address) -> socket.socket:
        """Return the connection that ProxyCommand makes."""
        argv = split_command(config.proxy_command, config.tokens)
        if not argv:
            where = f"{config.hostname}, port {config.port}"
            raise connection_errors.needs_shell(where, address.name)
        self._pipes.append(self._here.pipe(argv))
        return self._pipes[-1].end

    def _session(self) -> Channel:
        from paramiko import ChannelException, SSHException

        try:
            made = self._connection.transport.open_session(
                window_size=_WINDOW, timeout=_CHANNEL_SECONDS
            )
            agent, self._agent = self._agent, ""  # once: sshd gives no second
            if os.path.exists(agent):
                forward_agent(made, agent)
        except ChannelException as error:
            if error.code in _REFUSED:
                raise connection_errors.too_many() from None
            raise Failed(f"it starts no program, {error}", "look at its sshd") from None
        except (SSHException, EOFError, OSError) as error:
            if str(error) == _REASON_TAKEN:
                raise connection_errors.too_many() from None
            raise self._pulse.lost(error) from None
        return made


class FabricProcess(RemoteProcess):
    """A program on the remote host, over a Fabric connection."""

    def __init__(self, channel: Channel, command: str, pulse: _Pulse) -> None:
        from paramiko import SSHException

        self._channel = channel
        self._pulse = pulse
        self._poll = select.poll()
        self._poll.register(channel.fileno(), select.POLLIN)
        try:
            channel.exec_command(command)
        except (SSHException, EOFError, OSError) as error:
            raise pulse.lost(error) from None

    def send(self, data: bytes) -> None:
        try:
            self._channel.sendall(data)
        except (OSError, EOFError) as error:
            raise self._pulse.lost(error) from None

    def end_input(self) -> None:
        try:
            self._channel.shutdown_write()
        except (OSError, EOFError) as error:
            raise self._pulse.lost(error) from None

    def receive(self, seconds: float) -> tuple[bytes, bytes]:
        channel = self._channel
        if not (channel.recv_ready() or channel.recv_stderr_ready()):
            ended = channel.closed or channel.eof_received
            if ended and not (channel.recv_ready() or channel.recv_stderr_ready()):
                raise self._pulse.lost()
            self._poll.poll(seconds * 1000)
        out = channel.recv(_CHUNK) if channel.recv_ready() else b""
        err = channel.recv_stderr(_CHUNK) if channel.recv_stderr_ready() else b""
        if out or err:
            self._pulse.heard()
        return out, err

    def close(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            self._channel.close()


class _Pulse:
    """Sends keepalive requests, and closes the connection if the server falls silent.

    The kernel alone would not: the host behind a gateway, or sshd, may stand still.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._quiet = 0.0
        """Seconds without an answer, not counting those in which this process was stopped."""
        self._silent = False
        for work in (self._ask, self._listen):
            threading.Thread(target=work, daemon=True).start()

    def heard(self) -> None:
        """Note that something arrived."""
        self._quiet = 0.0

    def lost(self, error: Exception | None = None) -> ConnectionLost:
        """Return the error for the broken connection."""
        if self._silent:
            return connection_errors.lost(f"nothing came for {_SILENCE_SECONDS:g} s")
        return connection_errors.lost(str(error) if error else "")

    def ask(self) -> bool:
        """Wait for an answer of the server; return False if the connection ends before."""
        with contextlib.suppress(OSError, EOFError):
            # Every SSH server answers what it does not know, too (RFC 4254, section 4).
            self._transport.global_request("keepalive@openssh.com", wait=True)
        return bool(self._transport.is_active())

    def _ask(self) -> None:
        while self._transport.is_active():
            if self.ask():
                self.heard()
            time.sleep(_PULSE_SECONDS)

    def _listen(self) -> None:
        while self._transport.is_active():
            time.sleep(_PULSE_SECONDS / 10)
            self._quiet += _PULSE_SECONDS / 10
            if self._quiet > _SILENCE_SECONDS:
                self._silent = True
                self._transport.close()


def _look_up(host: str, port: int, family: int, kind: int) -> Sequence[_Found]:
    """Return what getaddrinfo does, which a signal can't interrupt, by a thread."""
    results = list[Sequence[_Found] | Exception]()

    def look() -> None:
        try:
            results.append(socket.getaddrinfo(host, port, family, kind))
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_POLL_SECONDS)
    if isinstance(results[0], Exception):
        raise results[0]
    return results[0]


def _dial(config: SshConfig) -> socket.socket:
    """Return a TCP connection to the first address that takes one, as ssh tries them."""
    failed = OSError("it has no address")
    family = _FAMILIES.get(config.address_family, socket.AF_UNSPEC)
    found = _look_up(config.hostname, config.port, family, socket.SOCK_STREAM)
    for its_family, kind, protocol, _, address in found:
        made = socket.socket(its_family, kind, protocol)
        try:
            made.settimeout(config.connect_timeout or _CONNECT_SECONDS)
            if config.bind_address:
                made.bind((config.bind_address, 0))
            made.connect(address)
        except OSError as error:
            made.close()
            failed = error
        else:
            return made
    raise failed


def _connection(config: SshConfig, gateway: Connection | bool, ask: Question) -> Connection:
    """Return a connection by `config` alone: a user's fabric.py is for other programs."""
    from fabric import Config, Connection

    own = Config(overrides={"authentication": {"strategy_class": strategy(config, ask)}}, lazy=True)
    made = Connection(
        config.hostname,
        user=config.user,
        port=config.port,
        config=own,
        gateway=gateway,
        connect_timeout=config.connect_timeout or _CONNECT_SECONDS,
    )
    made.connect_kwargs = {  # without the keys, which `strategy` brings
        "banner_timeout": _BANNER_SECONDS,
        "auth_timeout": _AUTH_SECONDS,
        "channel_timeout": _CHANNEL_SECONDS,
    }
    return made


@contextlib.contextmanager
def _sentences(config: SshConfig, address: Address, pipes: list[Pipe]) -> Iterator[None]:
    """Raise our own errors for those that come while a connection is opened."""
    from paramiko import AuthenticationException, SSHException

    where = f"{config.hostname}, port {config.port}"
    typed = ssh_settings.typed(address)
    try:
        yield
    except AuthenticationException:
        denied = connection_errors.denied(config.user, where, typed)
        raise connection_errors.or_by_ssh(denied, address.name) from None
    except socket.gaierror as error:
        unsure = error.errno == socket.EAI_AGAIN
        raise connection_errors.unknown_host(config.hostname, unsure=unsure) from None
    except UnicodeError:  # Python can't encode names such as a..b
        raise connection_errors.unknown_host(config.hostname) from None
    except TimeoutError:
        raise connection_errors.no_answer(where) from None
    except ConnectionRefusedError:
        raise connection_errors.refused(where) from None
    except (SSHException, EOFError, OSError) as error:
        told = pipes[-1].complaint() if config.proxy_command and pipes else ""
        said = told or str(error) or type(error).__name__
        failed = connection_errors.no_connection(where, said, typed)
        raise connection_errors.or_by_ssh(failed, address.name) from None
