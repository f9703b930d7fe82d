"""A mirror that something else changed, of repos on another host: found and repaired from here."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from repoman_tasks.hosts.digests import RECENT_SECONDS
from repoman_tasks.planning.mirror.share_check import ASIDE
from tests.support.ssh_estate import RemoteEstate


@pytest.fixture
def transport() -> str:
    """Return one transport alone."""
    return "fabric"


def test_it_is_repaired_and_kept_until_seen(tmp_path: Path) -> None:
    with RemoteEstate(tmp_path) as far:
        far.prepare("isurus", "lamna")
        time.sleep(RECENT_SECONDS + 1)  # else nothing is known of the repos
        far.run("sync", code=0)
        file = far.mirror("isurus") / "README.md"
        before = file.read_text()
        file.write_text("by hand")
        done = far.run("sync", "--full", code=0)
        assert "something else changed its mirror, 1 entry" in done.out + done.err
        assert file.read_text() == before
        (folder,) = far.share.glob(f"{ASIDE}.isurus.*")
        assert (folder / "isurus/README.md").read_text() == "by hand"
        far.run("status", "isurus", "--seen")
        assert not folder.exists()
