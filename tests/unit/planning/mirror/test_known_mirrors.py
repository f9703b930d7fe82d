"""Which mirrors need no comparison, by the token of the share and what the last sync left."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest

from repoman_tasks.model import Mirrored, Project, Tally
from repoman_tasks.planning.mirror.known_mirrors import Mirrors, is_due, trusted

NOW = "2026-04-28T20:17:03Z"
STATE = Mirrored(NOW, Tally(7), "", "digest", "rules", "root", compared=NOW)
PROJECT = Project("isurus", "isurus", last_sync=NOW, mirror="isurus")
KNOWN = Mirrors({"isurus": STATE, "lamna": STATE}, {}, "t1", "")


def known(
    mirrors: Mirrors = KNOWN,
    project: Project = PROJECT,
    token: str = "t1",
    rules: str = "rules",
    root: str = "root",
) -> bool:
    return trusted(mirrors, project, token, rules, root) is not None


def test_a_mirror_that_is_known() -> None:
    assert known()
    assert known(replace(KNOWN, token="t0", next="t1")), "killed before the state was written"
    assert known(project=replace(PROJECT, last_sync="x"), mirrors=written_before("x"))


def written_before(last_sync: str) -> Mirrors:
    return KNOWN.having({"isurus": replace(STATE, before=last_sync)})


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"mirrors": Mirrors()}, id="no state"),
        pytest.param({"mirrors": replace(KNOWN, open={"isurus": "t1"})}, id="open"),
        pytest.param({"mirrors": replace(KNOWN, token="", next="")}, id="a state without token"),
        pytest.param({"mirrors": KNOWN.having({"isurus": replace(STATE, digest="")})}, id="digest"),
        pytest.param({"token": "t0"}, id="another token"),
        pytest.param({"token": ""}, id="no token"),
        pytest.param({"rules": "others"}, id="other rules"),
        pytest.param({"root": "other"}, id="another folder"),
        pytest.param({"root": ""}, id="no folder"),
        pytest.param({"project": replace(PROJECT, last_sync="2026-01-01T00:00:00Z")}, id="sync"),
        pytest.param({"project": replace(PROJECT, mirror="")}, id="not its mirror"),
        pytest.param({"project": replace(PROJECT, stopped_at=NOW)}, id="stopped"),
    ],
)
def test_a_mirror_that_is_not_known(wrong: dict[str, object]) -> None:
    assert not known(**wrong)  # type: ignore[arg-type]


def test_a_sync() -> None:
    opened = KNOWN.opened(frozenset({"isurus"}), "t1", "t2")
    assert not known(opened), "it is being written"
    lamna = replace(PROJECT, name="lamna")
    assert [known(opened, lamna, token) for token in ("t1", "t2", "t3")] == [True, True, False]
    closing = opened.closing("t2", "t3")
    assert not known(closing, token="t3"), "until all is written down"
    closed = closing.closed({"isurus": STATE}, "t2")
    assert [known(closed, token=token) for token in ("t1", "t2", "t3")] == [False, False, True]


def test_two_syncs_at_the_same_time() -> None:
    """The one that ends first leaves the other's project open."""
    first = KNOWN.opened(frozenset({"isurus"}), "t1", "t2")
    both = first.opened(frozenset({"lamna"}), "t2", "t3")
    done = both.closing("t3", "t4").closed({"isurus": STATE}, "t2")
    assert known(done, token="t4")
    assert not known(done, replace(PROJECT, name="lamna"), "t4")


def test_a_project_that_another_sync_opened_since_stays_open() -> None:
    first = KNOWN.opened(frozenset({"isurus"}), "t1", "t2")
    again = first.opened(frozenset({"isurus"}), "t2", "t3")
    assert not known(again.closing("t3", "t4").closed({"isurus": STATE}, "t2"), token="t4")


def test_another_token_leaves_no_mirror_known() -> None:
    """Also those that this sync does not write."""
    opened = KNOWN.opened(frozenset({"isurus"}), "foreign", "t2")
    closed = opened.closing("t2", "t3").closed({"isurus": STATE}, "t2")
    assert known(closed, token="t3")
    assert not known(closed, replace(PROJECT, name="lamna"), "t3")
    assert not known(opened, replace(PROJECT, name="lamna"), "foreign")


@pytest.mark.parametrize("every", [1, 2, 7, 30])
def test_each_project_is_due_once_in_its_time(every: int) -> None:
    begin = date(2026, 4, 28)
    for name in ("isurus", "lamna", "apus"):
        compared, days = begin, []
        for number in range(1, 5 * every + 1):
            today = begin + timedelta(number)
            if is_due(name, f"{compared}T23:59:59Z", f"{today}T00:00:00Z", every):
                compared = today
                days.append(number)
        assert len(days) == 5
        assert {b - a for a, b in pairwise(days)} == {every}


def test_about_the_same_number_is_due_every_day() -> None:
    names = [f"project-{number}" for number in range(700)]
    due = [is_due(name, "2026-04-28T20:00:00Z", "2026-04-29T20:00:00Z", 7) for name in names]
    assert 70 < sum(due) < 130


def test_every_mirror_is_due_if_all_are_compared_each_time() -> None:
    assert is_due("isurus", NOW, NOW, 0)


@pytest.mark.parametrize("compared", ["", "yesterday", "2027-01-01T00:00:00Z"])
def test_a_time_that_can_t_be_is_due(compared: str) -> None:
    assert is_due("isurus", compared, NOW, 7)
