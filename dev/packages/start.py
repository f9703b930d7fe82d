"""Start of both programs in the packages that bring a Python of their own."""

from __future__ import annotations

import os
import sys


def _forget_the_package() -> None:
    """Have the environment as it was typed, for this process and for all that it starts.

    What starts the Python sets where its libraries lie. Programs of the system have others.
    """
    path = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
    os.environ.pop("LD_LIBRARY_PATH", None)
    if path is not None:
        os.environ["LD_LIBRARY_PATH"] = path
    for name in [name for name in os.environ if name.startswith(("_PYI_", "_MEI"))]:
        del os.environ[name]


_forget_the_package()

from repoman_tasks.entry import git_remote, main  # noqa: E402

# git's helper is a link to the same file.
(git_remote if os.path.basename(sys.argv[0]) == "git-remote-repoman" else main)()
