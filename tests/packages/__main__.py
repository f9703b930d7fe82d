"""Build the packages, then run words beside a daemon, where they find them:

    python -m tests.packages -- WORDS…

Needs root. What was built is below `REPOMAN_TEST_PACKAGES`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.packages.building import prepare


def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="repoman-packages-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        prepare(folder)
        environ = {**os.environ, "REPOMAN_TEST_PACKAGES": str(folder)}
        beside = [sys.executable, "-m", "tests.worlds.daemon", *sys.argv[1:]]
        return subprocess.run(beside, env=environ).returncode
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
