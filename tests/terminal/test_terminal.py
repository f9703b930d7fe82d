"""The command on a terminal of 80 columns: questions, bars, and Ctrl-C."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator

import pexpect  # type: ignore[import-untyped]
import pytest

from repoman_tasks.registry import parse
from tests.support import terminals
from tests.support.estate import Estate
from tests.support.processes import list_processes, wait_until

CTRL_C, CTRL_D = "\x03", "\x04"
LARGE = 1 << 40
"""Bytes of a file that is all hole: it takes no room, and reading it takes minutes."""

Spawn = Callable[..., "pexpect.spawn[str]"]


@pytest.fixture
def isurus(estate: Estate) -> Estate:
    """Return an estate with the project isurus, not mirrored yet."""
    return estate.prepare("isurus")


@pytest.fixture
def two(estate: Estate) -> Estate:
    """Return an estate with the projects isurus and lamna, not mirrored yet."""
    return estate.prepare("isurus", "lamna")


@pytest.fixture
def spawn(estate: Estate) -> Iterator[Spawn]:
    """Starts `repoman` on a terminal; what still runs at the end is ended."""
    started: list[pexpect.spawn[str]] = []

    def start(
        *argv: str, columns: int = 80, script: str = "", **environ: str
    ) -> pexpect.spawn[str]:
        """Run `script` in a shell, in which the command is "$@"."""
        command = [*(["bash", "-c", script, "bash"] if script else []), *estate.argv, *argv]
        child = terminals.spawn(command, estate.environ, estate.home, columns=columns, **environ)
        started.append(child)
        return child

    yield start
    for child in started:
        child.close(force=True)


def end(child: pexpect.spawn[str]) -> tuple[int | None, str]:
    """Return the exit status, and the output since the last match."""
    child.expect(pexpect.EOF)
    shown = child.before or ""
    child.close()
    return child.exitstatus, shown


def plain(shown: str) -> str:
    """Return the output without escape sequences."""
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    return shown.replace("\r\n", "\n").replace("\r", "\n")


def setup_words(estate: Estate) -> tuple[str, ...]:
    return ("setup", "--local-repos", str(estate.local_repos), "--nfs-repos", str(estate.share))


@pytest.fixture
def emptied(isurus: Estate) -> Estate:
    """Return the estate after a sync, with a repo that has lost all files."""
    isurus.run("sync", code=0)
    for path in (isurus.local_repos / "isurus").iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return isurus


@pytest.mark.parametrize(("answer", "code"), [("n", 130), ("", 130), ("y", 0)])
def test_force_asks_with_the_number_of_entries_that_go(
    emptied: Estate, spawn: Spawn, answer: str, code: int
) -> None:
    held = sum(1 for _ in emptied.mirror("isurus").rglob("*"))
    child = spawn("sync", "isurus", "--force")
    child.expect_exact(f"The mirror becomes as empty as the repo: {held} entries go. Go ahead?")
    child.sendline(answer)
    status, shown = end(child)
    assert status == code, shown
    assert any(emptied.mirror("isurus").iterdir()) is (code != 0)


def test_force_asks_nothing_if_nothing_goes(isurus: Estate, spawn: Spawn) -> None:
    isurus.run("sync", code=0)
    (isurus.local_repos / "isurus/new").write_text("x")
    code, shown = end(spawn("sync", "isurus", "--force"))
    assert (code, "Go ahead?" in shown) == (0, False)


def test_new_offers_to_restore_what_only_the_mirror_has(isurus: Estate, spawn: Spawn) -> None:
    isurus.run("sync", code=0)
    isurus.run("remove", "isurus", "--yes", code=0)
    shutil.rmtree(isurus.local_repos / "isurus")
    child = spawn("new", "isurus", "--no-container")
    child.expect_exact("bring it back from its mirror on the share")
    child.expect_exact("or a URL to clone? [1] ")
    child.sendline("")
    child.expect_exact("Go ahead? [Y/n] ")
    child.sendline("")
    code, shown = end(child)
    assert code == 0, shown
    assert (isurus.local_repos / "isurus/README.md").is_file()


def test_force_of_all_is_refused_on_a_terminal(emptied: Estate, spawn: Spawn) -> None:
    code, shown = end(spawn("sync", "--force"))
    assert (code, "--force needs the name of a project" in shown) == (2, True)
    assert any(emptied.mirror("isurus").iterdir())


# --- questions -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("n\r", id="n"),
        pytest.param("No\r", id="No"),
        pytest.param("what?\rn\r", id="nonsense, then n"),
        pytest.param(CTRL_C, id="Ctrl-C"),
        pytest.param(CTRL_D, id="Ctrl-D"),
        pytest.param("y" + CTRL_C, id="Ctrl-C after a letter"),
    ],
)
def test_setup_asks_and_a_no_changes_nothing(estate: Estate, spawn: Spawn, answer: str) -> None:
    before = estate.hash_files()
    child = spawn(*setup_words(estate))
    child.expect_exact("Go ahead? [Y/n] ")
    assert f"mark {estate.share}" in plain(child.before or "").replace("\n", "")
    child.send(answer)
    code, shown = end(child)
    assert code == 130
    assert "Traceback" not in shown
    assert ("Please answer y or n" in shown) is ("what?" in answer)
    assert estate.hash_files() == before


@pytest.mark.parametrize("answer", ["y\r", "\r", "YES\r", "what?\ry\r"])
def test_setup_asks_and_a_yes_does_it(estate: Estate, spawn: Spawn, answer: str) -> None:
    child = spawn(*setup_words(estate))
    child.expect_exact("Go ahead? [Y/n] ")
    child.send(answer)
    code, shown = end(child)
    assert code == 0
    assert shown.count("done: ") == 2
    assert (estate.share / ".repoman-share").exists()


def test_remove_expects_a_no(isurus: Estate, spawn: Spawn) -> None:
    before = isurus.hash_files()
    child = spawn("remove", "isurus")
    child.expect_exact("Go ahead? [y/N] ")
    child.send("\r")
    assert end(child)[0] == 130
    assert isurus.hash_files() == before
    child = spawn("remove", "isurus")
    child.expect_exact("Go ahead? [y/N] ")
    child.send("y\r")
    assert end(child)[0] == 0
    assert parse(isurus.registry.read_text(), "", {}).projects == ()


def test_a_question_is_shown_if_the_output_is_piped(isurus: Estate, spawn: Spawn) -> None:
    before = isurus.hash_files()
    child = spawn("remove", "isurus", script='"$@" | cat; exit ${PIPESTATUS[0]}')
    child.expect_exact("Go ahead? [y/N] ")
    child.send("n\r")
    assert end(child)[0] == 130
    assert isurus.hash_files() == before


@pytest.mark.parametrize(
    ("argv", "code"),
    [(["remove", "isurus", "--yes"], 0), (["remove", "isurus", "--no-input"], 2)],
)
def test_nothing_is_asked_with_no_input(
    isurus: Estate, spawn: Spawn, argv: list[str], code: int
) -> None:
    ended, shown = end(spawn(*argv))
    assert ended == code
    assert "[y/N]" not in shown
    assert ("pass --yes" in shown) is (code == 2)
    assert bool(parse(isurus.registry.read_text(), "", {}).projects) is (code == 2)


# --- what is shown ---------------------------------------------------------------------


@pytest.mark.usefixtures("two")
def test_sync_leaves_a_line_for_each_project_and_the_sum(spawn: Spawn) -> None:
    code, shown = end(spawn("sync"))
    assert code == 0
    lines = [line.strip() for line in plain(shown).split("\n")]
    for name in ("isurus", "lamna"):
        done = [line for line in lines if re.match(rf"{name}: +0 changed, \d+ new, 0 del", line)]
        assert len(done) == 1, lines
    assert lines[-2].startswith("2 projects mirrored: 0 changed, ")
    assert "\x1b[?25h" in shown, "the cursor comes back"


def test_sync_shows_bars(two: Estate, spawn: Spawn) -> None:
    with (two.local_repos / "lamna/large").open("wb") as file:
        file.truncate(LARGE)
    child = spawn("sync")
    child.expect(r"isurus: 0 changed, \d+ new")
    child.expect(r"all[^\n]+━[^\n]+1/2")
    child.expect(r"lamna[^\n]+━[^\n]+ [KMG]iB")
    child.send(CTRL_C)
    assert end(child)[0] == 130


def test_a_warning_and_an_error_stay_below_the_bars(two: Estate, spawn: Spawn) -> None:
    os.mkfifo(two.local_repos / "isurus/fifo")
    (two.local_repos / "lamna").rename(two.home / "away")
    code, shown = end(spawn("sync"))
    assert code == 4
    text = plain(shown).replace("\n", "")
    assert text.count("isurus: warning: FIFO fifo is not mirrored") == 1
    assert text.count("repoman: lamna: ") == 1
    assert "1 project mirrored, 1 failed" in text


def test_no_name_sends_escape_sequences_to_the_terminal(isurus: Estate, spawn: Spawn) -> None:
    (isurus.local_repos / "stray\x1b[35mpink\x07").mkdir()
    os.mkfifo(isurus.local_repos / "isurus/fifo\x1b[35m[bold]")
    shown = end(spawn("status"))[1] + end(spawn("sync"))[1] + end(spawn("status"))[1]
    assert "\x1b[35m" not in shown
    assert "\x07" not in shown
    assert "[bold]" in shown


LONG = "a-project-whose-name-is-about-as-long-as-that-of-a-container-can-be"[:63]


@pytest.mark.parametrize("columns", [80, 120])
def test_list_fits_the_terminal(isurus: Estate, spawn: Spawn, columns: int) -> None:
    repo = "a-folder/" + "x" * 90
    (isurus.local_repos / repo).mkdir(parents=True)
    isurus.run("new", "lamna", "--repo", repo, "--no-container", code=0)
    code, shown = end(spawn("list", columns=columns))
    lines = plain(shown).split("\n")
    assert code == 0
    assert [line for line in lines if len(line) > columns] == []
    assert {"isurus", "lamna"} <= {line.split(" ")[0] for line in lines}
    assert lines[0].split() == ["NAME", "STATE", "LAST", "SYNC", "REPO"]


def test_list_shows_the_longest_name_in_full(isurus: Estate, spawn: Spawn) -> None:
    (isurus.local_repos / LONG).mkdir()
    isurus.run("new", LONG.rstrip("-"), "--repo", LONG, "--no-container", code=0)
    code, shown = end(spawn("list"))
    lines = plain(shown).split("\n")
    assert code == 0
    assert [line for line in lines if len(line) > 80] == []
    assert LONG.rstrip("-") in {line.split(" ")[0] for line in lines}


@pytest.mark.usefixtures("isurus")
def test_status_is_not_broken(spawn: Spawn) -> None:
    code, shown = end(spawn("status"))
    assert code == 3
    lines = plain(shown).split("\n")
    assert lines[0].endswith(" isurus: never mirrored")
    assert lines[1] == "    run `repoman sync isurus`"
    assert lines[-2] == "1 project, 1 problem"
    values = plain(end(spawn("status", "--values"))[1]).split("\n")
    table = values[: values.index("")]
    assert [line for line in table if len(line) > 80] == []
    assert "REPOMAN_MIN_FREE_MIB" in "".join(table).replace(" ", "")


@pytest.mark.parametrize(
    ("environ", "pattern"),
    [
        pytest.param(
            {"NO_COLOR": "1"}, r"\x1b\[[0-9;]*(3[0-9]|4[0-9]|9[0-7])[0-9;]*m", id="NO_COLOR"
        ),
        pytest.param({"TERM": "dumb"}, r"\x1b", id="dumb"),
    ],
)
@pytest.mark.usefixtures("two")
def test_no_color(spawn: Spawn, environ: dict[str, str], pattern: str) -> None:
    for argv in (["list"], ["status"], ["sync"], ["sync", "--dry-run"]):
        code, shown = end(spawn(*argv, **environ))
        assert code in (0, 3)
        assert not re.search(pattern, shown), argv
        assert "isurus" in shown or argv != ["sync"]


# --- Ctrl-C ----------------------------------------------------------------------------


def rsyncs(estate: Estate) -> list[int]:
    """Return the rsync processes of `estate`."""
    base = str(estate.base).encode()
    return [
        pid
        for pid, argv in list_processes()
        if argv[0].endswith(b"rsync") and any(base in word for word in argv)
    ]


def how_to_end(child: pexpect.spawn[str], by: str) -> None:
    if by == "Ctrl-C":
        child.send(CTRL_C)
    else:
        child.kill({"SIGTERM": signal.SIGTERM, "SIGHUP": signal.SIGHUP}[by])


@pytest.mark.parametrize(
    ("by", "argv"),
    [
        ("Ctrl-C", ["sync"]),
        ("Ctrl-C", ["sync", "--itemize"]),
        ("Ctrl-C", ["sync", "lamna"]),
        ("SIGTERM", ["sync"]),
        ("SIGHUP", ["sync"]),
    ],
)
def test_sync_ends_at_once_with_all_its_children(
    two: Estate, spawn: Spawn, by: str, argv: list[str]
) -> None:
    large = two.local_repos / "lamna/large"
    with large.open("wb") as file:
        file.truncate(LARGE)
    child = spawn(*argv)
    if argv != ["sync", "lamna"]:
        child.expect(r"isurus: 0 changed, \d+ new")
    wait_until(lambda: len(rsyncs(two)) >= 2)
    how_to_end(child, by)
    code, shown = end(child)
    wait_until(lambda: not rsyncs(two))
    assert code == 130
    assert "Traceback" not in shown
    registry = parse(two.registry.read_text(), "", {})
    synced = {project.name: bool(project.last_sync) for project in registry.projects}
    assert synced == {"isurus": argv != ["sync", "lamna"], "lamna": False}
    large.unlink()
    assert two.run("sync", code=0).out.count("lamna: ") == 1
    assert two.run("status", code=0)


def test_a_second_ctrl_c_does_no_harm(isurus: Estate, spawn: Spawn) -> None:
    with (isurus.local_repos / "isurus/large").open("wb") as file:
        file.truncate(LARGE)
    child = spawn("sync")
    wait_until(lambda: len(rsyncs(isurus)) >= 2)
    for _ in range(5):
        child.send(CTRL_C)
        time.sleep(0.02)
    code, shown = end(child)
    assert code == 130
    assert "Traceback" not in shown
    wait_until(lambda: not rsyncs(isurus))


def test_ctrl_c_at_any_moment_shows_no_traceback(isurus: Estate, spawn: Spawn) -> None:
    """Also while the command is still being loaded, from our first line on."""
    before = isurus.registry.read_text()
    for hundredths in range(6, 30, 4):
        child = spawn("list")
        time.sleep(hundredths / 100)
        child.send(CTRL_C)
        code, shown = end(child)
        if "Traceback" in shown:  # Python's own, on a machine that is so slow to start it
            assert not re.search(r"repoman_tasks/(?!__init__|__main__|entry)", shown), shown
        else:
            assert code in (0, 130) or child.signalstatus == signal.SIGINT, shown
    assert isurus.registry.read_text() == before


def make_slow_incus(estate: Estate) -> str:
    """Return a PATH with an incus that never answers."""
    program = estate.base / "slow/incus"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    return f"{program.parent}:{estate.environ['PATH']}"


@pytest.mark.parametrize("command", ["status", "list"])
def test_what_takes_seconds_is_said_meanwhile(isurus: Estate, spawn: Spawn, command: str) -> None:
    child = spawn(command, PATH=make_slow_incus(isurus))
    child.expect(r"waiting for incus, (\d+) s of at most \d+ s")
    assert int(child.match[1]) < 10
    child.send(CTRL_C)
    code, shown = end(child)
    assert code == 130
    assert shown.rindex("\x1b[K") < shown.rindex("repoman: interrupted"), "the line was removed"


def test_a_lock_that_is_waited_for_is_said(isurus: Estate, spawn: Spawn) -> None:
    isurus.run("sync", code=0)
    lock = isurus.home / ".config/repoman/locks/isurus"
    locks = list(lock.parent.glob("isurus*"))
    (isurus.local_repos / "isurus/more").write_text("x")
    assert locks
    holder = pexpect.spawn("flock", [str(locks[0]), "sh", "-c", "echo held; cat"], encoding="utf-8")
    holder.expect("held")
    child = spawn("sync", "isurus", "--wait", "--itemize")
    child.expect("waiting for a lock")
    holder.close(force=True)
    assert end(child)[0] == 0


def test_without_a_terminal_no_waiting_is_said(isurus: Estate) -> None:
    shown = isurus.run("list", environ={"PATH": make_slow_incus(isurus)}, code=0)
    assert "waiting" not in shown.err + shown.out


def test_a_copy_that_takes_long_is_said(isurus: Estate, spawn: Spawn) -> None:
    """rsync begins to copy once the test has seen that it is waited for."""
    isurus.run("sync", code=0)
    folder = isurus.base / "slow"
    folder.mkdir()
    program, go_on = folder / "rsync", folder / "go-on"
    wait = f"until [ -e {go_on} ]; do sleep 0.1; done"
    program.write_text(f'#!/bin/sh\n{wait}\nexec {shutil.which("rsync")} "$@"\n')
    program.chmod(0o755)
    isurus.environ["PATH"] = f"{folder}:{isurus.environ['PATH']}"
    child = spawn("restore", "isurus")
    child.expect_exact("waiting for rsync, ")
    go_on.touch()
    code, shown = end(child)
    assert code == 0
    assert "waiting" not in plain(shown).splitlines()[-1]


@pytest.mark.parametrize("options", ["list --host H", "list --host H,G", "status --watch --host H"])
def test_who_waits_for_a_host_is_told_and_can_leave(spawn: Spawn, options: str) -> None:
    """It takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=9) as mute:
        port = mute.getsockname()[1]
        hosts = {"H": f"ssh://a@127.0.0.1:{port}", "G": f"ssh://b@127.0.0.1:{port}"}
        for name, url in hosts.items():
            options = options.replace(name, url)
        child = spawn(*options.split(), columns=120)
        both = ", ".join(hosts.values())
        waited = both if both in options.replace(",", ", ") else f"127.0.0.1, port {port}"
        child.expect_exact(f"waiting for {waited}, ")
        child.sendintr()
        code, shown = end(child)
        assert (code, "repoman: interrupted" in shown) == (130, True)
