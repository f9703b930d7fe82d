"""The address that the name of a forwarded port leads to."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from repoman_tasks.actions.port_forwarding import leads_here
from tests.support.processes import WAIT_SECONDS

HERE, HERE6, ELSEWHERE = ("127.0.0.1", 0), ("::1", 0, 0, 0), ("192.0.2.7", 0)


@pytest.mark.parametrize(
    ("found", "here"),
    [([HERE, HERE6], True), ([HERE], True), ([HERE, ELSEWHERE], False), ([], False)],
)
def test_a_name_leads_here_by_all_its_addresses(
    monkeypatch: pytest.MonkeyPatch, found: list[Any], here: bool
) -> None:
    def answer(*_: object, **__: object) -> list[Any]:
        if not found:
            raise socket.gaierror
        return [(0, 0, 0, "", address) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    assert leads_here("isurus.localhost", WAIT_SECONDS) is here


def test_a_resolver_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def answer(*_: object, **__: object) -> list[Any]:
        ended.wait()
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    try:
        assert not leads_here("isurus.localhost", 0.0)
    finally:
        ended.set()
