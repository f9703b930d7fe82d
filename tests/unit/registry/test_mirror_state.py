"""The state of the mirrors: what can't be read counts as lost, and nothing fails by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.model import Mirrored, Tally
from repoman_tasks.planning.mirror.known_mirrors import Mirrors
from repoman_tasks.registry import MirrorState

ISURUS = Mirrored(
    *("2026-04-28T20:17:03Z", Tally(12, 3, "aa", "bb"), "", "digest", "rules", "root"),
    compared="2026-04-28T20:17:03Z",
    warnings=("FIFO x is not mirrored",),
)
LAMNA = Mirrored("2026-04-29T20:17:03Z", Tally(0))
FULL = Mirrors({"isurus": ISURUS, "lamna": LAMNA}, {"lamna": "t"}, "t", "u", begun={"lamna": "t"})


@pytest.fixture
def state(tmp_path: Path) -> MirrorState:
    return MirrorState(LocalHost({"HOME": str(tmp_path)}), "/home/me/repoman.toml")


def test_states_come_back(state: MirrorState, tmp_path: Path) -> None:
    assert state.load() == Mirrors()
    state.update(lambda known: known.having({"isurus": ISURUS}))
    state.update(lambda known: known.having({"lamna": LAMNA}))
    assert state.load() == Mirrors({"isurus": ISURUS, "lamna": LAMNA})
    assert state.path.startswith(f"{tmp_path}/.local/state/repoman/mirrors/%home%me%repoman.toml/")
    assert Path(state.path).stat().st_mode & 0o777 == 0o600


def test_each_registry_has_its_own(state: MirrorState, tmp_path: Path) -> None:
    state.update(lambda _: Mirrors({"isurus": ISURUS}))
    other = MirrorState(LocalHost({"HOME": str(tmp_path)}), "/home/me/other.toml")
    assert other.load() == Mirrors()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\x00", id="not text"),
        pytest.param(b"[]", id="no table"),
        pytest.param(b'{"schema": 99, "projects": {}}', id="of a newer repoman"),
        pytest.param(b'{"schema": 1, "projects": [1]}', id="another form"),
        pytest.param(b'{"schema": 1, "projects": {"a": 1}}', id="another form inside"),
        pytest.param(b"[" * 100_000, id="nested too deeply"),
        pytest.param(b'{"schema": 1, "projects": {"a": {"last_sync": "x"', id="cut short"),
    ],
)
def test_what_can_t_be_read_is_lost(state: MirrorState, data: bytes) -> None:
    Path(state.folder).mkdir(parents=True)
    Path(state.path).write_bytes(data)
    assert state.load() == Mirrors()


def test_one_that_can_t_be_read_leaves_the_others(state: MirrorState) -> None:
    state.update(lambda _: FULL)
    text = Path(state.path).read_text()
    Path(state.path).write_text(text.replace('"files": 12', '"files": -12'))
    assert state.load() == replace(FULL, projects={"lamna": LAMNA})
