"""`new`: register a repo as a project, and create its container."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from repoman_tasks.actions.apply import Plan, apply_plan
from repoman_tasks.actions.approval import allowed_requests, submit_requests
from repoman_tasks.actions.container_plans import (
    mount_permission_steps,
    step_runner,
    submit_protection,
    with_protected,
)
from repoman_tasks.actions.container_steps import StepRunner
from repoman_tasks.actions.current_folder import folder_without_project
from repoman_tasks.actions.facts import readable_share, reconcile, require_containers, require_share
from repoman_tasks.actions.hazards import prepare_baseline, require_guard
from repoman_tasks.actions.mirror_without_project import has_mirror
from repoman_tasks.actions.nesting import confirm_nesting
from repoman_tasks.actions.project_container import (
    check_incus_project,
    lock_container,
    repo_path,
    spec_of,
)
from repoman_tasks.actions.template_images import image_source
from repoman_tasks.actions.volumes import find_volume
from repoman_tasks.cli.task import task
from repoman_tasks.errors import UsageError, quoted
from repoman_tasks.hosts.base import Host
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import GUARD, PROTECTIONS, Project, Registry
from repoman_tasks.planning.container.homes import home_of
from repoman_tasks.planning.container.host_mounts import host_mount_findings
from repoman_tasks.planning.container.lifecycle import (
    create_steps,
    delete_half_made_steps,
    register_step,
)
from repoman_tasks.planning.container.spec import Container, apply_requested, with_pool
from repoman_tasks.planning.container.templates import base_image, find_template
from repoman_tasks.planning.estate_steps import new_project
from repoman_tasks.planning.findings import repo_state
from repoman_tasks.planning.names import absolute, check_name, image_fault, profile_fault
from repoman_tasks.planning.steps import CloneRepo, MakeRepo, RestoreRepo, Step
from repoman_tasks.session import Session
from repoman_tasks.tools.hazard_records import was_recorded
from repoman_tasks.tools.share import Share
from repoman_tasks.tools.snapshot_folders import check_source
from repoman_tasks.wizards.new_questions import ask_new


@task(
    wizard=ask_new,
    pre=[reconcile],
    positional=["name"],
    greedy=True,
    help={
        "name": "Name of the project (default: that of the folder in local_repos you are in).",
        "repo": "Folder of the repo, relative to local_repos or absolute (default: NAME).",
        "image": "Image of the container, such as images:debian/12.",
        "template": "Template that is put into the image, see `repoman template`.",
        "profile": "Incus profile of the container, in place of the default ones; may be repeated.",
        "clone": "Clone this URL into the folder first.",
        "create": "Create the folder first, with an empty git repo.",
        "restore": "Bring the folder back from its mirror on the share first.",
        "nesting": "Allow containers inside the container, which Docker needs.",
        "protect": "What is read-only inside (default: true); guard: all but git's configuration.",
        "no_container": "Create no container: the project is only backed up.",
        "no_backup": "Leave the repo out of every sync.",
        "trust": "Approve what the repo's .repoman.toml requests beyond its container.",
        "dry_run": "Show what would change, and change nothing.",
    },
    examples={
        "repoman new isurus --clone https://example.org/isurus.git": (
            "Clone a repo, and create its container"
        ),
        "repoman new isurus --create --image images:debian/12": (
            "Start with an empty repo and a chosen image"
        ),
        "repoman new notes --no-container": "Only back up a folder that exists",
        "repoman new isurus --restore": "Bring back a repo of which only the mirror is left",
    },
    exit_codes={
        "4": "another command is working on the project",
        "5": "the backup share is not usable, which --restore needs",
        "6": "refused: a request was not approved, or is never allowed",
        "130": "interrupted, or a prompt was answered with no",
    },
)
def new(
    session: Session,
    profile: list[str],
    name: str | None = None,
    repo: str = "",
    image: str = "",
    template: str = "",
    clone: str = "",
    create: bool = False,
    restore: bool = False,
    nesting: bool = False,
    protect: str = "",
    no_container: bool = False,
    no_backup: bool = False,
    trust: bool = False,
    dry_run: bool = False,
) -> None:
    """Register a repo as a project, and create its container.

    In a folder below local_repos, that folder is meant, or the git repo around it. Without --clone,
    --create or --restore, the folder has to exist. If a step fails or is interrupted, what was
    created before it is removed again, but for a repo that was restored.
    """
    if name is None and not (repo or clone or create or restore):
        repo = folder_without_project(session)
        name = repo.rpartition("/")[2] or None
    if name is None:
        raise UsageError("new needs a name", "`repoman new NAME`")
    check_name(name)
    parts = not no_container, not no_backup
    options = _NewOptions(
        *(image, tuple(profile), clone, create, restore, *parts, trust, dry_run, protect),
        *(template, nesting),
    )
    options.check()
    _confirm(session, name, options)
    plan = _plan(session, name, repo, options)
    lock = partial(lock_container, session, name) if options.container else None
    if apply_plan(session, plan, dry_run=dry_run, on_confirm=lock):
        session.screen.note(f"Next: repoman {'shell' if options.container else 'sync'} {name}")


def _confirm(session: Session, name: str, options: _NewOptions) -> None:
    """Ask about nesting. Raise UsageError if the options need something that is not there."""
    if options.nesting:
        confirm_nesting(session, name, dry_run=options.dry_run)
    if options.protect == GUARD:
        require_guard(session.host)


@dataclass(frozen=True)
class _NewOptions:
    """Options of `new`."""

    image: str
    profiles: tuple[str, ...]
    clone: str
    create: bool
    restore: bool
    container: bool
    backup: bool
    trust: bool
    dry_run: bool
    protect: str
    template: str
    nesting: bool

    @property
    def creates_repo(self) -> bool:
        return bool(self.clone) or self.create or self.restore

    def check(self) -> None:
        """Raise UsageError for an invalid option, or for options that can't be combined."""
        sources = {"--clone": self.clone, "--create": self.create, "--restore": self.restore}
        given = [flag for flag, value in sources.items() if value]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} can't be combined", "choose one")
        if self.clone.startswith("-"):
            raise UsageError(f"--clone {self.clone}", "not a valid URL")
        self._check_container()
        if not self.container and not self.backup:
            raise UsageError("--no-container and --no-backup can't be combined", "choose one")
        for flag, value, fault in (
            ("--image", self.image, image_fault),
            *(("--profile", profile, profile_fault) for profile in self.profiles),
        ):
            if value and fault(value):
                raise UsageError(f"{flag} {value}", fault(value))

    def _check_container(self) -> None:
        if not self.container and (self.image or self.profiles):
            raise UsageError("--image and --profile need a container", "leave out --no-container")
        if not self.container and self.template:
            raise UsageError("--template needs a container", "leave out --no-container")
        if not self.container and self.nesting:
            raise UsageError("--nesting needs a container", "leave out --no-container")
        if not self.container and self.protect:
            raise UsageError("--protect needs a container", "leave out --no-container")
        if self.protect not in ("", *PROTECTIONS):
            raise UsageError(f"--protect {self.protect}", f"must be {', '.join(PROTECTIONS)}")


def _plan(session: Session, name: str, repo: str, options: _NewOptions) -> Plan:
    """Return the plan. Raise UsageError if the name or the folder of the repo is not possible."""
    facts, host, now = session.of(reconcile), session.host, session.now()
    if options.template:
        find_template(facts.registry, options.template)
    if repo.startswith(("/", "~")):  # possibly through a symlink
        repo = host.real_folder(absolute(repo, host.home)) or repo

    def make_project(registry: Registry) -> Project:
        project = new_project(registry, name, repo, facts.local_repos, host.home, now)
        project = replace(project, container=options.container, backup=options.backup)
        if options.container:
            template = options.template or registry.defaults.template
            project = replace(project, template=template, nesting=options.nesting)
        return replace(project, protect=PROTECTIONS.get(options.protect, True))

    project = make_project(facts.registry)
    path = repo_path(facts, project)
    _check_folder(host, path, facts.local_repos, options)
    if options.backup:
        _tell_of_mirror(session, project, options)
    runner = step_runner(session)
    project_steps = partial(_project_steps, session, project, options, runner)
    share = _share_with_mirror(session, project) if options.restore else None
    steps = [*_repo_steps(path, project, options), *project_steps()]
    plan = Plan(steps, share, runner, check=make_project, replan=project_steps)
    # A restored repo may hold what a container left there: what was new then is new still.
    if not options.container or (options.restore and was_recorded(host, path)):
        return plan
    record = prepare_baseline(host, path, created=options.creates_repo)
    return replace(plan, on_success=record)


def _share_with_mirror(session: Session, project: Project) -> Share:
    """Return the share; raise Failed if it has no mirror of the project's repo."""
    share = require_share(session, readable_share)
    check_source(
        share, share.root, project.repo, (), "", "list what is there with `repoman status`"
    )
    return share


def _tell_of_mirror(session: Session, project: Project, options: _NewOptions) -> None:
    """Say if the share has a mirror of a repo that is to be made anew."""
    if options.restore or not options.creates_repo or not has_mirror(session, project.repo):
        return
    first = f"run `repoman new {quoted(project.name)} --restore` in place of this"
    after = f"`repoman restore {quoted(project.name)}` copies it"
    cure = first if session.prompter.possible or options.dry_run else after
    session.screen.note(f"the share has a mirror of {project.repo} already: {cure}")


def _check_folder(host: Host, path: str, local_repos: str, options: _NewOptions) -> None:
    """Raise UsageError unless `path` is a real folder in local_repos, or can be created there."""
    if options.creates_repo and host.real_folder(path) is not None:
        option = "--clone" if options.clone else "--create" if options.create else "--restore"
        raise UsageError(f"{path} already exists", f"leave out {option}, or choose another --repo")
    folder = path.rpartition("/")[0] if options.creates_repo else path
    state = repo_state(folder, host.real_folder(folder), local_repos)
    if state.problem and not (options.creates_repo and folder == local_repos):
        cure = "choose a real folder in local_repos"
        alternative = "" if options.creates_repo else ", or add --create, --clone URL or --restore"
        raise UsageError(f"{folder} {state.phrase}", cure + alternative)


def _repo_steps(path: str, project: Project, options: _NewOptions) -> list[Step]:
    if options.restore:
        return [RestoreRepo(project.name, project.repo, path)]
    if options.clone:
        return [CloneRepo(options.clone, path)]
    return [MakeRepo(path)] if options.create else []


def _project_steps(
    session: Session, project: Project, options: _NewOptions, runner: StepRunner
) -> Sequence[Step]:
    """Return the steps after those that create the repo.

    A repo that is yet to be created has no requests, so these steps are planned again after that.
    """
    facts = session.of(reconcile)
    path = repo_path(facts, project)
    if not options.container:
        return [register_step(project, path)]
    home = _find_home(session, project, runner)
    deletion = delete_half_made_steps(project.name, _existing(session, runner, home))
    cure = f"review it, then run `repoman new {quoted(project.name)} --trust`"
    answers, protection = submit_requests(session, path), submit_protection(session.host, path)
    requests, refusal = allowed_requests(
        session, answers, cure, trusted=options.trust, dry_run=options.dry_run
    )
    if refusal:
        raise refusal
    project = apply_requested(project, requests, options.image, options.profiles)
    project = with_protected(project, protection.result())
    if not project.requested_image:
        project = replace(project, image=base_image(project, facts.registry))
    source = image_source(session, project)
    volume = find_volume(runner.incus, project.name, home)
    spec = with_pool(spec_of(facts, project), volume.pool)
    if volume.exists:
        session.screen.note(f"{project.name} gets the volume of that name, which exists already")
    creation = create_steps(project, spec, source.origin, path, runner.person.name)
    return [
        *deletion,
        *source.steps,
        *mount_permission_steps(session, spec),
        *volume.steps(facts.registry.defaults.volume_size),
        *creation,
        register_step(project, path),
    ]


def _existing(session: Session, runner: StepRunner, home: str) -> Mapping[str, Container]:
    """Return the containers that are there, those in `home` too if that was not asked before."""
    existing = require_containers(session).by_name
    if home == runner.incus.project:
        return existing
    return {**existing, **runner.incus.submit_containers_in(home).result()}


def _find_home(session: Session, project: Project, runner: StepRunner) -> str:
    """Return the Incus project for the container, and print what the host may not have to mount.

    Raise UsageError if there can be no container.
    """
    check_incus_project(runner.incus)
    home = home_of(project, runner.incus.project)
    runner.incus.homes.belong(project.name, home)
    for finding in host_mount_findings(session.of(reconcile), project):
        session.screen.note(f"{finding.what}: {finding.cure}")
    return home
