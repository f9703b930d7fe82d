"""`new`: register a project."""

from __future__ import annotations

from repoman_tasks.apply import carry_out
from repoman_tasks.checks import reconcile
from repoman_tasks.cli.task import task
from repoman_tasks.errors import UsageError
from repoman_tasks.model import Registry
from repoman_tasks.planning.health import repo_state
from repoman_tasks.planning.names import absolute, check_name
from repoman_tasks.planning.setup import Step, WriteRegistry, new_steps
from repoman_tasks.session import Session


@task(
    pre=[reconcile],
    positional=["name"],
    greedy=True,
    help={
        "name": "Name of the project.",
        "repo": "Its folder, relative to local_repos or absolute; NAME by default.",
        "no_container": "Register the repo for backup only.",
        "dry_run": "Show what would change.",
    },
)
def new(
    session: Session,
    name: str | None = None,
    repo: str = "",
    no_container: bool = False,
    dry_run: bool = False,
) -> None:
    """Register a repo as a project."""
    if name is None:
        raise UsageError("new needs a name", "`repoman new NAME --no-container`")
    check_name(name)
    if not no_container:
        raise UsageError(
            "this version makes no containers",
            f"`repoman new {name} --no-container` registers the repo for backup only",
        )
    found, now = session.of(reconcile), session.now()
    if repo.startswith(("/", "~")):  # however a person reaches it
        repo = session.host.real_folder(absolute(repo, session.host.home)) or repo

    def plan(registry: Registry) -> list[Step]:
        return new_steps(registry, name, repo, found.local_repos, session.host.home, now)

    steps = plan(found.registry)
    _check_folder(session, steps, found.local_repos)
    if carry_out(session, steps, dry_run=dry_run, still_right=plan):
        session.screen.note(f"Next: repoman sync {name}")


def _check_folder(session: Session, steps: list[Step], local_repos: str) -> None:
    """`UsageError` where the repo is not a real folder below local_repos."""
    for step in steps:
        if isinstance(step, WriteRegistry):
            path = f"{local_repos}/{step.edits[0].project.repo}"  # type: ignore[union-attr]
            state = repo_state(path, session.host.real_folder(path), local_repos)
            if state.problem:
                raise UsageError(f"{path} {state.says}", "name a real folder below local_repos")
