"""A forked `repoman` behaves as one that is started as a program."""

from __future__ import annotations

import subprocess

import pytest

from tests.support import forkserver
from tests.support.estate import Estate, Result, run
from tests.support.processes import is_running, wait_until

TELLING = """\
#!/bin/sh
{ id; umask; pwd; env | grep -v ^_= | sort; ps -o sid= -p $$; ls /proc/$$/fd; } >"$HOME/reports"
exit 1
"""


@pytest.fixture(autouse=True)
def _forks(estate: Estate) -> None:
    """Skip if --coverage or REPOMAN_TEST_NO_FORK prevents forking."""
    if not forkserver.can_fork(forkserver.REPOMAN, estate.environ):
        pytest.skip("not here: repoman is not forked")


def incus_that(estate: Estate, text: str) -> dict[str, str]:
    """Return an environment in which `incus` is that script."""
    folder = estate.base / "bin"
    folder.mkdir()
    (folder / "incus").write_text(text)
    (folder / "incus").chmod(0o755)
    return {**estate.environ, "PATH": f"{folder}:{estate.environ['PATH']}"}


def cold(estate: Estate, *argv: str | bytes, environ: dict[str, str], given: str = "") -> Result:
    """Run repoman as a shell starts it."""
    started = ("sh", "-c", 'exec "$@"', "sh", *forkserver.REPOMAN, *argv)
    return run(started, environ, cwd=estate.home, given=given)


@pytest.mark.parametrize(
    "argv", [["--version"], ["lst"], ["list"], ["list", "--json"], ["help", "sync"], [b"\xff"]]
)
def test_arguments_and_their_results(estate: Estate, argv: list[str | bytes]) -> None:
    estate.prepare("isurus")
    there = run([*forkserver.REPOMAN, *argv], estate.environ, cwd=estate.home)
    assert there == cold(estate, *argv, environ=estate.environ)


def test_what_it_starts_finds_the_same(estate: Estate) -> None:
    environ = incus_that(estate, TELLING) | {"A": "b\nc", "TZ": "Asia/Tokyo"}
    reports = []
    estate.prepare("isurus")
    for argv in (forkserver.REPOMAN, ("sh", "-c", 'exec "$@"', "sh", *forkserver.REPOMAN)):
        run([*argv, "list"], environ, cwd=estate.home)
        lines = (estate.home / "reports").read_text().splitlines()
        reports.append([line for line in lines if not line.strip().isdecimal()])
    assert reports[0] == reports[1]
    assert "TZ=Asia/Tokyo" in reports[0]


def test_one_that_takes_too_long(estate: Estate, marker: str) -> None:
    environ = incus_that(estate, f'#!/bin/sh\necho "$PPID" >"$HOME/reports"\nexec sleep {marker}\n')
    estate.prepare("isurus")
    reports = estate.home / "reports"
    for seconds in (1, 5, 25, 125):  # until it is long enough to come to that
        with pytest.raises(subprocess.TimeoutExpired):
            run([*forkserver.REPOMAN, "list"], environ, timeout=seconds)
        if reports.exists() and reports.read_text():
            break
    wait_until(lambda: not is_running(int(reports.read_text())))


@pytest.mark.parametrize("name", ["PYTHONHASHSEED", "LC_ALL", "COVERAGE_PROCESS_START"])
def test_what_python_reads_at_its_start(estate: Estate, name: str) -> None:
    assert not forkserver.can_fork([*forkserver.REPOMAN, "list"], {**estate.environ, name: "0"})
    assert not forkserver.can_fork(["true"], estate.environ)
