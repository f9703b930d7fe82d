"""The line that says inside a container why git can't write its configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

__all__ = ["INSTALL_HINT", "may_write_config"]

_WRITES_CONFIG = (
    *("branch", "checkout", "config", "init", "push", "remote", "sparse-checkout", "submodule"),
    "switch",
)
"""Commands of git that may write its configuration. Many of them exit with 0 if they can't."""

INSTALL_HINT = rf"""
hint=/etc/profile.d/repoman-git.sh
if [ "$mode" != plain ] && [ -d "${{hint%/*}}" ] && [ ! -e "$hint" ]; then
    (umask 022 && cat >"$hint.$$" && mv -f "$hint.$$" "$hint") 2>/dev/null <<'END'
# From repoman: says why git can't write a configuration that is mounted read-only.
if command -v git >/dev/null 2>&1; then
    git() {{
        case ${{1-}} in
        {" | ".join(_WRITES_CONFIG)}) ;;
        *) command git "$@"; return ;;
        esac
        _repoman_trace=$(mktemp)
        GIT_TRACE2=$_repoman_trace command git "$@"
        set -- "$?"
        if grep -qs ' error .*\.git/.*config: ' "$_repoman_trace"; then
            echo "repoman: .git/config is read-only in a container: run this outside of it" >&2
        fi
        rm -f "$_repoman_trace"
        unset _repoman_trace
        return "$1"
    }}
fi
END
fi
"""
"""Part of the script that enters a container: gives login shells a function for git. git names
only the file and "Device or resource busy"; its trace tells that apart from any other failure."""


def may_write_config(argv: Sequence[str]) -> bool:
    """Return True if `argv` is git with a command that may write its configuration."""
    program = PurePosixPath(argv[0]).name if argv else ""
    return program == "git" and any(word in _WRITES_CONFIG for word in argv[1:])
