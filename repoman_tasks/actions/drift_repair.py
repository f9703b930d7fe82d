"""Mending drift, finding by finding: the changing part of `status --repair`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from repoman_tasks.actions.adoption import adoption
from repoman_tasks.actions.apply import Plan, carry_out
from repoman_tasks.actions.container_plans import opening, unruling, work_of
from repoman_tasks.actions.facts import asked, reconcile
from repoman_tasks.actions.project_container import alone_with, check_fenced, repo_of, wanted_of
from repoman_tasks.errors import Failed, Refused, RepomanError
from repoman_tasks.model import Project
from repoman_tasks.planning.container.lifecycle import create_steps, finish_steps, forget_step
from repoman_tasks.planning.container.repairs import CHOICES, LEAVE, RepairWish
from repoman_tasks.planning.container.spec import Container
from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.prompts import DESTROY, REPAIR
from repoman_tasks.planning.steps import ArrangeUser, ChangeState, DeleteContainer, Step
from repoman_tasks.session import Session
from repoman_tasks.tools.images import image_origin

__all__ = ["repair"]


def repair(session: Session, findings: Sequence[Finding], wish: RepairWish) -> bool:
    """Mend what a person chooses to have mended; False where something could not be.

    One that can't be mended does not keep the others from it.
    """
    well = True
    for finding in findings:
        choice = _choice(session, finding, wish)
        if choice == LEAVE:
            continue
        try:
            _mend(session, finding, choice, by_flag=bool(wish.chosen(finding.kind)))
        except RepomanError as problem:
            session.screen.note(f"{finding.subject} was not mended, {problem}")
            well = False
    return well


def _choice(session: Session, finding: Finding, wish: RepairWish) -> str:
    options = CHOICES.get(finding.kind)
    if options is None:
        return LEAVE
    if wish.chosen(finding.kind):
        return wish.chosen(finding.kind)
    if not wish.repair:
        return LEAVE
    if not session.ask.possible:
        if len(options) == 1:  # one way to mend it: --yes is enough
            return options[0] if session.ask.yes else LEAVE
        flag = f"--{finding.kind} {'|'.join(options)}"
        session.screen.note(f"{finding.subject}: {finding.what}: left as it is, add {flag}")
        return LEAVE
    session.screen.note(f"{finding.subject}: {finding.what}")
    choices = dict.fromkeys((LEAVE, *options), "")
    choice = session.ask.choose(REPAIR, finding.subject, options=choices, default=LEAVE)
    if choice != LEAVE:
        session.screen.note(f"The same by flags: {_typed(finding, choice, wish)}")
    return choice


def _typed(finding: Finding, choice: str, wish: RepairWish) -> str:
    """What would have chosen that, and asked nothing."""
    how = f"--{finding.kind} {choice}" if wish.has_flag(finding.kind) else "--repair"
    return f"`repoman status {finding.subject} {how} --yes`"


def _mend(session: Session, finding: Finding, choice: str, *, by_flag: bool) -> None:
    if choice in ("destroy", "remove") and finding.kind == "orphan":
        session.ask.typed(DESTROY, finding.subject, finding.subject)
    plan = _PLANS[choice](session, finding.subject)
    # A person who chose it from the question has agreed; so has who named it by a flag.
    agreed = partial(alone_with, session, finding.subject)
    carry_out(session, plan, confirmed=by_flag or session.ask.possible, agreed=agreed)


def _recreate(session: Session, name: str) -> Plan:
    check_fenced(session)
    project, work = _project(session, name), work_of(session)
    repo = session.of(reconcile).repos[name]
    if repo.problem:
        raise Refused(f"its repo {repo.path} {repo.says}", "bring it back first")
    wanted = wanted_of(session, project)
    origin = image_origin(work.incus, wanted.image)
    path = repo_of(session, project)
    steps = create_steps(project, wanted, origin, path, work.person.name)
    return Plan([*opening(session, wanted), *steps], work=work)


def _forget(session: Session, name: str) -> Plan:
    project = _project(session, name)
    return Plan([*unruling(session, project), forget_step(project)], work=work_of(session))


def _adopt(session: Session, name: str) -> Plan:
    return adoption(session, name)


def _finish(session: Session, name: str) -> Plan:
    project = session.of(reconcile).registry.project(name)
    if project is None or not project.container:
        return adoption(session, name)
    work, container = work_of(session), _container(session, name)
    arranging = ArrangeUser(name, work.person.name, repo_of(session, project))
    steps = finish_steps(wanted_of(session, project), container, arranging)
    return Plan(steps, work=work)


def _remove(session: Session, name: str) -> Plan:
    steps: list[Step] = [DeleteContainer(name)]
    return Plan(steps, work=work_of(session))


def _rename(session: Session, name: str) -> Plan:
    other = asked(session).renamed(name)
    if other is None:
        raise Failed(f"no container was made for {name}", "`repoman status` tells more")
    return Plan([ChangeState(other.name, "rename", to=name)], work=work_of(session))


def _stop(session: Session, name: str) -> Plan:
    return Plan([ChangeState(name, "stop", force=True)], work=work_of(session))


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
    found = asked(session).found.get(name)
    if found is None:
        raise Failed(f"the container {name} is gone", "`repoman status` tells more")
    return found
