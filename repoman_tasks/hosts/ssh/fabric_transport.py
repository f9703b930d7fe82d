"""A connection by Fabric, which brings SSH itself: nothing of the system's ssh is needed."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.ssh import connection_errors, host_keys
from repoman_tasks.hosts.ssh.authentication import Question, strategy
from repoman_tasks.hosts.ssh.transport import Line, Lost, Wire
from repoman_tasks.model import Address

if TYPE_CHECKING:
    from fabric import Connection
    from paramiko import Channel, Transport

__all__ = ["FabricLine"]

_CONNECT_SECONDS = 10
_BANNER_SECONDS = 15
_AUTH_SECONDS = 60
"""A person may be asked for something."""
_CHANNEL_SECONDS = 20
_PULSE_SECONDS = 10.0
"""How often the other side is asked whether it is there."""
_SILENCE_SECONDS = 30.0
"""How long it may say nothing at all."""
_CHUNK = 1 << 16
_WINDOW = 16 << 20
"""Bytes that may be on their way to us before we have taken the first of them."""
_REFUSED = (1, 2)
"""How SSH says that no program is let run (RFC 4254, section 5.1), as when it is one too many."""


class FabricLine(Line):
    """One SSH connection, through its gateways."""

    def __init__(self, address: Address, ask: Question) -> None:
        # What Paramiko logs of errors is said by ours; without a handler it goes to stderr.
        logging.getLogger("paramiko").addHandler(logging.NullHandler())
        self._connection = _connection(address, ask)
        try:
            with _sentences(self._connection, address.name):
                self._connection.open()
        except BaseException:
            self.close()
            raise
        self._pulse = _Pulse(self._connection.transport)
        self._forwards = bool(self._connection.forward_agent)

    def start(self, command: str) -> Wire:
        return FabricWire(self._session(), command, self._pulse)

    def hand_over(self, command: str) -> int:
        from repoman_tasks.hosts.ssh.remote_terminal import attach

        return attach(self._session(), command, self._pulse.heard)

    def close(self) -> None:
        for connection in _chain(self._connection):
            connection.client.close()  # also one that is only half open

    def _session(self) -> Channel:
        from paramiko import ChannelException, SSHException

        try:
            if self._forwards:  # one for all: sshd gives no second
                self._forwards = False
                return self._connection.create_session()
            return self._connection.transport.open_session(
                window_size=_WINDOW, timeout=_CHANNEL_SECONDS
            )
        except ChannelException as error:
            if error.code in _REFUSED:
                raise connection_errors.too_many() from None
            raise Failed(f"it starts no program, {error}", "look at its sshd") from None
        except (SSHException, EOFError, OSError) as error:
            raise self._pulse.lost(error) from None


class FabricWire(Wire):
    """A program on the other side of a Fabric connection."""

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
    """Notices that the other side has fallen silent, and ends the connection then.

    The kernel alone would not: the host behind a gateway, or sshd, may stand still.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._quiet = 0.0
        """Seconds without anything, those aside in which this program was stopped."""
        self._silent = False
        for work in (self._ask, self._listen):
            threading.Thread(target=work, daemon=True).start()

    def heard(self) -> None:
        """Something came."""
        self._quiet = 0.0

    def lost(self, error: Exception | None = None) -> Lost:
        """What is said of the connection once it broke."""
        if self._silent:
            return connection_errors.lost(f"nothing came for {_SILENCE_SECONDS:g} s")
        return connection_errors.lost(str(error) if error else "")

    def _ask(self) -> None:
        while self._transport.is_active():
            with contextlib.suppress(OSError, EOFError):
                # Every SSH server answers what it does not know, too (RFC 4254, section 4).
                self._transport.global_request("keepalive@openssh.com", wait=True)
            if self._transport.is_active():
                self.heard()
            time.sleep(_PULSE_SECONDS)

    def _listen(self) -> None:
        while self._transport.is_active():
            time.sleep(_PULSE_SECONDS / 10)
            self._quiet += _PULSE_SECONDS / 10
            if self._quiet > _SILENCE_SECONDS:
                self._silent = True
                self._transport.close()


def _chain(connection: Any) -> Iterator[Connection]:
    """The connection and its gateways."""
    while connection is not None and not isinstance(connection, str):
        yield connection
        connection = connection.gateway


def _connection(address: Address, ask: Question) -> Connection:
    from fabric import Config, Connection

    overrides = {
        "authentication": {
            "strategy_class": strategy(ask),
            "identities": [os.path.expanduser(address.identity)] if address.identity else [],
        },
        "timeouts": {"connect": _CONNECT_SECONDS},
    }
    config = Config(overrides=overrides, lazy=True)  # a person's fabric.py is of other programs
    config.load_ssh_config()
    made = Connection(
        address.address or address.name,
        user=address.user or None,
        port=address.port or None,
        config=config,
    )
    for connection in _chain(made):
        connection.connect_kwargs = {  # without the keys, which `strategy` brings
            "banner_timeout": _BANNER_SECONDS,
            "auth_timeout": _AUTH_SECONDS,
            "channel_timeout": _CHANNEL_SECONDS,
        }
    host_keys.check_keys(made, address.name)
    return made


@contextlib.contextmanager
def _sentences(connection: Connection, name: str) -> Iterator[None]:
    """What goes wrong while a connection is opened, in our words."""
    from paramiko import AuthenticationException, BadHostKeyException, SSHException
    from paramiko.ssh_exception import NoValidConnectionsError

    where = f"{connection.host}, port {connection.port}"
    try:
        yield
    except BadHostKeyException as error:
        shown = host_keys.shown(error.key)
        raise connection_errors.key_changed(error.hostname, shown, name) from None
    except AuthenticationException:
        raise connection_errors.denied(connection.user, where, name) from None
    except socket.gaierror:
        raise connection_errors.unknown_host(connection.host) from None
    except TimeoutError:
        raise connection_errors.no_answer(where) from None
    except NoValidConnectionsError:
        raise connection_errors.refused(where) from None
    except (SSHException, EOFError, OSError) as error:
        said = str(error) or type(error).__name__
        raise connection_errors.no_connection(where, said, name) from None
