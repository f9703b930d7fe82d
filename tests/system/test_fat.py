"""A share that is FAT: no case, no modes, and times of every other second."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from repoman_tasks.planning.mirror.share_check import MARKER
from tests.support.estate import Estate
from tests.worlds.machine import kernel
from tests.worlds.machine.boot import find_modules

SIZE = 64 << 20
MODULES = ("loop", "vfat", "nls_cp437", "nls_ascii", "nls_iso8859-1", "nls_utf8")


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    """Yield an estate whose share is FAT on a file in memory."""
    for name in MODULES:
        kernel.load_module(name, find_modules())
    image, share = tmp_path / "image", tmp_path / "fat"
    with image.open("wb") as file:
        file.truncate(SIZE)
    share.mkdir()
    subprocess.run(["/usr/sbin/mkfs.vfat", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", "-t", "vfat", str(image), str(share)], check=True)
    (tmp_path / "base").mkdir()
    with Estate(tmp_path / "base") as made:
        made.share = share
        made.environ["REPOMAN_NFS_FSTYPES"] = "vfat"
        yield made.setup()
    subprocess.run(["umount", "--lazy", str(share)], check=False)


def test_a_sync_lives_with_it_and_says_so_once(estate: Estate) -> None:
    assert 'refuses = ["links", "modes"]' in (estate.share / MARKER).read_text()
    estate.add("isurus")
    repo, mirror = estate.local_repos / "isurus", estate.mirror("isurus")
    (repo / "Makefile").write_text("first\n")
    (repo / "makefile").write_text("second\n")
    os.utime(repo / "Makefile", (1_700_000_001, 1_700_000_001))
    for flags in ((), (), ("--full",), ("--full",)):
        done = estate.run("sync", *flags, code=0)
        what = "makefile is not mirrored, as the share does not tell it from Makefile"
        assert done.err.count(what) == 1
    assert "nothing to do" in done.out
    assert (mirror / "makefile").read_text() == "first\n"
    estate.run("verify", code=0)
    (repo / "makefile").unlink()
    (repo / "Makefile").rename(repo / "MAKEFILE")
    assert "not mirrored" not in estate.run("sync", code=0).err
    assert [path.name for path in mirror.iterdir() if path.name.lower() == "makefile"] != []
    assert (mirror / "MAKEFILE").read_text() == "first\n"


def test_what_it_cannot_hold_is_told_with_the_way_out(estate: Estate) -> None:
    assert '"links"' in (estate.share / MARKER).read_text()
    estate.add("isurus")
    repo = estate.local_repos / "isurus"
    (repo / "linked").hardlink_to(repo / "README.md")
    estate.run("sync", code=0)
    assert (estate.mirror("isurus") / "linked").read_text() == (repo / "linked").read_text()
    for name, make, what in (
        ("a:b", Path.touch, "the share does not allow a name: exclude what it can't hold: "),
        ("link", lambda path: path.symlink_to("x"), "the share has no symlinks: exclude"),
    ):
        make(repo / name)
        error = estate.run("sync", code=4).err
        assert what in error
        assert name in error
        text = estate.registry.read_text()
        line = 'name = "isurus"\n'
        estate.registry.write_text(text.replace(line, f'{line}exclude = ["{name}"]\n'))
        estate.run("sync", code=0)
        estate.registry.write_text(
            estate.registry.read_text().replace(f'exclude = ["{name}"]\n', "")
        )
        (repo / name).unlink()
