"""Mending drift, finding by finding: the changing part of `status --repair`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from repoman_tasks.actions.adoption import adoption
from repoman_tasks.actions.apply import Plan, carry_out
from repoman_tasks.actions.container_plans import (
    acl_removal_steps,
    mount_permission_steps,
    step_runner,
)
from repoman_tasks.actions.facts import reconcile, require_containers
from repoman_tasks.actions.project_container import (
    check_incus_project,
    lock_container,
    repo_of,
    spec_of,
)
from repoman_tasks.errors import Failed, Refused, RepomanError
from repoman_tasks.model import Project
from repoman_tasks.planning.container.lifecycle import create_steps, finish_steps, forget_step
from repoman_tasks.planning.container.repairs import CHOICES, LEAVE, RepairOptions
from repoman_tasks.planning.container.spec import Container
from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.prompts import DELETE_CONTAINER, REPAIR
from repoman_tasks.planning.steps import ArrangeUser, ChangeState, DeleteContainer, Step
from repoman_tasks.session import Session
from repoman_tasks.tools.images import image_origin

__all__ = ["repair"]


def repair(session: Session, findings: Sequence[Finding], flags: RepairOptions) -> bool:
    """Mend what a person chooses to have mended; False where something could not be.

    One that can't be mended does not keep the others from it.
    """
    well = True
    for finding in findings:
        choice = _choice(session, finding, flags)
        if choice == LEAVE:
            continue
        try:
            _mend(session, finding, choice, by_flag=bool(flags.choice(finding.kind)))
        except RepomanError as problem:
            session.screen.note(f"{finding.subject} was not mended, {problem}")
            well = False
    return well


def _choice(session: Session, finding: Finding, flags: RepairOptions) -> str:
    options = CHOICES.get(finding.kind)
    if options is None:
        return LEAVE
    if flags.choice(finding.kind):
        return flags.choice(finding.kind)
    if not flags.repair:
        return LEAVE
    if not session.prompter.possible:
        if len(options) == 1:  # one way to mend it: --yes is enough
            return options[0] if session.prompter.yes else LEAVE
        flag = f"--{finding.kind} {'|'.join(options)}"
        session.screen.note(f"{finding.subject}: {finding.what}: left as it is, add {flag}")
        return LEAVE
    session.screen.note(f"{finding.subject}: {finding.what}")
    choices = dict.fromkeys((LEAVE, *options), "")
    choice = session.prompter.choose(REPAIR, finding.subject, options=choices, default=LEAVE)
    if choice != LEAVE:
        session.screen.note(f"The same by flags: {_typed(finding, choice, flags)}")
    return choice


def _typed(finding: Finding, choice: str, flags: RepairOptions) -> str:
    """What would have chosen that, and asked nothing."""
    how = f"--{finding.kind} {choice}" if flags.has_flag(finding.kind) else "--repair"
    return f"`repoman status {finding.subject} {how} --yes`"


def _mend(session: Session, finding: Finding, choice: str, *, by_flag: bool) -> None:
    if choice in ("destroy", "remove") and finding.kind == "orphan":
        session.prompter.typed(DELETE_CONTAINER, finding.subject, finding.subject)
    plan = _PLANS[choice](session, finding.subject)
    # A person who chose it from the question has agreed; so has who named it by a flag.
    agreed = partial(lock_container, session, finding.subject)
    carry_out(session, plan, confirmed=by_flag or session.prompter.possible, agreed=agreed)


def _recreate(session: Session, name: str) -> Plan:
    check_incus_project(session)
    project, runner = _project(session, name), step_runner(session)
    repo = session.of(reconcile).repos[name]
    if repo.problem:
        raise Refused(f"its repo {repo.path} {repo.phrase}", "bring it back first")
    spec = spec_of(session, project)
    origin = image_origin(runner.incus, spec.image)
    path = repo_of(session, project)
    steps = create_steps(project, spec, origin, path, runner.person.name)
    return Plan([*mount_permission_steps(session, spec), *steps], runner=runner)


def _forget(session: Session, name: str) -> Plan:
    project = _project(session, name)
    return Plan(
        [*acl_removal_steps(session, project), forget_step(project)], runner=step_runner(session)
    )


def _adopt(session: Session, name: str) -> Plan:
    return adoption(session, name)


def _finish(session: Session, name: str) -> Plan:
    project = session.of(reconcile).registry.project(name)
    if project is None or not project.container:
        return adoption(session, name)
    runner, container = step_runner(session), _container(session, name)
    arranging = ArrangeUser(name, runner.person.name, repo_of(session, project))
    steps = finish_steps(spec_of(session, project), container, arranging)
    return Plan(steps, runner=runner)


def _remove(session: Session, name: str) -> Plan:
    steps: list[Step] = [DeleteContainer(name)]
    return Plan(steps, runner=step_runner(session))


def _rename(session: Session, name: str) -> Plan:
    other = require_containers(session).find_renamed(name)
    if other is None:
        raise Failed(f"no container was made for {name}", "`repoman status` tells more")
    return Plan([ChangeState(other.name, "rename", to=name)], runner=step_runner(session))


def _stop(session: Session, name: str) -> Plan:
    return Plan([ChangeState(name, "stop", force=True)], runner=step_runner(session))


_PLANS: dict[str, Callable[[Session, str], Plan]] = {
    "recreate": _recreate,
    "forget": _forget,
    "adopt": _adopt,
    "destroy": _remove,
    "finish": _finish,
    "remove": _remove,
    "rename": _rename,
    "stop": _stop,
}


def _project(session: Session, name: str) -> Project:
    found = session.of(reconcile).registry.project(name)
    if found is None:
        raise Failed(f"{name} is no project any more", "`repoman status` tells more")
    return found


def _container(session: Session, name: str) -> Container:
    found = require_containers(session).by_name.get(name)
    if found is None:
        raise Failed(f"the container {name} is gone", "`repoman status` tells more")
    return found
