"""`status --watch` redraws in place, also after a resize, until Ctrl-C."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

import pytest

from tests.support.estate import Estate
from tests.support.terminals import Window, spawn

HEAD = r"^\d\d:\d\d:\d\d, every \d+ s, Ctrl-C to exit"


@pytest.fixture
def isurus(estate: Estate) -> Estate:
    return estate.prepare("isurus")


@pytest.fixture
def window(request: pytest.FixtureRequest, isurus: Estate) -> Iterator[Window]:
    """A watch of one project that was never mirrored, with something on the terminal before.

    Its parameter is the seconds between two looks.
    """
    argv = ["sh", "-c", 'echo "$(date) before"; exec "$@"', "sh", *isurus.argv]
    watch = [*argv, "status", "--watch", "--interval", getattr(request, "param", "2")]
    with Window(watch, isurus.environ, isurus.home, columns=80, lines=12) as made:
        yield made


def test_a_watch_is_redrawn_in_place_and_leaves_nothing(isurus: Estate, window: Window) -> None:
    lines = window.wait_for_line("never mirrored")
    assert re.search(HEAD, lines[0])
    assert lines[-1] == "1 project, 1 problem"
    isurus.run("sync", code=0)
    lines = window.wait_for_line("all well")
    assert re.search(HEAD, lines[0])
    assert "isurus" not in "\n".join(lines), "nothing is left of the previous screen"
    window.press("C-c")
    code, lines = window.wait_for_exit()
    assert code == 0
    assert len(lines) == 1, "the previous screen is restored"
    assert lines[0].endswith(" before")


def test_of_agent_only_list_can_be_watched(isurus: Estate) -> None:
    with Window([*isurus.argv, "agent", "list", "--watch"], isurus.environ, isurus.home) as made:
        made.wait_for_lines(lambda lines: re.search(HEAD, lines[0]))
        made.wait_for_line("No agent has run yet|containers: not checked")
        made.press("C-c")
        assert made.wait_for_exit()[0] == 0
    with Window([*isurus.argv, "agent", "isurus", "--watch"], isurus.environ, isurus.home) as made:
        code, lines = made.wait_for_exit()
        assert (code, "--watch needs list" in " ".join(lines)) == (2, True)


def is_well_drawn(lines: int, picture: list[str]) -> bool:
    """Return True if the lines are one complete screen of a watch."""
    return bool(
        re.search(HEAD, picture[0])
        and picture[-1] == "1 project, 1 problem"
        and len(picture) <= lines
        and ("never mirrored" in picture[1]) is (lines > 4)
        and any("more lines" in line for line in picture) is (lines == 5)
    )


@pytest.mark.parametrize("window", ["3600"], indirect=True)
def test_a_watch_is_redrawn_in_each_size(window: Window) -> None:
    """Long before the next refresh."""
    window.wait_for_line("never mirrored")
    for columns, lines in ((40, 20), (200, 5), (80, 24)):
        window.resize(columns, lines)
        window.wait_for_lines(partial(is_well_drawn, lines))
    window.press("C-c")
    assert window.wait_for_exit()[0] == 0


def test_a_watch_cuts_what_is_too_wide(isurus: Estate, window: Window) -> None:
    window.wait_for_line("never mirrored")
    (isurus.local_repos / ("x" * 100)).mkdir()
    window.resize(40, 24)
    picture = window.wait_for_line("a folder below")
    assert max(map(len, picture)) <= 40, "what is too wide is cut"
    window.press("C-c")
    assert window.wait_for_exit()[0] == 0


def test_an_error_in_a_later_look_is_shown_and_passes(isurus: Estate, window: Window) -> None:
    window.wait_for_line("never mirrored")
    text = isurus.registry.read_text()
    isurus.registry.write_text("[defaults]\njob = 1\n")
    window.wait_for_line("unknown key 'job'")
    isurus.registry.write_text(text)
    window.wait_for_line("never mirrored")
    window.press("C-c")
    assert window.wait_for_exit()[0] == 0


def test_a_first_look_that_fails_is_an_ordinary_end(isurus: Estate) -> None:
    argv = [*isurus.argv, "status", "nosuch", "--watch"]
    with Window(argv, isurus.environ, isurus.home) as window:
        code, lines = window.wait_for_exit()
    assert code == 2
    assert lines[0].startswith("repoman: no project is called 'nosuch'")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--watch", "--json"], "--watch and --json can't be combined: leave out --json"),
        (["--watch", "--seen"], "--watch and --seen can't be combined: leave out --seen"),
        (
            ["--watch", "--half-made", "finish"],
            "--watch and --half-made can't be combined: leave out --half-made",
        ),
        (["--watch", "--interval", "0"], "--interval 0: must be at least 1"),
        (["--interval", "3"], "--interval needs --watch: add --watch"),
        (["--watch", "--interval", "x"], "--interval needs a whole number from 0 on, not 'x'"),
        (["--watch"], "--watch needs a terminal that it can redraw: leave it out"),
        (["--watch", "--host", "a,b"], "--watch needs a terminal that it can redraw"),
    ],
)
def test_what_can_not_be_watched(isurus: Estate, argv: list[str], said: str) -> None:
    before = isurus.hash_files()
    done = isurus.run("status", *argv, code=2)
    assert said in done.err
    assert done.out == ""
    assert isurus.hash_files() == before


def test_a_terminal_that_can_not_redraw_is_none(isurus: Estate) -> None:
    argv = [*isurus.argv, "status", "--watch"]
    child = spawn(argv, isurus.environ, isurus.home, TERM="dumb")
    try:
        child.expect_exact("--watch needs a terminal")
    finally:
        child.close(force=True)


def test_what_a_watch_writes(isurus: Estate) -> None:
    """It uses the alternate screen, and erases nothing before it is written again."""
    argv = [*isurus.argv, "status", "--watch", "--interval", "1"]
    child = spawn(argv, isurus.environ, isurus.home, NO_COLOR="1")
    try:
        child.expect_exact("1 problem")
        shown = child.before
        child.expect_exact("1 problem")
        shown += child.before
        child.send("\x03")
        child.expect_exact("\x1b[?1049l")
    finally:
        child.close(force=True)
    assert shown.count("\x1b[?1049h") == 1
    assert "\x1b[2J" not in shown
    assert "\x1b[3" not in shown, "there are no colours"
