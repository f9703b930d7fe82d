"""Notes about parts of a repo that its mirror does not have."""

from __future__ import annotations

from repoman_tasks.errors import quoted
from repoman_tasks.model import Mirrored, Project
from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.mirror.source_check import valid_state
from repoman_tasks.planning.text.wording import plural

__all__ = ["NOT_MIRRORED", "left_out_findings"]

NOT_MIRRORED = " in the mirror: "
"""Stands between a warning of a sync and its cure."""
_CURE = "move what the mirror should have to another name or place; all else can stay as it is"


def left_out_findings(project: Project, state: Mirrored | None) -> list[Finding]:
    """Return a note for each warning of the last sync that has a cure, and one for all others."""
    state = valid_state(project, state)
    if state is None or not project.backup:
        return []
    cured = [warning for warning in state.warnings if NOT_MIRRORED in warning]
    others = tuple(warning for warning in state.warnings if warning not in cured)
    found = []
    for warning in cured:
        what, between, cure = warning.partition(NOT_MIRRORED)
        what += between.removesuffix(": ")
        found.append(_note(project, what, f"{cure}; then `repoman sync {quoted(project.name)}`"))
    if others:
        rest = f", and {plural(len(others) - 1, 'more warning')}" * (len(others) > 1)
        found.append(_note(project, others[0] + rest, _CURE, others))
    return found


def _note(project: Project, what: str, cure: str, items: tuple[str, ...] = ()) -> Finding:
    return Finding(project.name, what, cure, problem=False, kind="left-out", items=items)
