"""Names of images."""

from __future__ import annotations

import pytest

from repoman_tasks.tools.images import distinct_images

HERE = {"local:deb12": "abc", "local:debian": "abc", "local:alpine": "def"}


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["images:debian/12", *HERE], ["images:debian/12", "local:deb12", "local:alpine"]),
        (["deb12", "local:deb12"], ["deb12"]),
        (["local:deb12", "deb12"], ["local:deb12"]),
        (["debian", *HERE], ["debian", "local:alpine"]),
        (["gone", "local:gone", "images:gone"], ["gone", "images:gone"]),
        (["", "deb12", "", "deb12"], ["deb12"]),
    ],
)
def test_each_image_is_offered_once(names: list[str], shown: list[str]) -> None:
    assert distinct_images(names, HERE) == shown
