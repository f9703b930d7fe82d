"""A connection to another host, and a program on its other side: what each transport provides."""

from __future__ import annotations

from abc import ABC, abstractmethod

from repoman_tasks.errors import Failed

__all__ = ["Line", "Lost", "TooMany", "Wire"]


class Lost(Failed):
    """The connection broke, or the program on the other side ended."""


class TooMany(Failed):
    """The other side lets no more programs run over this connection."""


class Wire(ABC):
    """A program on the other side, with pipes to its three streams."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Write to its standard input. `Lost` where it reads no more."""

    @abstractmethod
    def receive(self, seconds: float) -> tuple[bytes, bytes]:
        """What came on standard output and standard error; both empty after `seconds`.

        `Lost` where both have ended.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of it. Its standard input ends, by which a shell of ours ends what it runs."""


class Line(ABC):
    """One connection to a host."""

    @abstractmethod
    def start(self, command: str) -> Wire:
        """Start a command of the login shell. `TooMany` where it lets no more run."""

    @abstractmethod
    def hand_over(self, command: str) -> int:
        """Give this terminal, or these streams, to a command until it ends; its exit status."""

    @abstractmethod
    def close(self) -> None:
        """End the connection, and with it all that runs over it."""
