"""The look of `list`, `status` and `sync` on a terminal, narrow and wide, with and without
colours."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from repoman_tasks.planning.registry_edits import SetKeys
from repoman_tasks.registry import edited
from tests.support.estate import Estate
from tests.support.processes import wait_until
from tests.support.terminals import Window

IMAGE = "images:ubuntu/26.04/cloud"
LONG = "a-folder/with-" + "x" * 60
READABLE = {"0", "1", "2", "22", "31", "32", "39", "49"}
"""What may paint: bold, dim, red and green, each of which any theme of sixteen colours has."""

Look = Callable[..., Window]


@pytest.fixture
def estate_of_looks(estate: Estate) -> Estate:
    """Return an estate with three projects: one in order, one with a deep repo, one without its
    repo."""
    estate.prepare("isurus", "lamna")
    (estate.local_repos / LONG).mkdir(parents=True)
    text = estate.registry.read_text().replace('"isurus"\n', f'"isurus"\nimage = "{IMAGE}"\n', 1)
    text += f'\n[[project]]\nname = "deep"\nrepo = "{LONG}"\ncontainer = false\n'
    estate.registry.write_text(text)
    estate.run("sync", "isurus", code=0)
    # Long enough ago to be told alike all the time that a test takes.
    when = (datetime.now(UTC) - timedelta(minutes=150)).strftime("%Y-%m-%dT%H:%M:%SZ")
    aged = [SetKeys({"last_sync": when}, project="isurus")]
    estate.registry.write_text(edited(estate.registry.read_text(), aged))
    (estate.local_repos / "lamna").rename(estate.home / "away")
    return estate


@pytest.fixture
def look(estate: Estate) -> Iterator[Look]:
    """Runs `repoman` in a window."""
    with ExitStack() as stack:

        def start(*argv: str, columns: int = 80, lines: int = 24, **environ: str) -> Window:
            typed, there = [*estate.argv, *argv], {**estate.environ, **environ}
            window = Window(typed, there, estate.home, columns=columns, lines=lines)
            return stack.enter_context(window)

        yield start


def paints(window: Window) -> set[str]:
    """Return each SGR sequence in the window."""
    codes = re.findall(r"\x1b\[([0-9;]*)m", "\n".join(window.read_screen(painted=True)))
    return {code for group in codes for code in group.split(";")}


def columns_of(head: str) -> dict[str, int]:
    """Return the offset of each column of a table."""
    return {found[0]: found.start() for found in re.finditer(r"\S+(?: \S+)*", head)}


@pytest.mark.parametrize("columns", [60, 80, 160, 300])
def test_list_has_a_line_for_each_project(
    estate_of_looks: Estate, look: Look, columns: int
) -> None:
    code, lines = look("list", columns=columns).wait_for_exit()
    assert code == 0
    head, *rows = lines
    assert [row.split()[0] for row in rows] == ["isurus", "lamna", "deep"]
    begins = columns_of(head)
    assert list(begins)[:3] == ["NAME", "STATE", "LAST SYNC"]
    for row in rows:
        assert all(row[at - 2 : at] in ("  ", "") for at in begins.values()), "columns are aligned"
        assert len(row) <= columns
    isurus, lamna, deep = rows
    assert "2 h ago" in isurus
    assert "never" in lamna
    assert "repo missing" in lamna, "a problem is the last to be cut"
    assert ("…" in deep) is (60 < columns < 300)
    assert ("REPO" in head, "IMAGE" in head) == (columns > 60, columns > 60)
    whole = f"{estate_of_looks.local_repos}/{LONG}"
    assert (whole in deep) is (columns == 300)
    assert (IMAGE in isurus) is (columns > 80)


def test_list_to_a_pipe_has_each_value_in_full(estate_of_looks: Estate) -> None:
    done = estate_of_looks.run("list", code=0).out
    assert "…" not in done
    assert f"{estate_of_looks.local_repos}/{LONG}" in done
    assert IMAGE in done
    assert "repo missing" in done
    assert "\x1b" not in done


@pytest.mark.usefixtures("estate_of_looks")
@pytest.mark.parametrize("argv", [["list"], ["status"], ["sync"], ["sync", "--dry-run"]])
def test_colours_are_few_and_in_every_theme(look: Look, argv: list[str]) -> None:
    window = look(*argv, columns=100)
    window.wait_for_exit()
    assert paints(window) <= READABLE | {""}
    assert ("31" in paints(window)) is ("--dry-run" not in argv), "a problem is red"


@pytest.mark.parametrize("argv", [["help", "stop"], ["--help"]])
def test_the_titles_of_help_are_bold(look: Look, argv: list[str]) -> None:
    plain, painted = look(*argv, lines=60, NO_COLOR="1"), look(*argv, lines=60)
    assert plain.wait_for_exit() == painted.wait_for_exit()
    assert paints(plain) <= {"0", "39", "49", ""}
    assert "1" in paints(painted)
    assert paints(painted) <= READABLE | {""}


@pytest.mark.usefixtures("estate_of_looks")
@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
@pytest.mark.parametrize("argv", [["list"], ["status"]])
def test_no_colours_if_they_are_turned_off(
    look: Look, argv: list[str], environ: dict[str, str]
) -> None:
    plain, colourful = look(*argv, **environ), look(*argv)
    assert plain.wait_for_exit() == colourful.wait_for_exit()
    assert paints(plain) == set()
    assert paints(colourful) > {"31"}


def test_status_breaks_lines_between_words(estate_of_looks: Estate, look: Look) -> None:
    (estate_of_looks.local_repos / "a-folder-that-is-nobodys").mkdir()
    code, lines = look("status", columns=60, lines=40).wait_for_exit()
    assert code == 3
    shown = "\n".join(lines)
    for sentence in ("never mirrored", "a folder below local_repos without a project"):
        assert sentence in re.sub(r"\n +", " ", shown)
    own = f"repo {estate_of_looks.local_repos}/lamna is missing"
    assert own in re.sub(r"\n +", " ", shown).replace("\n", "")
    assert lines[-1] == "3 projects, 3 problems"


def test_sync_leaves_lines_below_one_another(estate: Estate, look: Look) -> None:
    estate.prepare("isurus", "lamna", "carcharodon")
    code, lines = look("sync").wait_for_exit()
    assert code == 0
    rows = [line for line in lines if re.match(r"[a-z]+: ", line)]
    assert sorted(row.split(":")[0] for row in rows) == ["carcharodon", "isurus", "lamna"], lines
    assert {row.index("0 changed") for row in rows} == {len("carcharodon: ")}
    assert lines[-1].startswith("3 projects mirrored: 0 changed, ")


def test_sync_of_many_has_as_many_bars_as_there_is_room_for(estate: Estate, look: Look) -> None:
    estate.prepare("isurus")
    names = [f"p{number}" for number in range(14)]
    for name in names:
        (estate.local_repos / name).mkdir()
        with (estate.local_repos / name / "hole").open("wb") as file:
            file.truncate(1 << 40)
    extra = "".join(f'\n[[project]]\nname = "{n}"\ncontainer = false\n' for n in names)
    estate.registry.write_text(estate.registry.read_text() + extra)
    window = look("sync", "--jobs", "14", lines=12)
    window.wait_for_line(r"^all .* 1/15")

    def bars() -> list[str]:
        return [line for line in window.read_screen() if "━" in line]

    wait_until(lambda: len(bars()) >= 4)
    assert len(bars()) <= 9
    assert bars()[0].startswith("all ")
    window.press("C-c")
    assert window.wait_for_exit()[0] == 130


def test_two_hundred_projects_take_a_line_each(estate: Estate, look: Look) -> None:
    estate.prepare("isurus")
    names = [f"project-{number}" for number in range(199)]
    extra = "".join(f'\n[[project]]\nname = "{n}"\ncontainer = false\n' for n in names)
    estate.registry.write_text(estate.registry.read_text() + extra)
    for name in names:
        os.mkdir(estate.local_repos / name)
    code, lines = look("list", lines=210).wait_for_exit()
    assert code == 0
    assert len(lines) == 201
    assert {line.split()[0] for line in lines[1:]} == {"isurus", *names}
    code, lines = look("status").wait_for_exit()
    assert code == 3
    assert lines[0].endswith(" isurus, project-0, project-1 and 197 more: never mirrored")
    assert lines[1] == "    run `repoman sync NAME`"
    assert lines[-1] == "200 projects, 200 problems"
    plain = estate.run("status", code=3).out
    assert plain.count(": never mirrored") == 200
