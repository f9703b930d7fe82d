"""Notice a mirror that no longer gets bigger while its repo does. Pure.

A complete sync mirrors all but what the exclude patterns leave out. A pattern that leaves out too
much is noticed by nothing else: each sync succeeds.
"""

from __future__ import annotations

from dataclasses import replace

from repoman_tasks.errors import quoted
from repoman_tasks.model import Mirrored, Project
from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.mirror.source_check import valid_state
from repoman_tasks.planning.text.wording import format_age, format_size, hours_since

__all__ = ["growth_findings", "with_growth"]

_QUIET_HOURS = 7 * 24
"""Hours for which a mirror may stay as big as it is: builds grow on a day without other changes."""
_GROWN_BYTES = 10 << 20
_GROWN_PART = 0.5
"""The repo must have grown by both, as a part of what it had."""


def with_growth(state: Mirrored, last: Mirrored | None) -> Mirrored:
    """Return `state` with what the repo had when the mirror got its size; `last` is the one before.

    A mirror that changed in size is alive, so it begins anew.
    """
    if last is not None and last.size_since and last.tally.bytes == state.tally.bytes:
        return replace(state, size_since=last.size_since, left_out_then=last.left_out_then)
    return replace(state, size_since=state.last_sync, left_out_then=state.tally.left_out)


def growth_findings(project: Project, state: Mirrored | None, now: str) -> list[Finding]:
    """Return the note about a mirror that stayed as it is while the repo grew, if it did."""
    state = valid_state(project, state)
    if state is None or not project.backup or not state.size_since:
        return []
    grown = state.tally.left_out - state.left_out_then
    before = state.tally.bytes + state.left_out_then
    if grown < max(_GROWN_BYTES, before * _GROWN_PART):
        return []
    if hours_since(state.size_since, now) < _QUIET_HOURS:
        return []
    what = (
        f"its mirror has not grown since {format_age(state.size_since, now)}, but the repo has, by "
        f"{format_size(grown)} that exclude patterns leave out"
    )
    cure = (
        "if these files should be mirrored, change exclude in the registry or in .repoman.toml, "
        f"then run `repoman sync {quoted(project.name)}`"
    )
    return [Finding(project.name, what, cure, problem=False, kind="growth")]
