"""Running the tiers of tests, in lanes that run at the same time."""

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
from dev.checkout import ROOT, SYSTEM_PATH, checkout_argv, in_ci
from dev.lint import run_checks
from dev.tiers import Facts, Tier, TierResult
from repoman_tasks.errors import ExitCode, Interrupted
from repoman_tasks.session import Session

__all__ = ["print_missing", "run_tiers"]

_NOBODY = 65534
_MACHINE_SECONDS = 3600
_COVERAGE_FILE = str(ROOT / ".coverage")
_PYTEST_INTERRUPTED = 2
_WORK_STEALING = ("--dist", "worksteal")
"""Some tests take as long as a hundred others, so idle workers take tests from busy ones."""
_WITH_DAEMON = {
    "containers": ("tests.worlds.daemon", "--agent", "claude"),
    "security": ("tests.worlds.daemon",),
    "nightly": (
        *("tests.worlds.daemon", "--image", "debian-cloud"),
        *(word for name in ("claude", "codex", "gemini", "opencode") for word in ("--agent", name)),
        *("--pack", "claude"),
    ),
    "packages": ("tests.packages",),
}
"""The module, with options, that prepares Incus for the tests of a tier and runs them."""
_DAEMON_WORKERS = 4
"""Limit of worker processes beside a daemon: it has a network for each."""
_LIBPYTHON = f"lib{Path('/usr/bin/python3').resolve().name}"
"""Debian package of the system's Python as a library, such as libpython3.11."""
_REPORT_IN_MACHINE = 'mkdir /run/report && mount -t hostfs -o "$0" none /run/report && exec "$@"'
"""Script that mounts the folder of the report, since the virtual machine can write nowhere else."""


@dataclass(frozen=True)
class _Run:
    """Values that all tiers of one run share."""

    session: Session
    scratch: Path
    """Temporary folder, with a folder for each tier."""
    facts: Facts
    as_nobody: tuple[str, ...]
    """The argv prefix that runs a program as the user nobody, empty if not root."""
    keyword: str
    """The expression for pytest's -k, "" for all tests."""
    coverage: bool


def print_missing(session: Session, requested: Sequence[Tier]) -> None:
    """Print the packages that are missing for these tiers, one a line."""
    for package in tiers.missing_packages(requested, _facts("")):
        session.screen.line(_LIBPYTHON if package == "libpython" else package)


def run_tiers(
    session: Session,
    requested: Sequence[Tier],
    names: Sequence[str],
    keyword: str,
    *,
    coverage: bool,
) -> int:
    """Run the tiers, print the table and, with `coverage`, the line coverage.

    Return the exit code. `names` are the tiers that were requested by name.
    """
    with tempfile.TemporaryDirectory(prefix="repoman-test-") as folder:
        scratch = Path(folder)
        as_nobody, problem = _find_nobody(session, scratch, requested)
        run = _Run(session, scratch, _facts(problem), as_nobody, keyword, coverage)
        _compile(session)
        results = _run_all(run, tiers.plan_lanes(requested))
        measured = _combine_coverage(run)
    if session.dry:
        return 0
    if measured:
        _show_coverage(session)
    return _show_results(session, [*results, *tiers.unrequested_results(names, requested)])


def _compile(session: Session) -> None:
    """Compile the modules once: some tiers can't write bytecode into the checkout."""
    argv = [sys.executable, "-m", "compileall", "-q", "repoman_tasks", "tests"]
    session.host.hand_over(checkout_argv(argv))


def _combine_coverage(run: _Run) -> bool:
    """Combine the coverage data of the tiers. Return False if there is none."""
    files = [str(path) for path in run.scratch.glob("*/.coverage")]
    if files:
        argv = [sys.executable, "-m", "coverage", "combine", "--quiet", *files]
        run.session.host.hand_over(checkout_argv(argv, COVERAGE_FILE=_COVERAGE_FILE))
    return bool(files)


def _show_coverage(session: Session) -> None:
    _show_heading(session, "line coverage")
    argv = [sys.executable, "-m", "coverage", "report"]
    session.host.hand_over(checkout_argv(argv, COVERAGE_FILE=_COVERAGE_FILE))


def _show_results(session: Session, results: Sequence[TierResult]) -> int:
    """Print the table, hints and totals; return the exit code."""
    _show_heading(session, "tiers")
    session.screen.table(tiers.COLUMNS, tiers.format_rows(results))
    session.screen.line()
    for hint in tiers.run_hints(results):
        session.screen.line(hint)
    if in_ci():
        for failure in tiers.ci_failures(results):
            session.screen.line(f"a failure in CI: {failure}")
    session.screen.line(tiers.format_totals(results))
    return tiers.tiers_exit_code(results, ci=in_ci())


def _show_heading(session: Session, text: str) -> None:
    session.screen.line()
    session.screen.line(f"=== {text} ===")
    sys.stdout.flush()


# --- facts -------------------------------------------------------------------------------


def _facts(nobody_problem: str) -> Facts:
    path = f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"
    names = {name for tier in tiers.TIERS for name in {**tier.programs, **tier.optional}}
    paths = {name for tier in tiers.TIERS for name in tier.paths}
    return Facts(
        programs=frozenset(n for n in names if glob.glob(n) or shutil.which(n, path=path)),
        is_root=os.geteuid() == 0,
        test_files={name: _count_test_files(ROOT / name) for name in paths},
        nobody_problem=nobody_problem,
    )


def _count_test_files(path: Path) -> int:
    return len(list(path.rglob("test_*.py"))) if path.is_dir() else int(path.exists())


_PROBE = """
import subprocess, sys
import pytest, tests, repoman_tasks.hosts.local
assert sys.version == sys.argv[1], "another Python was started"
subprocess.run([sys.executable, "-c", ""], check=True)
"""
"""Program that fails unless this Python runs and can start itself, as pytest's workers do."""


def _find_nobody(
    session: Session, scratch: Path, requested: Sequence[Tier]
) -> tuple[tuple[str, ...], str]:
    """Return the argv prefix that runs a program as nobody, and "", or (), and the problem.

    Nobody must be able to read the checkout and Python.
    """
    names = [tier.name for tier in requested]
    if "integration" not in names or os.geteuid() != 0:
        return (), ""
    if not shutil.which("setpriv"):
        return (), "not installed: util-linux"
    ids = (f"--reuid={_NOBODY}", f"--regid={_NOBODY}")
    plain = ("setpriv", *ids, "--clear-groups", "--inh-caps=-all", "--no-new-privs")
    # Checkout or Python may be below a folder that others can't enter, such as /root.
    folders = (str(ROOT), sys.prefix, sys.base_prefix)
    module = ("unshare", "--mount", sys.executable, "-m", "dev.open_folders")
    opened = (*module, str(scratch / "held"), *folders, "--", *plain)
    problem = ""
    for argv in (plain, opened):
        probe = checkout_argv([*argv, sys.executable, "-c", _PROBE, sys.version])
        result = session.host.read(probe)
        if not result.code:
            return argv, ""
        problem = result.complaint
    return (), f"uid {_NOBODY} can't run the tests of this checkout ({problem})"


# --- tiers -------------------------------------------------------------------------------


def _run_all(run: _Run, lanes: Sequence[Sequence[Tier]]) -> list[TierResult]:
    if len(lanes) > 1:
        return _run_lanes(run, lanes)
    return [_run_tier(run, tier, run.session.host.hand_over) for lane in lanes for tier in lane]


def _run_lanes(run: _Run, lanes: Sequence[Sequence[Tier]]) -> list[TierResult]:
    """Run lanes at the same time. Each line of output is printed with the name of its tier."""
    host = run.session.host

    def follow(name: str, argv: Sequence[str]) -> int:
        def print_line(line: bytes) -> None:
            print(f"{name}: {line.decode(errors='replace')}", flush=True)

        return host.stream(argv, print_line, print_line)

    def run_lane(lane: Sequence[Tier]) -> list[TierResult]:
        return [_run_tier(run, tier, partial(follow, tier.name)) for tier in lane]

    with ThreadPoolExecutor() as threads:
        if any(_needs_images(run, tier) for lane in lanes for tier in lane):
            threads.submit(
                follow,
                "images",
                checkout_argv([sys.executable, "-m", "tests.worlds.daemon.images"]),
            )
        running = [threads.submit(run_lane, lane) for lane in lanes]
        try:
            for future in wait(running, return_when=FIRST_EXCEPTION).done:
                future.result()
        except BaseException:
            host.stopping.set()
            raise
    return [result for future in running for result in future.result()]


def _needs_images(run: _Run, tier: Tier) -> bool:
    """Return True if the tier will run, and waits for images while they are made."""
    return tier.name in _WITH_DAEMON and not tiers.blocked_result(tier, run.facts)


def _run_tier(run: _Run, tier: Tier, start: Callable[[Sequence[str]], int]) -> TierResult:
    """Run a tier. `start` runs an argv and returns its exit status."""
    blocked = tiers.blocked_result(tier, run.facts)
    if blocked:
        return blocked
    _show_heading(run.session, tier.name)
    if tier.name == "lint":
        return _run_lint(run, start)
    report = run.scratch / tier.name / "junit.xml"
    report.parent.mkdir()
    started = time.monotonic()
    code = start(_pytest_argv(run, tier, report))
    xml = report.read_text() if report.exists() else None
    seconds = time.monotonic() - started
    result = tiers.make_result(tier.name, code, xml, seconds, filtered=bool(run.keyword))
    if _is_interrupted(code, result):
        raise Interrupted(f"interrupted in the tier {tier.name}")
    return result


def _run_lint(run: _Run, start: Callable[[Sequence[str]], int]) -> TierResult:
    started = time.monotonic()
    checks = run_checks(run.session, start)
    failed = [check.name for check in checks if check.failed]
    missing = [check.missing for check in checks if check.missing]
    return TierResult(
        "lint",
        passed=sum(not check.failed and not check.missing for check in checks),
        failed=len(failed),
        skipped=len(missing),
        seconds=time.monotonic() - started,
        reason="; ".join([*failed, *(f"{tiers.NOT_HERE} {name}" for name in missing)]),
    )


def _is_interrupted(code: int, result: TierResult) -> bool:
    if code in (ExitCode.INTERRUPTED, -signal.SIGINT):
        return True
    # pytest has the same status if a test file can't be imported; then its report has a failure.
    return code == _PYTEST_INTERRUPTED and result.reason.startswith("exit status")


def _pytest_argv(run: _Run, tier: Tier, report: Path) -> list[str]:
    pytest = [sys.executable, "-m", "pytest", *tier.paths]
    pytest += ["-m", tiers.mark_expression(tier), *(["-k", run.keyword] if run.keyword else [])]
    workers = tier.parallel * len(os.sched_getaffinity(0))
    workers = min(workers, _DAEMON_WORKERS) if tier.name in _WITH_DAEMON else workers
    pytest += ["-n", str(workers), *_WORK_STEALING] if workers else []
    if tier.machine:
        return _in_machine(pytest, report.parent)
    if tier.name in _WITH_DAEMON:
        return _with_daemon(run, _WITH_DAEMON[tier.name], pytest, report)
    pytest += ["--cov", "--cov-report="] if run.coverage and tier.measured else []
    coverage_file = str(report.parent / ".coverage")
    if tier.name == "integration" and run.as_nobody:
        return _as_nobody(run, pytest, report, coverage_file)
    over_ssh = {"REPOMAN_TEST_SSH": "fabric"} if tier.name == "ssh" else {}
    return checkout_argv([*pytest, f"--junitxml={report}"], COVERAGE_FILE=coverage_file, **over_ssh)


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
    return checkout_argv([*machine, *with_report, *pytest, "--junitxml=/run/report/junit.xml"])


def _with_daemon(
    run: _Run, module: Sequence[str], pytest: Sequence[str], report: Path
) -> list[str]:
    """Return the argv for tests beside an Incus daemon, as a user who can write only the report."""
    run.scratch.chmod(0o755)
    report.parent.chmod(0o777)
    options = ["-p", "no:cacheprovider", f"--junitxml={report}"]
    return checkout_argv([sys.executable, "-m", *module, "--", *pytest, *options])


def _as_nobody(run: _Run, pytest: Sequence[str], report: Path, coverage_file: str) -> list[str]:
    """Return the argv for tests as nobody, which can write only to a folder of its own."""
    run.scratch.chmod(0o755)
    folder = report.parent
    os.chown(folder, _NOBODY, _NOBODY)
    options = ["-p", "no:cacheprovider", f"--basetemp={folder}/tests", f"--junitxml={report}"]
    return checkout_argv(
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
