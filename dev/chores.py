"""The chores as tasks, thin: `inv dev.test` and its neighbours."""

from __future__ import annotations

import sys
from pathlib import Path

import invoke.program
from invoke.collection import Collection

from dev.checkout import ROOT, checkout_argv
from dev.completion_table import table, with_shared, with_table
from dev.key_tables import with_tables
from dev.lint import run_checks
from dev.man_page import manual
from dev.matrix import run_matrix
from dev.option_tables import with_options
from dev.packaging import build_packages
from dev.testing import print_missing, run_tiers
from dev.tiers import select_tiers
from repoman_tasks.cli.program import print_command_help
from repoman_tasks.cli.task import task
from repoman_tasks.commands import GROUPS, collection
from repoman_tasks.completions import SCRIPTS, script
from repoman_tasks.session import Session


@task(
    name="test",
    help={
        "tier": "Run this tier only; may be given again.",
        "all": "Run every tier; `nightly` if it is named as well.",
        "missing": "Print the packages that are missing for it, and run nothing.",
        "k": "Run the tests that match, in pytest's words.",
        "coverage": "Show which lines the tiers unit and integration run; that takes a third more.",
    },
)
def run_tests(
    session: Session,
    tier: list[str],
    all: bool = False,
    k: str = "",
    coverage: bool = False,
    missing: bool = False,
) -> int:
    """Run the tiers lint, unit, integration and terminal, and print which others there are."""
    requested = select_tiers(tier, everything=all)
    if missing:
        print_missing(session, requested)
        return 0
    return run_tiers(session, requested, [] if all else tier, k, coverage=coverage)


@task()
def lint(session: Session) -> int:
    """Check style, format, types and shell scripts."""
    return 1 if any(check.failed for check in run_checks(session, session.host.hand_over)) else 0


@task()
def bench(session: Session) -> int:
    """Run the benchmarks and print the figures beside their targets."""
    return session.host.hand_over(checkout_argv([sys.executable, "-m", "tests.benchmarks"]))


@task()
def pictures(session: Session) -> int:
    """Draw the pages' pictures again, from real runs on throwaway repos."""
    return session.host.hand_over(checkout_argv([sys.executable, "-m", "tests.pictures"]))


@task()
def completion(session: Session) -> None:
    """Generate the tables of the shells' completions from the tasks."""
    for shell, text in completions_now().items():
        _write(session, ROOT / "repoman_tasks/completions" / SCRIPTS[shell], text)


def completions_now() -> dict[str, str]:
    """Return the script of each shell, for the tasks as they are."""
    rows, bash = table(with_chores()), script("bash").decode()
    texts = {shell: with_table(script(shell).decode(), rows) for shell in SCRIPTS}
    return {**texts, "zsh": with_shared(texts["zsh"], bash)}


MANUAL = ROOT / "docs/man/repoman.1"


@task()
def man(session: Session) -> None:
    """Generate the man page from the tasks."""
    _write(session, MANUAL, manual_now())


def manual_now() -> str:
    """Return the man page for the current tasks."""
    return manual(collection(), (ROOT / "docs/exit-codes.md").read_text())


@task()
def reference(session: Session) -> None:
    """Write the tables of keys and options in the pages, from the schema and the tasks."""
    for path in sorted(ROOT.glob("docs/*.md")):
        text = path.read_text()
        if with_reference(text) != text:
            _write(session, path, with_reference(text))


def with_reference(page: str) -> str:
    """Return `page` with all generated tables that its marks ask for."""
    return with_options(with_tables(page), collection(), GROUPS)


def _write(session: Session, path: Path, text: str) -> None:
    session.host.write_file(str(path), text.encode())
    session.host.change(["chmod", "644", str(path)])
    session.screen.line(f"wrote {path}")


@task()
def demo(session: Session) -> int:
    """Show repoman on throwaway repos."""
    return session.host.hand_over([sys.executable, "-m", "dev.demo"])


@task(help={"to": "Folder for what is built."})
def package(session: Session, to: str = "dist") -> None:
    """Build wheel, sdist, the single file, its tarball, and the Debian package."""
    build_packages(session, to)


@task()
def matrix(session: Session) -> int:
    """Run the unit tests under every Python that is installed."""
    return run_matrix(session)


CHORES = (bench, completion, demo, lint, man, matrix, package, pictures, reference, run_tests)


def with_chores() -> Collection:
    """Return the commands of `repoman` and, as `dev.…`, the chores: what `inv` offers here."""
    invoke.program.Program.print_task_help = print_command_help  # type: ignore[method-assign, assignment]
    namespace = collection()
    namespace.add_collection(Collection("dev", *CHORES))
    return namespace
