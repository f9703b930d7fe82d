"""`new`: register a project, and make its container."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from repoman_tasks.actions.apply import Plan, carry_out
from repoman_tasks.actions.approval import wishes
from repoman_tasks.actions.container_plans import opening, protected, work_of
from repoman_tasks.actions.container_steps import Work
from repoman_tasks.actions.facts import asked, reconcile
from repoman_tasks.actions.hazards import first_look
from repoman_tasks.actions.project_container import alone_with, check_fenced, repo_of, wanted_of
from repoman_tasks.cli.task import task
from repoman_tasks.errors import UsageError
from repoman_tasks.model import Project, Registry
from repoman_tasks.planning.container.lifecycle import check_free, create_steps, register_step
from repoman_tasks.planning.container.spec import applied
from repoman_tasks.planning.estate_steps import new_project
from repoman_tasks.planning.findings import repo_state
from repoman_tasks.planning.names import absolute, check_name, image_fault, profile_fault
from repoman_tasks.planning.steps import CloneRepo, MakeRepo, Step
from repoman_tasks.session import Session
from repoman_tasks.tools.images import image_origin
from repoman_tasks.wizards.new_questions import ask_new


@task(
    wizard=ask_new,
    pre=[reconcile],
    positional=["name"],
    greedy=True,
    help={
        "name": "Name of the project.",
        "repo": "Its folder, relative to local_repos or absolute; NAME by default.",
        "image": "Image of its container.",
        "profile": "Incus profile of its container, instead of the usual ones; may be repeated.",
        "clone": "Clone this URL into the folder first.",
        "create": "Make the folder first, with an empty git repo.",
        "no_container": "Register the repo for backup only.",
        "no_backup": "Leave the repo out of every sync.",
        "trust": "Approve what the repo's .repoman.toml asks for beyond its container.",
        "dry_run": "Show what would change.",
    },
)
def new(
    session: Session,
    profile: list[str],
    name: str | None = None,
    repo: str = "",
    image: str = "",
    clone: str = "",
    create: bool = False,
    no_container: bool = False,
    no_backup: bool = False,
    trust: bool = False,
    dry_run: bool = False,
) -> None:
    """Register a repo as a project, and make its container."""
    if name is None:
        raise UsageError("new needs a name", "`repoman new NAME`")
    check_name(name)
    parts = not no_container, not no_backup
    wish = _Asked(image, tuple(profile), clone, create, *parts, trust, dry_run)
    wish.check()
    found, host, now = session.of(reconcile), session.host, session.now()
    if repo.startswith(("/", "~")):  # however a person reaches it
        repo = host.real_folder(absolute(repo, host.home)) or repo

    def plan(registry: Registry) -> Project:
        project = new_project(registry, name, repo, found.local_repos, host.home, now)
        return replace(project, container=wish.container, backup=wish.backup)

    project = plan(found.registry)
    _check_folder(session, project, wish)
    work = work_of(session)
    steps = [*_repo_steps(session, project, wish), *_steps(session, project, wish, work)]
    whole = Plan(
        steps,
        work=work,
        still_right=plan,
        after_repo=lambda: _steps(session, project, wish, work),
    )
    if wish.container:
        look = first_look(session, repo_of(session, project), made=wish.makes_repo)
        whole = replace(whole, afterwards=look)
    agreed = partial(alone_with, session, name) if wish.container else None
    if carry_out(session, whole, dry_run=dry_run, agreed=agreed):
        session.screen.note(f"Next: repoman {'shell' if wish.container else 'sync'} {name}")


@dataclass(frozen=True)
class _Asked:
    """What a person asked for."""

    image: str
    profiles: tuple[str, ...]
    clone: str
    create: bool
    container: bool
    backup: bool
    trust: bool
    dry_run: bool

    @property
    def makes_repo(self) -> bool:
        return bool(self.clone) or self.create

    def check(self) -> None:
        """`UsageError` where flags are off, or not for one another."""
        if self.clone and self.create:
            raise UsageError("--clone and --create both make the repo", "choose one")
        if self.clone.startswith("-"):
            raise UsageError(f"--clone {self.clone}", "this is no URL")
        if not self.container and (self.image or self.profiles):
            raise UsageError("--image and --profile are for a container", "drop --no-container")
        if not self.container and not self.backup:
            raise UsageError("neither container nor backup", "drop one of the two flags")
        for flag, value, fault in (
            ("--image", self.image, image_fault),
            *(("--profile", profile, profile_fault) for profile in self.profiles),
        ):
            if value and fault(value):
                raise UsageError(f"{flag} {value}", fault(value))


def _check_folder(session: Session, project: Project, wish: _Asked) -> None:
    """`UsageError` where the repo is not a real folder below local_repos, or is there already."""
    local_repos, path = session.of(reconcile).local_repos, repo_of(session, project)
    real = session.host.real_folder(path)
    if wish.makes_repo and real is not None:
        flag = "--clone" if wish.clone else "--create"
        raise UsageError(f"{path} is there already", f"leave out {flag}, or name another --repo")
    parent = path.rpartition("/")[0] if wish.makes_repo else path
    state = repo_state(parent, session.host.real_folder(parent), local_repos)
    if state.problem and not (wish.makes_repo and parent == local_repos):
        way = "name a real folder below local_repos"
        missing = "" if wish.makes_repo else ", or add --create or --clone URL"
        raise UsageError(f"{parent} {state.says}", way + missing)


def _repo_steps(session: Session, project: Project, wish: _Asked) -> list[Step]:
    path = repo_of(session, project)
    if wish.clone:
        return [CloneRepo(wish.clone, path)]
    return [MakeRepo(path)] if wish.create else []


def _steps(session: Session, project: Project, wish: _Asked, work: Work) -> Sequence[Step]:
    """The steps from the repo on; a repo that is not there yet has no wishes yet."""
    path = repo_of(session, project)
    if not wish.container:
        return [register_step(project, path)]
    check_fenced(session)
    making_way = check_free(project.name, asked(session).found)
    how = f"look at it; if you want it: `repoman new {project.name} --trust`"
    asks, refusal = wishes(session, path, how, trusted=wish.trust, dry_run=wish.dry_run)
    if refusal:
        raise refusal
    project = protected(session, applied(project, asks, wish.image, wish.profiles))
    image = wanted_of(session, project).image
    if not project.asked_image:
        project = replace(project, image=image)
    origin = image_origin(work.incus, image)
    wanted = wanted_of(session, project)
    making = create_steps(project, wanted, origin, path, work.person.name)
    return [*making_way, *opening(session, wanted), *making, register_step(project, path)]
