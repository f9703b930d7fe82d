"""Run the tiers of tests, in two lanes at once if several are requested."""

from __future__ import annotations

import glob
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dev import tiers
from dev.checkout import ROOT, SYSTEM_PATH, here, in_ci
from dev.lint import run_checks
from dev.tiers import Facts, Outcome, Tier
from repoman_tasks.errors import ExitCode, Interrupted
from repoman_tasks.session import Session

__all__ = ["print_missing", "run_tiers"]

_NOBODY = 65534
_MACHINE_SECONDS = 3600
_COVERAGE_FILE = str(ROOT / ".coverage")
_PYTEST_INTERRUPTED = 2
_STEALING = ("--dist", "worksteal")
"""A few tests take as long as a hundred others, so an idle worker takes over from a busy one."""
_BESIDE_A_DAEMON = {
    "containers": ("tests.worlds.daemon",),
    "security": ("tests.worlds.daemon",),
    "nightly": ("tests.worlds.daemon", "--image", "debian-cloud"),
    "packages": ("tests.packages",),
}
"""Tiers with the module that starts the daemon for them, and its options."""
_LIBPYTHON = f"lib{Path('/usr/bin/python3').resolve().name}"
"""The package of the system's Python as a library, such as libpython3.11."""
_REPORT_IN_MACHINE = 'mkdir /run/report && mount -t hostfs -o "$0" none /run/report && exec "$@"'
"""The machine can write nowhere outside, so it mounts the folder for the report."""


@dataclass(frozen=True)
class _Run:
    """One run of the tiers: its folder, its facts and its options."""

    session: Session
    scratch: Path
    facts: Facts
    as_nobody: tuple[str, ...]
    """Prefix of an argv that an unprivileged user runs."""
    only: str
    """Expression that chooses tests, as for pytest's -k."""
    coverage: bool


def print_missing(session: Session, wanted: Sequence[Tier]) -> None:
    """Print the packages that are missing for these tiers, one a line."""
    for package in tiers.missing_packages(wanted, _facts("")):
        session.screen.line(_LIBPYTHON if package == "libpython" else package)


def run_tiers(
    session: Session, wanted: Sequence[Tier], names: Sequence[str], only: str, *, coverage: bool
) -> int:
    """Run `wanted`, print the table and, if requested, the line coverage; return the exit code.

    `names` are the tiers that a person chose by name.
    """
    with tempfile.TemporaryDirectory(prefix="repoman-test-") as folder:
        scratch = Path(folder)
        as_nobody, no_nobody = _as_nobody(session, scratch, wanted)
        run = _Run(session, scratch, _facts(no_nobody), as_nobody, only, coverage)
        _compile(session)
        outcomes = _run_all(run, tiers.lanes(wanted))
        measured = _gather_coverage(run)
    if session.dry:
        return 0
    if measured:
        _show_coverage(session)
    return _show(session, [*outcomes, *tiers.not_requested(names, wanted)])


def _compile(session: Session) -> None:
    """Compile the tested code once, for the tiers that can't write into the checkout."""
    argv = [sys.executable, "-m", "compileall", "-q", "repoman_tasks", "tests"]
    session.host.hand_over(here(argv))


def _gather_coverage(run: _Run) -> bool:
    """Combine the coverage that the tiers measured; return False if none did."""
    files = [str(path) for path in run.scratch.glob("*/.coverage")]
    if files:
        argv = [sys.executable, "-m", "coverage", "combine", "--quiet", *files]
        run.session.host.hand_over(here(argv, COVERAGE_FILE=_COVERAGE_FILE))
    return bool(files)


def _show_coverage(session: Session) -> None:
    _headline(session, "line coverage")
    argv = [sys.executable, "-m", "coverage", "report"]
    session.host.hand_over(here(argv, COVERAGE_FILE=_COVERAGE_FILE))


def _show(session: Session, outcomes: Sequence[Outcome]) -> int:
    _headline(session, "tiers")
    session.screen.table(tiers.COLUMNS, tiers.rows(outcomes))
    session.screen.line()
    for line in tiers.cures(outcomes):
        session.screen.line(line)
    if in_ci():
        for complaint in tiers.complaints(outcomes):
            session.screen.line(f"a failure in CI: {complaint}")
    session.screen.line(tiers.last_line(outcomes))
    return tiers.exit_code(outcomes, ci=in_ci())


def _headline(session: Session, text: str) -> None:
    session.screen.line()
    session.screen.line(f"=== {text} ===")
    sys.stdout.flush()


# --- what there is -----------------------------------------------------------------------


def _facts(no_nobody: str) -> Facts:
    path = f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"
    programs = {name for tier in tiers.TIERS for name in {**tier.programs, **tier.optional}}
    folders = {folder for tier in tiers.TIERS for folder in tier.folders}
    return Facts(
        programs=frozenset(n for n in programs if glob.glob(n) or shutil.which(n, path=path)),
        is_root=os.geteuid() == 0,
        test_files={folder: _count(ROOT / folder) for folder in folders},
        no_nobody=no_nobody,
    )


def _count(path: Path) -> int:
    return len(list(path.rglob("test_*.py"))) if path.is_dir() else int(path.exists())


_PROBE = """
import subprocess, sys
import pytest, tests, repoman_tasks.hosts.local
assert sys.version == sys.argv[1], "it is another Python"
subprocess.run([sys.executable, "-c", ""], check=True)
"""
"""Fails unless this Python runs there and can start itself, as pytest's workers do."""


def _as_nobody(
    session: Session, scratch: Path, wanted: Sequence[Tier]
) -> tuple[tuple[str, ...], str]:
    """Return the prefix of an argv that runs as nobody, or the reason why nobody can't run it."""
    names = [tier.name for tier in wanted]
    if "integration" not in names or os.geteuid() != 0:
        return (), ""
    if not shutil.which("setpriv"):
        return (), "not installed: util-linux"
    ids = (f"--reuid={_NOBODY}", f"--regid={_NOBODY}")
    plain = ("setpriv", *ids, "--clear-groups", "--inh-caps=-all", "--no-new-privs")
    # Checkout or Python may lie below a folder that is closed to others, /root for one.
    folders = (str(ROOT), sys.prefix, sys.base_prefix)
    module = ("unshare", "--mount", sys.executable, "-m", "dev.open_folders")
    opened = (*module, str(scratch / "held"), *folders, "--", *plain)
    why = ""
    for argv in (plain, opened):
        probe = here([*argv, sys.executable, "-c", _PROBE, sys.version])
        result = session.host.read(probe)
        if not result.code:
            return argv, ""
        why = result.complaint
    return (), f"uid {_NOBODY} can't run the tests of this checkout ({why})"


# --- a tier ------------------------------------------------------------------------------


def _run_all(run: _Run, lanes: Sequence[Sequence[Tier]]) -> list[Outcome]:
    if len(lanes) > 1:
        return _run_side_by_side(run, lanes)
    return [_run_by(run, tier, run.session.host.hand_over) for lane in lanes for tier in lane]


def _run_side_by_side(run: _Run, lanes: Sequence[Sequence[Tier]]) -> list[Outcome]:
    """Run lanes of tiers at once; each line of their output begins with the tier's name."""
    host = run.session.host

    def follow(name: str, argv: Sequence[str]) -> int:
        def show(line: bytes) -> None:
            print(f"{name}: {line.decode(errors='replace')}", flush=True)

        return host.stream(argv, show, show)

    def along(lane: Sequence[Tier]) -> list[Outcome]:
        return [_run_by(run, tier, partial(follow, tier.name)) for tier in lane]

    with ThreadPoolExecutor() as threads:
        if any(_awaits_images(run, tier) for lane in lanes for tier in lane):
            threads.submit(
                follow, "images", here([sys.executable, "-m", "tests.worlds.daemon.images"])
            )
        running = [threads.submit(along, lane) for lane in lanes]
        try:
            for ended in wait(running, return_when=FIRST_EXCEPTION).done:
                ended.result()
        except BaseException:
            host.stopping.set()
            raise
    return [outcome for ended in running for outcome in ended.result()]


def _awaits_images(run: _Run, tier: Tier) -> bool:
    """Return True if it will need images. It waits for them, and reports if making them fails."""
    return tier.name in _BESIDE_A_DAEMON and not tiers.obstacle(tier, run.facts)


def _run_by(run: _Run, tier: Tier, start: Callable[[Sequence[str]], int]) -> Outcome:
    """Run a tier by `start`, which runs an argv and returns its exit status."""
    stopped = tiers.obstacle(tier, run.facts)
    if stopped:
        return stopped
    _headline(run.session, tier.name)
    if tier.name == "lint":
        return _lint(run, start)
    report = run.scratch / tier.name / "junit.xml"
    report.parent.mkdir()
    began = time.monotonic()
    code = start(_argv(run, tier, report))
    xml = report.read_text() if report.exists() else None
    outcome = tiers.outcome(tier.name, code, xml, time.monotonic() - began, bool(run.only))
    if _interrupted(code, outcome):
        raise Interrupted(f"interrupted in the tier {tier.name}")
    return outcome


def _lint(run: _Run, start: Callable[[Sequence[str]], int]) -> Outcome:
    began = time.monotonic()
    checks = run_checks(run.session, start)
    failed = [check.name for check in checks if check.failed]
    missing = [check.missing for check in checks if check.missing]
    return Outcome(
        "lint",
        passed=sum(not check.failed and not check.missing for check in checks),
        failed=len(failed),
        skipped=len(missing),
        seconds=time.monotonic() - began,
        why="; ".join([*failed, *(f"{tiers.NOT_HERE} {name}" for name in missing)]),
        bare_skips=0,
    )


def _interrupted(code: int, outcome: Outcome) -> bool:
    if code in (ExitCode.INTERRUPTED, -signal.SIGINT):
        return True
    # pytest also calls it so where a file with tests can't be imported; that is a failed test.
    return code == _PYTEST_INTERRUPTED and outcome.why.startswith("exit status")


def _argv(run: _Run, tier: Tier, report: Path) -> list[str]:
    pytest = [sys.executable, "-m", "pytest", *tier.folders]
    pytest += ["-m", tiers.marks(tier), *(["-k", run.only] if run.only else [])]
    pytest += ["-n", "auto", *_STEALING] if tier.parallel else []
    if tier.machine:
        return _in_machine(pytest, report.parent)
    if tier.name in _BESIDE_A_DAEMON:
        pytest += ["-n", "2" if tier.beside else "3", *_STEALING]
        return _beside_a_daemon(run, _BESIDE_A_DAEMON[tier.name], pytest, report)
    pytest += ["--cov", "--cov-report="] if run.coverage and tier.measured else []
    coverage_file = str(report.parent / ".coverage")
    if tier.name == "integration" and run.as_nobody:
        return _unprivileged(run, pytest, report, coverage_file)
    over_ssh = {"REPOMAN_TEST_SSH": "fabric"} if tier.name == "ssh" else {}
    return here([*pytest, f"--junitxml={report}"], COVERAGE_FILE=coverage_file, **over_ssh)


def _in_machine(pytest: Sequence[str], folder: Path) -> list[str]:
    machine = [
        sys.executable,
        "-m",
        "tests.worlds.machine",
        "--timeout",
        str(_MACHINE_SECONDS),
        "--",
    ]
    with_report = ["sh", "-c", _REPORT_IN_MACHINE, str(folder)]
    return here([*machine, *with_report, *pytest, "--junitxml=/run/report/junit.xml"])


def _beside_a_daemon(
    run: _Run, module: Sequence[str], pytest: Sequence[str], report: Path
) -> list[str]:
    """Return the argv for `dev` in the namespaces, who can write only to the report's folder."""
    run.scratch.chmod(0o755)
    report.parent.chmod(0o777)
    options = ["-p", "no:cacheprovider", f"--junitxml={report}"]
    return here([sys.executable, "-m", *module, "--", *pytest, *options])


def _unprivileged(run: _Run, pytest: Sequence[str], report: Path, coverage_file: str) -> list[str]:
    """Return the argv for nobody, with a home and folders where it can write."""
    run.scratch.chmod(0o755)
    folder = report.parent
    os.chown(folder, _NOBODY, _NOBODY)
    options = ["-p", "no:cacheprovider", f"--basetemp={folder}/tests", f"--junitxml={report}"]
    return here(
        [*run.as_nobody, *pytest, *options],
        PATH=f"{Path(sys.executable).parent}:{SYSTEM_PATH}",
        HOME=str(folder),
        TMPDIR=str(folder),
        COVERAGE_FILE=coverage_file,
        USER="nobody",
        LOGNAME="nobody",
        HYPOTHESIS_STORAGE_DIRECTORY=f"{folder}/hypothesis",
        PYTHONDONTWRITEBYTECODE="1",
    )
