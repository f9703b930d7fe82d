from __future__ import annotations

import pytest

from repoman_tasks.planning.container.agents import AGENTS
from repoman_tasks.planning.container.login_findings import (
    login_state,
    shared_login_findings,
    shared_login_state,
    stored_login_findings,
)
from repoman_tasks.planning.container.logins import SharedLogin, StoredLogin

NOW, TODAY = "2026-11-27T12:00:00Z", 1795780800.0
TOKEN, API_KEY = AGENTS[0].keys
FRESH = StoredLogin("claude", "/c.env", exists=True, key=TOKEN, stored="2026-11-01T00:00:00Z")
OLD = StoredLogin("claude", "/c.env", exists=True, key=TOKEN, stored="2025-11-26T00:00:00Z")
OLD_KEY = StoredLogin("claude", "/c.env", exists=True, key=API_KEY, stored="2020-01-01T00:00:00Z")
MISSING = StoredLogin("claude", "/c.env")
OPEN = StoredLogin("claude", "/c.env", exists=True, fault="can be read by others", cure="run `x`")


@pytest.mark.parametrize(
    ("login", "says", "cure"),
    [
        (MISSING, "claude is not logged in, though", "repoman login claude --remove"),
        (OPEN, "the login of claude, /c.env, can be read by others", "run `x`"),
        (OLD, "was stored 366 d ago, and such tokens expire after 365 d", "`repoman login claude`"),
    ],
)
def test_a_login_that_containers_can_not_use(login: StoredLogin, says: str, cure: str) -> None:
    (finding,) = stored_login_findings([login], NOW)
    assert says in finding.what
    assert cure in finding.cure
    assert (finding.problem, finding.kind) == (True, "login")


def test_no_finding_about_a_login_that_is_fresh_or_does_not_expire() -> None:
    assert stored_login_findings([FRESH, OLD_KEY], NOW) == []


def test_the_state_of_a_login_for_the_table() -> None:
    assert login_state(MISSING, NOW) == ""
    assert login_state(OPEN, NOW) == "can be read by others"
    assert login_state(FRESH, NOW) == "token, stored 26 d ago"
    assert login_state(OLD, NOW).endswith(", too old")


@pytest.mark.parametrize(
    ("given", "says", "cure"),
    [
        ({"exists": False}, "does not exist yet", "`repoman shell isurus -- claude auth login`"),
        ({"fault": "belongs to uid 7"}, "/s, belongs to uid 7", "`rm -f /s`"),
        ({"fault": "can be read by others", "cure": "run `y`"}, "by others", "run `y`"),
        ({"usable_until": TODAY}, "has expired", "claude auth login`"),
        (
            {"account": "other", "recorded_account": "mine"},
            "is of organisation other, not of mine",
            "`repoman login claude --shared`; else delete it by `rm -f /s`",
        ),
    ],
)
def test_a_shared_login_that_containers_can_not_use(
    given: dict[str, str], says: str, cure: str
) -> None:
    login = SharedLogin("/s", **{"exists": True, **given})  # type: ignore[arg-type]
    (finding,) = shared_login_findings(login, NOW, "isurus")
    assert says in finding.what
    assert cure in finding.cure


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"usable_until": TODAY + 1},
        {"account": "mine", "recorded_account": "mine"},
        {"recorded_account": "mine"},
        {"account": "mine"},
    ],
)
def test_a_shared_login_that_can_be_used(given: dict[str, str]) -> None:
    login = SharedLogin("/s", **{"exists": True, **given})  # type: ignore[arg-type]
    assert shared_login_findings(login, NOW, "isurus") == []
    assert shared_login_state(login, NOW) == "shared login"
