"""The guard: a `git` that judges a repo before the real one runs, in POSIX shell.

`repoman status` has the same program judge the repos of containers.
"""

from __future__ import annotations

import pkgutil
import shlex

__all__ = ["MARK", "guard_script", "judge_script"]

MARK = "# repoman's guard for git"
"""Start of the second line of the guard, by which repoman recognises it."""
_STATE = "state=/nowhere"


def judge_script() -> str:
    """Return the program that judges repos, as `sh -c` takes it."""
    data = pkgutil.get_data(__name__, "git.sh")
    assert data is not None
    return data.decode()


def guard_script(state: str) -> str:
    """Return the program as it is installed; `state` is the folder of repoman's state."""
    text = judge_script()
    assert text.splitlines()[1].startswith(MARK)
    assert text.count(f"\n{_STATE}") == 1
    return text.replace(f"\n{_STATE}", f"\nstate={shlex.quote(state)}")
