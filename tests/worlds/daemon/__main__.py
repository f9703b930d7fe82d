"""Run words as an ordinary user beside a real Incus daemon of their own, from the checkout:

    python -m tests.worlds.daemon -- WORDS…

Needs root, which makes the namespaces. The exit status is that of the words.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.worlds.daemon.images import IMAGES, image
from tests.worlds.daemon.place import clean, run

_NAMESPACES = ("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc")
_INSIDE = "--inside"


def main() -> int:
    if sys.argv[1] == _INSIDE:
        return run(sys.argv[3:], Path(sys.argv[2]))
    for name in IMAGES:  # while the network is there
        image(name)
    # A socket's path has to be short.
    scratch = Path(tempfile.mkdtemp(prefix="rmt-", dir="/tmp"))
    scratch.chmod(0o755)
    argv = sys.argv[2:] if sys.argv[1] == "--" else sys.argv[1:]
    again = [sys.executable, "-m", "tests.worlds.daemon", _INSIDE, str(scratch), *argv]
    try:
        return subprocess.run([*_NAMESPACES, *again], env=dict(os.environ)).returncode
    finally:
        clean(scratch)


if __name__ == "__main__":
    sys.exit(main())
