"""Damage is told from changes, and samples go round."""

from __future__ import annotations

import pytest

from repoman_tasks.model import Project, Verified
from repoman_tasks.planning.mirror.damage import (
    ABSENT,
    DIFFERENT,
    EXTRA,
    choose_samples,
    due_for_proof,
    is_damage,
)

SYNCED, SINCE = 100, 200
"""Ctimes before and after the last sync."""


@pytest.mark.parametrize(
    ("path", "how", "ctimes", "damaged"),
    [
        pytest.param(b"a/b", DIFFERENT, {b"a/b": SYNCED}, True, id="the repo did not change it"),
        pytest.param(b"a/b", DIFFERENT, {b"a/b": SINCE}, False, id="the repo changed it"),
        pytest.param(b"a/b", DIFFERENT, {}, False, id="it has just vanished"),
        pytest.param(b"", DIFFERENT, {b"": SYNCED}, True, id="the repo's own folder"),
        pytest.param(b"a/b", ABSENT, {b"a": SINCE, b"a/b": SYNCED}, True, id="lost"),
        pytest.param(b"n/b", ABSENT, {b"n": SINCE, b"n/b": SYNCED}, False, id="moved with n"),
        pytest.param(b"a/b", ABSENT, {b"a": SYNCED, b"a/b": SINCE}, False, id="new"),
        pytest.param(b"a/b", EXTRA, {b"a": SYNCED, b"": SINCE}, True, id="added"),
        pytest.param(b"a/b", EXTRA, {b"a": SINCE, b"": SYNCED}, False, id="deleted in the repo"),
        pytest.param(b"a/b/c", EXTRA, {b"": SINCE}, False, id="deleted with its folders"),
    ],
)
def test_damage(path: bytes, how: str, ctimes: dict[bytes, int], damaged: bool) -> None:
    assert is_damage(path, how, {b"n", b"n/b", b"a/b"}, ctimes, SYNCED) is damaged


FILES = [(f"{number:02}", 0) for number in range(40)]


def test_samples_take_turns() -> None:
    after, seen = "", []
    for _ in range(4):
        samples = list(choose_samples(FILES, after, 25, at_once=3))
        assert [len(sample.paths) for sample in samples] == [3, 3, 3, 1]
        seen += [path for sample in samples for path in sample.paths]
        after = samples[-1].after
    assert seen == [path for path, _ in FILES]
    assert (samples[-1].proven, after) == (100, "")


def test_a_large_file_is_a_sample_of_its_own() -> None:
    files = [("a", 1 << 40), ("b", 1), ("c", 1)]
    (sample,) = choose_samples(files, "", 10, at_once=100)
    assert (sample.paths, sample.after, sample.proven) == (("a",), "a", 99)


def test_an_interrupted_sample_goes_on_where_it_stopped() -> None:
    first = next(choose_samples(FILES, "", 100, at_once=10))
    assert (first.proven, first.after) == (25, "09")
    rest = list(choose_samples(FILES, first.after, 100, at_once=10))
    assert [sample.after for sample in rest] == ["19", "29", ""]


def test_a_round_begins_anew_if_the_files_behind_it_are_gone() -> None:
    (sample,) = choose_samples(FILES[:3], "30", 100, at_once=10)
    assert sample.paths == ("00", "01", "02")
    assert next(choose_samples([], "", 10, at_once=10)).proven == 100


def test_the_oldest_proof_is_renewed_first() -> None:
    projects = [Project(name) for name in ("today", "never", "old", "reborn")]
    known = {
        "today": Verified("2026-04-28T03:00:00Z"),
        "old": Verified("2026-04-01T03:00:00Z"),
        "reborn": Verified("2026-04-28T03:00:00Z", created="2025-01-01T00:00:00Z"),
    }
    due = due_for_proof(projects, known, "2026-04-28T20:00:00Z", 7)
    assert [project.name for project in due] == ["never", "reborn", "old"]
