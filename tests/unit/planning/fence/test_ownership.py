"""Incus projects and bridges of another person."""

from __future__ import annotations

import pytest

from repoman_tasks.errors import UsageError
from repoman_tasks.planning.fence.bridge import Bridge
from repoman_tasks.planning.fence.ownership import (
    MAPPED_UID,
    check_bridge_owner,
    check_project_owner,
    mapped_uid,
)


@pytest.mark.parametrize("uids", ["", "1000", "0", "0-100000", "1000,1001", "\u00b2"])
def test_a_project_of_ones_own_or_of_nobody(uids: str) -> None:
    """A weaker map is repaired, as before."""
    check_project_owner("repoman", {MAPPED_UID: uids}, 1000)


def test_a_project_of_another_person() -> None:
    with pytest.raises(UsageError, match="of another person, with the uid 1001"):
        check_project_owner("repoman", {MAPPED_UID: "1001"}, 1000)


PROJECTS = {"repoman": {MAPPED_UID: "1000"}, "theirs": {MAPPED_UID: "1001"}, "default": {}}


@pytest.mark.parametrize(
    ("used_by", "mine"),
    [
        ((), True),
        (("/1.0/profiles/default?project=repoman", "/1.0/profiles/default"), True),
        (("/1.0/profiles/default?project=gone",), True),
        (("/1.0/profiles/default?project=repoman", "/1.0/instances/x?project=theirs"), False),
    ],
)
def test_a_bridge_has_one_owner(used_by: tuple[str, ...], mine: bool) -> None:
    bridge = Bridge({}, used_by)
    if mine:
        check_bridge_owner("repoman0", bridge, PROJECTS, 1000)
        return
    with pytest.raises(UsageError) as caught:
        check_bridge_owner("repoman0", bridge, PROJECTS, 1000)
    assert "the network repoman0 is of another person" in caught.value.what
    command = "repoman setup --incus-project repoman-1000 --network rm1000 --init-incus"
    assert f"`{command}`" in caught.value.cure


@pytest.mark.parametrize(
    ("text", "uid"),
    [
        ("both 1000 1000", 1000),
        ("uid 1001 1001\ngid 1002 1002", 1001),
        ("gid 1002 1002", 0),
        ("both 0 0", 0),
        ("both 0 1000", 0),
        ("uid 1000 1000\nuid 1001 1001", 0),
        ("", 0),
    ],
)
def test_the_person_whom_a_container_is_for(text: str, uid: int) -> None:
    assert mapped_uid(text) == uid
