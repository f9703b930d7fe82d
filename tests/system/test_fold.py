"""A share behind NFS whose server does not tell Makefile from makefile: XFS made so."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import NfsEstate
from tests.worlds.machine import kernel, server
from tests.worlds.machine.boot import find_modules
from tests.worlds.machine.share import Share

SIZE = 320 << 20
"""The least that mkfs.xfs takes; the file is nearly all hole."""


class FoldingShare(Share):
    """A share on a file system that keeps case, and does not tell names by it."""

    def _new_export(self) -> Path:
        path = super()._new_export()
        server.unexport(path)
        kernel.load_module("loop", find_modules())
        image = self.base / "image"
        with image.open("wb") as file:
            file.truncate(SIZE)
        subprocess.run(["/usr/sbin/mkfs.xfs", "-q", "-n", "version=ci", str(image)], check=True)
        subprocess.run(["mount", "-o", "loop", "-t", "xfs", str(image), str(path)], check=True)
        server.export(path, *self.options)
        return path

    def cleanup(self) -> None:
        self.umount(lazy=True)
        server.unexport(self.export)
        subprocess.run(["umount", "--lazy", str(self.export)], check=True)
        super().cleanup()


@pytest.fixture
def nfs() -> Iterator[Share]:
    """Yield a share that folds case."""
    with FoldingShare() as share:
        yield share


def test_one_of_two_names_is_told_each_time_and_nothing_is_sent_again(estate: NfsEstate) -> None:
    repo = estate.add("isurus").local_repos / "isurus"
    (repo / "Makefile").write_text("first\n")
    (repo / "makefile").write_text("second\n")
    what = "makefile is not mirrored, as the share does not tell it from Makefile"
    for flags in ((), (), ("--full",)):
        done = estate.run("sync", *flags, code=0)
        assert done.err.count(what) == 1
    assert "nothing to do" in done.out
    assert [p.name for p in estate.export_path("isurus").iterdir() if p.name in MAKEFILES] == [
        "Makefile"
    ]
    (repo / "makefile").unlink()
    assert "not mirrored" not in estate.run("sync", code=0).err
    assert (estate.export_path("isurus") / "Makefile").read_text() == "first\n"


MAKEFILES = ("Makefile", "makefile")
