"""The number of requests that a sync sends to the file server: of what changed, not of what is."""

from __future__ import annotations

import time

from repoman_tasks.hosts.digests import RECENT_SECONDS
from tests.system.conftest import NfsEstate

MOST_IF_NOTHING_CHANGED = 20
MOST_IF_THREE_FILES_CHANGED = 150
NAMES = ("apus", "isurus", "lamna")
FILES = 60


def requests(estate: NfsEstate) -> int:
    """Sync with cold caches; return the number of requests."""
    time.sleep(RECENT_SECONDS + 1)  # else what changed just now is compared again
    estate.nfs.drop_caches()
    before = estate.nfs.rpcs()
    estate.run("sync", code=0)
    return (estate.nfs.rpcs() - before).total()


def test_requests_do_not_grow_with_the_repos(estate: NfsEstate) -> None:
    for name in NAMES:
        folder = estate.local_repos / name / "src"
        folder.mkdir(parents=True)
        for number in range(FILES):
            (folder / f"{number}").write_text("x")
    estate.register(*NAMES)
    assert requests(estate) > FILES * len(NAMES)
    assert requests(estate) <= MOST_IF_NOTHING_CHANGED
    for name in NAMES:  # as an editor does, and git
        (estate.local_repos / name / "src/new").write_text("saved")
        (estate.local_repos / name / "src/new").replace(estate.local_repos / name / "src/7")
    assert requests(estate) <= MOST_IF_THREE_FILES_CHANGED
    assert (estate.export_path("isurus") / "src/7").read_text() == "saved"
