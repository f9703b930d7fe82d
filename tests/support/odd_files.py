"""Files of odd names and kinds."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["ODD_NAME", "make_odd_files"]

ODD_NAME = "new\nline 'quote\" $(id) *?[x]"


def make_odd_files(folder: Path) -> None:
    """Create in `folder` links, modes, times and names of many kinds, below docs/ for the most."""
    docs = folder / "docs"
    (docs / "old").mkdir(parents=True)
    (docs / "plan.md").write_text("the plan\n")
    (docs / "tool").write_text("#!/bin/sh\n")
    (docs / "tool").chmod(0o751)
    (docs / "link").symlink_to("plan.md")
    (docs / "twin").hardlink_to(docs / "plan.md")
    (folder / ODD_NAME).write_text("odd")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff not utf-8")).write_text("bytes")
    os.utime(docs / "old", ns=(10**18, 10**18))
