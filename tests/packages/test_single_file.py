"""The single file: it unpacks once, completely or not at all, and leaves no trace elsewhere."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest

from repoman_tasks import __version__
from tests.packages.conftest import sudo
from tests.support.estate import isolate_environ, run
from tests.support.processes import WAIT_SECONDS, find_sleeps, wait_until

VERSION = f"repoman {__version__}\n"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    home = tmp_path / "home"
    home.mkdir()
    return isolate_environ(home)


def cache(environ: dict[str, str]) -> Path:
    return Path(environ["HOME"]) / ".cache/repoman"


def places(environ: dict[str, str]) -> list[Path]:
    return sorted(cache(environ).iterdir()) if cache(environ).exists() else []


def test_it_unpacks_once_for_its_owner_alone(single: Path, environ: dict[str, str]) -> None:
    assert run([str(single), "--version"], environ).out == VERSION
    (folder,) = places(environ)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    made = folder.stat().st_ino
    assert run([str(single), "--version"], environ).out == VERSION
    assert [path.stat().st_ino for path in places(environ)] == [made]


def test_two_first_starts_at_once(single: Path, environ: dict[str, str]) -> None:
    starts = [
        subprocess.Popen([single, "--version"], env=environ, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [start.communicate(timeout=WAIT_SECONDS)[0] for start in starts] == [VERSION] * 4
    assert len(places(environ)) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_first_start_that_is_ended(number: int, single: Path, environ: dict[str, str]) -> None:
    for wait in (0.02, 0.1, 0.3):
        start = subprocess.Popen([single, "--version"], env=environ, start_new_session=True)
        time.sleep(wait)
        if start.poll() is None:
            os.killpg(start.pid, number)
        start.wait()
        left = [path.name for path in places(environ) if path.name.startswith(".")]
        assert number == signal.SIGKILL or left == []
    assert run([str(single), "--version"], environ).out == VERSION
    (folder,) = [path for path in places(environ) if not path.name.startswith(".")]
    for path in places(environ):  # an hour later
        if path != folder:
            os.utime(path, (1, 1))
    sudo("rm", "-rf", folder)
    assert run([str(single), "--version"], environ).out == VERSION
    assert places(environ) == [folder]


def test_a_damaged_file_is_not_unpacked(single: Path, environ: dict[str, str]) -> None:
    with single.open("r+b") as file:
        file.seek(-1000, os.SEEK_END)
        file.write(b"\0" * 10)
    done = run([str(single), "--version"], environ)
    assert (done.code, done.err) == (1, f"repoman: {single} is damaged: get it again\n")
    assert places(environ) == []


def test_a_file_of_another_user_is_not_run(single: Path, environ: dict[str, str]) -> None:
    """Nor what is in another user's folder, who may replace it."""
    run([str(single), "--version"], environ)
    (folder,) = places(environ)
    for path in (folder, folder.parent):
        sudo("chown", "root", path)
        done = run([str(single), "--version"], environ)
        sudo("chown", str(os.getuid()), path)
        assert done.code == 1, path
        assert "is not yours" in done.err
    (folder / "repoman").unlink()
    done = run([str(single), "--version"], environ)
    assert done.code == 1
    assert f"{folder} lacks the program: `rm -r {folder}`" in done.err


def test_the_first_start_has_the_umask_of_every_other(
    single: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    told, programs = asked_incus(tmp_path, "umask", environ)
    own = {**environ, "PATH": f"{programs}:{environ['PATH']}"}
    for _ in range(2):
        run(["sh", "-c", 'umask 022; exec "$0" list', str(single)], own)
        assert told.read_text() == "0022\n"


def asked_incus(tmp_path: Path, tells: str, environ: dict[str, str]) -> tuple[Path, Path]:
    """A registry for which `list` starts an incus that only tells something: what it told, and
    the folder of that program."""
    told, programs = tmp_path / "told", tmp_path / "bin"
    programs.mkdir()
    (programs / "incus").write_text(f"#!/bin/sh\n{tells} >{told}\nexit 1\n")
    (programs / "incus").chmod(0o755)
    registry = Path(environ["HOME"]) / ".config/repoman/repoman.toml"
    registry.parent.mkdir(parents=True)
    registry.write_text('[[project]]\nname = "isurus"\n')
    return told, programs


def test_a_home_of_somebody_else_is_left_alone(single: Path, environ: dict[str, str]) -> None:
    done = run([str(single), "--version"], {**environ, "HOME": "/root"})
    assert done.out == VERSION, "it is unpacked in the home that the user has"
    done = run([str(single), "--version"], {k: v for k, v in environ.items() if k != "HOME"})
    assert done.out == VERSION


def test_a_folder_that_cannot_be_written(single: Path, environ: dict[str, str]) -> None:
    done = run([str(single), "--version"], {**environ, "XDG_CACHE_HOME": "/proc/no"})
    assert done.code == 1
    assert "XDG_CACHE_HOME" in done.err


def test_what_it_starts_has_the_environment_that_was_typed(
    single: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    told, programs = asked_incus(tmp_path, "env", environ)
    own = {**environ, "PATH": f"{programs}:{environ['PATH']}", "LD_LIBRARY_PATH": "/of/mine"}
    for given in (own, {k: v for k, v in own.items() if k != "LD_LIBRARY_PATH"}):
        run([str(single), "list"], given)
        found = dict(line.split("=", 1) for line in told.read_text().splitlines())
        ignored = {"_", "PWD", "LC_ALL", "OLDPWD", "SHLVL"}
        assert {k: v for k, v in found.items() if k not in ignored} == {
            k: v for k, v in given.items() if k not in ignored
        }
        told.unlink()


def test_exit_codes_and_signals_are_those_of_repoman(
    single: Path, environ: dict[str, str], tmp_path: Path, marker: str
) -> None:
    assert run([str(single), "lst"], environ).code == 2
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "incus").write_text(f"#!/bin/sh\nexec sleep {marker}\n")
    (programs / "incus").chmod(0o755)
    slow = {**environ, "PATH": f"{programs}:{environ['PATH']}"}
    registry = Path(environ["HOME"]) / ".config/repoman/repoman.toml"
    registry.parent.mkdir(parents=True)
    registry.write_text('[[project]]\nname = "isurus"\n')
    for number in (signal.SIGINT, signal.SIGTERM):
        start = subprocess.Popen([single, "list"], env=slow, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: find_sleeps(marker))
        start.send_signal(number)  # to the process that was started; there is no other
        assert start.communicate(timeout=WAIT_SECONDS)[1] == "repoman: interrupted\n"
        assert start.returncode == 130
        wait_until(lambda: not find_sleeps(marker))
