"""Steps and findings about the volumes of projects."""

from __future__ import annotations

import pytest

from repoman_tasks.model import Project, Registry
from repoman_tasks.planning.container.drift import Containers
from repoman_tasks.planning.container.homes import volume_path
from repoman_tasks.planning.container.spec import MAKING_TAG, Container
from repoman_tasks.planning.container.volume import volume_findings, volume_steps
from repoman_tasks.planning.findings import EstateFacts
from repoman_tasks.planning.steps import CallIncus, CreateVolume

HALF_MADE = {MAKING_TAG: "t"}


@pytest.mark.parametrize(
    ("driver", "config", "step"),
    [
        ("btrfs", None, CreateVolume("isurus", "p", "10GiB")),
        ("dir", None, CreateVolume("isurus", "p")),
        ("btrfs", HALF_MADE, CreateVolume("isurus", "p", "10GiB")),
        ("btrfs", {"size": "10GiB"}, None),
        ("dir", {}, None),
    ],
)
def test_the_volume_that_a_project_should_have(
    driver: str, config: dict[str, str] | None, step: CreateVolume | None
) -> None:
    actual = None if config is None else {"config": config}
    steps = volume_steps("repoman", "p", driver, "10GiB", "isurus", actual)
    assert steps == ([step] if step else [])


def test_another_size() -> None:
    actual = {"config": {"size": "1GiB"}}
    (step,) = volume_steps("repoman", "p", "zfs", "10GiB", "isurus", actual)
    assert isinstance(step, CallIncus)
    assert step.path == "/1.0/storage-pools/p/volumes/custom/isurus?project=repoman"
    assert step.body == {"config": {"size": "10GiB"}}
    (step,) = volume_steps("repoman", "p", "zfs", "", "isurus", actual)
    assert str(step) == "set no limit for the volume isurus"


def test_the_path_is_url_encoded() -> None:
    assert volume_path("a b", "p/q", "x&y").endswith("/p%2Fq/volumes/custom/x%26y?project=a%20b")


FACTS = EstateFacts(
    Registry(projects=(Project("isurus", "isurus"), Project("notes", "notes", container=False))),
    "/r",
)


def of_volumes(containers: Containers, *volumes: str, half_made: str = "") -> list[tuple[str, str]]:
    found = volume_findings(FACTS, containers, dict.fromkeys(volumes, "p"), [half_made])
    return [(finding.subject, finding.cure) for finding in found]


def test_volumes_that_no_container_uses() -> None:
    device = {"type": "disk", "path": "/var/lib/repoman", "source": "isurus", "pool": "p"}
    with_one = Containers({"isurus": Container("isurus", "running", {}, {"volume": device}, ())})
    assert of_volumes(with_one, "isurus") == []
    assert of_volumes(Containers({}), "isurus") == [], "its missing container is reported"
    assert "repoman update isurus" in str(of_volumes(with_one))
    assert of_volumes(with_one, "isurus", "old") == [
        ("old", "`repoman new old` uses it, `repoman remove old` deletes it")
    ]
    assert "--repair" in str(of_volumes(with_one, "isurus", "old", half_made="old"))
    delete = "delete it with `incus storage volume delete --project repoman p notes`"
    assert of_volumes(with_one, "isurus", "notes") == [("notes", delete)]
