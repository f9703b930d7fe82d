"""Paste the cures that `status` prints, as they are printed, and look again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any

from tests.support.estate import Estate, Result, run

__all__ = ["commands", "paste_cure"]


def commands(text: str) -> list[list[str]]:
    """Return the argvs of the commands in backticks."""
    return [shlex.split(command) for command in re.findall("`([^`]*)`", text)]


def paste_cure(
    estate: Estate,
    kind: str,
    *numbers: int,
    answers: Sequence[str] = ("--yes",),
    given: str = "",
    codes: Sequence[int] = (0, 3),
    look: Sequence[str] = ("status",),
    by_hand: Callable[[], object] | None = None,
) -> Result:
    """Do what `status` prints as the cure of a finding of this kind; return the last result.

    Of its commands those with these `numbers` are pasted, the first if none is given. `answers` are
    options for what a command of repoman would ask on a terminal, `given` is its standard input,
    `codes` are the right exit codes. Before, `by_hand` does what the cure asks a person to do; it
    is all if the cure has no command. `look` are the arguments that show the finding. Afterwards
    the finding is gone, or has another cure.
    """
    finding = _find(estate, kind, look)[0]
    printed, done = commands(finding["cure"].replace(estate.host_flag, "")), Result(0, "", "")
    assert printed or by_hand, finding
    if by_hand is not None:
        by_hand()
    for argv in [printed[number] for number in numbers or (0,)] if printed else []:
        if argv[0] == "repoman":
            done = estate.run(argv[1], *answers, *argv[2:], given=given)
        else:  # what a person types is not in the Incus project of the tests
            done = run(argv, {**estate.environ, "INCUS_PROJECT": ""})
        assert done.code in codes, (argv, done)
    after = [(one["subject"], one["what"], one["cure"]) for one in _find(estate, kind, look)]
    assert (finding["subject"], finding["what"], finding["cure"]) not in after
    return done


def _find(estate: Estate, kind: str, look: Sequence[str]) -> list[dict[str, Any]]:
    """Return the findings of this kind, problems first."""
    found = estate.run(*look, "--json").json["findings"]
    of_kind = [finding for finding in found if finding["kind"] == kind]
    return sorted(of_kind, key=lambda finding: not finding["problem"])
