"""Draw README's pictures again: `inv dev.pictures`.

As root, with Incus installed, the containers in them are real, on the tests' daemon; otherwise the
estate has none. In either case it is in a mount namespace that ends with the run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.pictures.drawing import THEMES, draw
from tests.pictures.stage import Stage, alone, change, in_the_way, prepare
from tests.support.estate import CHECKOUT
from tests.worlds.daemon.sandbox import INCUSD

COLUMNS = 100
CODES = {"list": 0, "status": 3, "sync": 0}
"""The commands of the pictures, and how each ends on the stage."""


def main() -> None:
    """Without a word, into docs/pictures; with those of `drawing`, as they say."""
    if sys.argv[1:]:
        folder, outside = sys.argv[1:]
        if outside == _mounts():
            sys.exit("the stage of the pictures mounts over /mnt and /srv: in a namespace alone")
        _draw_all(Path(folder), prepare(os.environ.get("REPOMAN_TEST_INCUS_DIR", "")))
    else:
        _draw_anew()


def drawing(folder: Path) -> list[str]:
    """Words that draw into `folder`, in a namespace of mounts that is not this one."""
    return [sys.executable, "-m", "tests.pictures", str(folder), _mounts()]


def _mounts() -> str:
    return os.readlink("/proc/self/ns/mnt")


def _draw_anew() -> None:
    if in_the_way():
        sys.exit(
            f"{in_the_way()}: the stage of the pictures hides /mnt and /srv, move it elsewhere"
        )
    with tempfile.TemporaryDirectory(prefix="repoman-pictures-") as folder:
        os.chmod(folder, 0o777)  # the daemon's words run as somebody else
        beside = (
            [sys.executable, "-m", "tests.worlds.daemon", "--"] if _has_containers() else alone()
        )
        subprocess.run([*beside, *drawing(Path(folder))], cwd=CHECKOUT, check=True)
        for drawn in sorted(Path(folder).iterdir()):
            shutil.copyfile(drawn, CHECKOUT / "docs/pictures" / drawn.name)
            print(f"wrote docs/pictures/{drawn.name}")


def _has_containers() -> bool:
    return os.geteuid() == 0 and INCUSD.exists()


def _draw_all(folder: Path, stage: Stage) -> None:
    for name, code in CODES.items():
        if name == "sync":
            change()
        shown = stage.typed(f"repoman {name}", COLUMNS, code)
        for theme in THEMES:
            (folder / f"{name}-{theme}.svg").write_text(draw(shown, name, theme, COLUMNS))


if __name__ == "__main__":
    main()
