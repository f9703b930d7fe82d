"""Repairs of drift between registry and containers, for `status --repair`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from repoman_tasks.actions.adoption import plan_adoption
from repoman_tasks.actions.apply import Plan, apply_plan
from repoman_tasks.actions.container_plans import (
    acl_removal_steps,
    mount_permission_steps,
    step_runner,
)
from repoman_tasks.actions.facts import incus, reconcile, require_containers
from repoman_tasks.actions.project_container import (
    check_incus_project,
    lock_container,
    repo_path,
    spec_of,
)
from repoman_tasks.actions.template_images import abandoned_image_steps, image_source
from repoman_tasks.actions.volumes import delete_volume_steps, find_volume
from repoman_tasks.errors import Failed, Refused, RepomanError, quoted
from repoman_tasks.model import Project, Registry
from repoman_tasks.planning.container.lifecycle import create_steps, finish_steps, forget_step
from repoman_tasks.planning.container.repairs import CHOICES, LEAVE, RepairOptions
from repoman_tasks.planning.container.spec import with_pool
from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.prompts import DELETE_CONTAINER, REPAIR
from repoman_tasks.planning.steps import ArrangeUser, ChangeState, DeleteContainer, Step
from repoman_tasks.session import Session
from repoman_tasks.terminal.prompter import Prompter
from repoman_tasks.terminal.screen import Screen

__all__ = ["repair_drift"]


def repair_drift(session: Session, findings: Sequence[Finding], options: RepairOptions) -> bool:
    """Repair the findings that options or a person choose; return False if a repair failed.

    After a failure the other repairs are still tried.
    """
    succeeded = True
    for finding in findings:
        choice = _choose(session.prompter, session.screen, finding, options)
        if choice == LEAVE:
            continue
        try:
            _repair(session, finding, choice, by_flag=bool(options.choice(finding.kind)))
        except RepomanError as problem:
            session.screen.note(f"{finding.subject} was not repaired, {problem}")
            succeeded = False
    return succeeded


def _choose(prompter: Prompter, screen: Screen, finding: Finding, options: RepairOptions) -> str:
    """Return the repair of a finding: of its option, of the only one there is, or of a person."""
    choices = CHOICES.get(finding.kind)
    if choices is None:
        return LEAVE
    if options.choice(finding.kind):
        return options.choice(finding.kind)
    if not options.repair:
        return LEAVE
    if not prompter.possible:
        if len(choices) == 1:  # no choice to make: --yes is enough
            return choices[0] if prompter.yes else LEAVE
        flag = f"--{finding.kind} {'|'.join(choices)}"
        screen.note(f"{finding.subject}: {finding.what}: left as it is, add {flag}")
        return LEAVE
    screen.note(f"{finding.subject}: {finding.what}")
    listed = dict.fromkeys((LEAVE, *choices), "")
    choice = prompter.choose(REPAIR, finding.subject, options=listed, default=LEAVE)
    if choice != LEAVE:
        screen.note(f"The same by flags: {_equivalent(finding, choice, options)}")
    return choice


def _equivalent(finding: Finding, choice: str, options: RepairOptions) -> str:
    """Return the command line that makes this choice without a prompt."""
    flag = f"--{finding.kind} {choice}" if options.has_flag(finding.kind) else "--repair"
    return f"`repoman status {quoted(finding.subject)} {flag} --yes`"


def _repair(session: Session, finding: Finding, choice: str, *, by_flag: bool) -> None:
    if choice in ("destroy", "remove") and finding.kind == "orphan":
        session.prompter.typed(DELETE_CONTAINER, finding.subject, finding.subject)
    plan = _PLANS[choice](session, finding.subject)
    # A choice by prompt or flag is a confirmation already.
    lock = partial(lock_container, session, finding.subject)
    apply_plan(session, plan, confirmed=by_flag or session.prompter.possible, on_confirm=lock)


def _recreate(session: Session, name: str) -> Plan:
    check_incus_project(session.of(incus))
    facts, runner = session.of(reconcile), step_runner(session)
    project, repo = _find_project(facts.registry, name), facts.repos[name]
    if repo.problem:
        raise Refused(f"its repo {repo.path} {repo.phrase}", "bring it back first")
    spec = spec_of(facts, project)
    volume = find_volume(runner.incus, name, spec.home)
    spec = with_pool(spec, volume.pool)
    source, path = image_source(session, project), repo_path(facts, project)
    steps = create_steps(project, spec, source.origin, path, runner.person.name)
    preparation = [*source.steps, *mount_permission_steps(session, spec)]
    preparation += volume.steps(facts.registry.defaults.volume_size)
    return Plan([*preparation, *steps], runner=runner)


def _forget(session: Session, name: str) -> Plan:
    project = _find_project(session.of(reconcile).registry, name)
    return Plan(
        [*acl_removal_steps(session, project), forget_step(project)], runner=step_runner(session)
    )


def _finish(session: Session, name: str) -> Plan:
    facts = session.of(reconcile)
    project = facts.registry.project(name)
    if project is None or not project.container:
        return plan_adoption(session, name)
    container = require_containers(session).by_name.get(name)
    if container is None:
        raise Failed(f"the container {name} is gone", "see `repoman status`")
    runner = step_runner(session)
    user_step = ArrangeUser(name, runner.person.name, repo_path(facts, project))
    volume = find_volume(runner.incus, name, container.home or runner.incus.project)
    volume_steps = volume.steps(facts.registry.defaults.volume_size)
    steps = finish_steps(spec_of(facts, project), container, user_step)
    return Plan([*volume_steps, *steps], runner=runner)


def _remove(session: Session, name: str) -> Plan:
    steps: list[Step] = [DeleteContainer(name)]
    if session.of(reconcile).registry.project(name) is None:
        steps += delete_volume_steps(session.of(incus), name)
        steps += abandoned_image_steps(session, name)
    return Plan(steps, runner=step_runner(session))


def _delete_volume(session: Session, name: str) -> Plan:
    steps = delete_volume_steps(session.of(incus), name)
    return Plan(steps, runner=step_runner(session))


def _rename(session: Session, name: str) -> Plan:
    renamed = require_containers(session).find_renamed(name)
    if renamed is None:
        raise Failed(f"there is no renamed container of {name}", "see `repoman status`")
    return Plan([ChangeState(renamed.name, "rename", to=name)], runner=step_runner(session))


def _stop(session: Session, name: str) -> Plan:
    return Plan([ChangeState(name, "stop", force=True)], runner=step_runner(session))


_PLANS: dict[str, Callable[[Session, str], Plan]] = {
    "recreate": _recreate,
    "forget": _forget,
    "adopt": plan_adoption,
    "destroy": _remove,
    "finish": _finish,
    "remove": _remove,
    "delete": _delete_volume,
    "rename": _rename,
    "stop": _stop,
}


def _find_project(registry: Registry, name: str) -> Project:
    project = registry.project(name)
    if project is None:
        raise Failed(f"{name} is no longer a project", "see `repoman status`")
    return project
