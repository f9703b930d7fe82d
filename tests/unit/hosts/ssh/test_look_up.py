"""Look up the name of a host whose name server does not answer."""

from __future__ import annotations

import os
import signal
import socket
from threading import Event

import pytest

from repoman_tasks.hosts.ssh import connection_errors
from repoman_tasks.hosts.ssh.fabric_transport import _look_up


def test_a_signal_ends_the_wait_for_a_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    over = Event()

    def ask(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        over.wait()

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    try:
        with pytest.raises(KeyboardInterrupt):
            _look_up("there", 22, socket.AF_UNSPEC, socket.SOCK_STREAM)
    finally:
        over.set()


def test_an_error_of_the_thread_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(*_: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    with pytest.raises(socket.gaierror, match="Temporary failure"):
        _look_up("there", 22, socket.AF_UNSPEC, socket.SOCK_STREAM)


def test_a_name_server_that_does_not_answer_is_no_wrong_name() -> None:
    assert connection_errors.unknown_host("there").cure == "look at the name"
    unsure = connection_errors.unknown_host("there", unsure=True)
    assert unsure.cure == "look at the name, and whether the network is up"
