"""The completion scripts of the shells. Their tables are made by `inv dev.completion`."""

from __future__ import annotations

import pkgutil

__all__ = ["SCRIPTS", "script"]

SCRIPTS = {"bash": "repoman.bash", "fish": "repoman.fish", "zsh": "_repoman"}


def script(shell: str) -> bytes:
    """Return the completion script of `shell`."""
    data = pkgutil.get_data(__name__, SCRIPTS[shell])
    assert data is not None
    return data
