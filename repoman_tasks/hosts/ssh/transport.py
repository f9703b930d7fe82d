"""The interface of a transport: a connection to a host, and programs on it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Sink, TooManySessions

if TYPE_CHECKING:
    import socket

__all__ = ["ConnectionLost", "RemoteProcess", "SSHTransport", "TooManySessions"]


class ConnectionLost(Failed):
    """The connection, or the program on the remote host, ended."""


class RemoteProcess(ABC):
    """A program on the remote host, with pipes to its streams."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Write to its standard input. Raise Lost if it reads no more."""

    @abstractmethod
    def end_input(self) -> None:
        """End its standard input. Raise Lost if it has ended."""

    @abstractmethod
    def receive(self, seconds: float) -> tuple[bytes, bytes]:
        """Return new standard output and standard error, both empty after `seconds`.

        Raise Lost if both have ended.
        """

    @abstractmethod
    def close(self) -> None:
        """Close it. Its standard input ends, on which repoman's shells end what they run."""


class SSHTransport(ABC):
    """A connection to a host."""

    typed: str
    """The arguments of `ssh` that reach the host, as a person types them."""

    @abstractmethod
    def start(self, command: str) -> RemoteProcess:
        """Start a command of the login shell. Raise TooMany if no more sessions are allowed."""

    def start_silent(self, command: str) -> RemoteProcess:
        """Start a command that may never print anything; `receive` may raise TooMany, too."""
        return self.start(command)

    @abstractmethod
    def lives(self) -> bool:
        """Return True if the connection has not ended."""

    @abstractmethod
    def hand_over(self, command: str) -> int:
        """Run a command on this terminal, or these streams; return its exit status."""

    @abstractmethod
    def relay(self, command: str, out: Sink, err: Sink) -> int:
        """Run a command as `Host.relay` runs a program; return its exit status."""

    @abstractmethod
    def carry(self, command: str, connection: socket.socket) -> tuple[int, bytes]:
        """Run a command as `Host.carry` runs a program; return its exit status and the end of
        standard error. Raise TooMany if no more sessions are allowed."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection, which ends all programs on it."""
