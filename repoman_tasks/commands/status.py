"""`status`: what is wrong, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

from repoman_tasks.checks import containers, mounts, reconcile
from repoman_tasks.cli.task import task
from repoman_tasks.errors import ExitCode, TargetUnusable
from repoman_tasks.model import Defaults, Project, keys
from repoman_tasks.planning.drift import drift, summary
from repoman_tasks.planning.health import Finding, Reality, health
from repoman_tasks.planning.sync import find_project
from repoman_tasks.planning.wording import plural, toml_value
from repoman_tasks.session import Session
from repoman_tasks.tools.share import Share


@task(
    pre=[reconcile, containers, mounts],
    positional=["name"],
    help={
        "name": "Name of a project; all of the estate by default.",
        "values": "Show each setting, its value and where it comes from.",
        "json": "Print JSON.",
    },
)
def status(
    session: Session, name: str | None = None, values: bool = False, json: bool = False
) -> int:
    """Show what is wrong, with the cure beside each finding; exit 3 where something is."""
    reality, share = session.of(reconcile), session.of(mounts)
    found = _findings(session, reality, share, name)
    if json:
        session.screen.json(_as_json(session, reality, share, found))
    else:
        if values:
            _show_values(session, reality)
        _show(session, reality, share, found)
    return ExitCode.UNHEALTHY if any(f.problem for f in found) else ExitCode.OK


def _findings(
    session: Session, reality: Reality, share: Share | TargetUnusable, name: str | None
) -> list[Finding]:
    problem = (share.what, share.cure) if isinstance(share, TargetUnusable) else None
    if name is not None:
        one = find_project(reality.registry, name)
        found = health(reality, problem if one.backup else None, [one], [], session.now())
        return found + _drift(session, [one], orphans=False)
    folders = _folders(session, reality.local_repos)
    found = health(reality, problem, reality.registry.projects, folders, session.now())
    return found + _drift(session, reality.registry.projects, orphans=True)


def _drift(session: Session, projects: Sequence[Project], *, orphans: bool) -> list[Finding]:
    registry = session.of(reconcile).registry
    return drift(registry, session.of(containers), projects, orphans=orphans)


def _folders(session: Session, local_repos: str) -> list[str]:
    words = ["find", local_repos, "-mindepth", "1", "-maxdepth", "1", "-type", "d"]
    words += ["-printf", "%f\\0"]
    return session.host.read(words).text.split("\0")[:-1]


def _show_values(session: Session, reality: Reality) -> None:
    registry = reality.registry
    rows = [
        (key.name, toml_value(getattr(registry.defaults, key.name)), registry.origins[key.name])
        for key in keys(Defaults)
    ]
    session.screen.table(("SETTING", "VALUE", "FROM"), rows)
    session.screen.line()


def _show(
    session: Session, reality: Reality, share: Share | TargetUnusable, found: list[Finding]
) -> None:
    screen = session.screen
    for finding in found:
        screen.line(f"{'✗' if finding.problem else '·'} {finding.subject}: {finding.what}")
        screen.line(f"    {finding.cure}")
    problems = sum(finding.problem for finding in found)
    projects = plural(len(reality.registry.projects), "project")
    if isinstance(share, Share):
        probe = share.probe
        screen.line(f"share: {probe.path}, {probe.free_mib / 1024:.1f} GiB free")
    screen.line(f"containers: {summary(session.of(containers))}")
    screen.line(f"{projects}, {plural(problems, 'problem') if problems else 'all well'}")


def _as_json(
    session: Session, reality: Reality, share: Share | TargetUnusable, found: list[Finding]
) -> dict[str, object]:
    registry = reality.registry
    usable = isinstance(share, Share)
    return {
        "schema": 1,
        "registry": session.store.path,
        "healthy": not any(finding.problem for finding in found),
        "findings": [vars(finding) for finding in found],
        "share": {
            "usable": usable,
            "path": registry.defaults.nfs_repos,
            "free_mib": share.probe.free_mib if isinstance(share, Share) else None,
        },
        "containers": summary(session.of(containers)),
        "values": {
            key.name: {
                "value": getattr(registry.defaults, key.name),
                "from": registry.origins[key.name],
            }
            for key in keys(Defaults)
        },
    }
