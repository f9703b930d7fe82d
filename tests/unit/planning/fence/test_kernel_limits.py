"""Limits of the host's kernel that containers use up for the host, too."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from repoman_tasks.planning.fence.kernel_limits import (
    LIMITS,
    kernel_findings,
    kernel_steps,
    parse_settings,
    settings_argv,
)

USUAL = {
    "fs.epoll.max_user_watches": 5_491_511,
    "fs.inotify.max_user_instances": 128,
    "fs.inotify.max_user_watches": 192_536,
    "fs.pipe-user-pages-hard": 0,
    "fs.pipe-user-pages-soft": 16_384,
    "kernel.keys.maxbytes": 20_000,
    "kernel.keys.maxkeys": 200,
}
"""Those of Linux 6.18 with 24 GiB."""


def test_this_kernel_has_them() -> None:
    done = subprocess.run(settings_argv(), capture_output=True, text=True, check=True)
    found = parse_settings(done.stdout)
    assert found.keys() == LIMITS.keys()
    path = Path("/proc/sys/fs/inotify/max_user_instances")
    assert found["fs.inotify.max_user_instances"] == int(path.read_text())


def test_other_output_is_ignored() -> None:
    said = "x\nfs.inotify.max_user_instances = many\nkernel.hostname = 7\nkernel.keys.maxkeys = 7\n"
    assert parse_settings(said) == {"kernel.keys.maxkeys": 7}


def test_the_usual_ones_are_noted_with_their_cure() -> None:
    (finding,) = kernel_findings(USUAL)
    assert not finding.problem
    for name, value in USUAL.items():
        assert (f"{name} = {value}" in finding.what) == (name != "fs.pipe-user-pages-hard")


def test_what_setup_raises_is_enough() -> None:
    (step,) = kernel_steps(USUAL)
    lines = dict(line.split(" = ") for line in step.argv[4:])
    raised = {name: int(value) for name, value in lines.items()}
    assert raised == LIMITS
    assert kernel_findings(raised) == []
    assert kernel_steps(raised) == []


@pytest.mark.parametrize(
    ("setting", "is_low"),
    [
        ({"kernel.keys.maxkeys": 1_999}, True),
        ({"kernel.keys.maxkeys": 2_000}, False),
        ({"kernel.keys.maxkeys": 50_000}, False),
        ({"fs.pipe-user-pages-soft": 1 << 30}, True),
        ({"fs.pipe-user-pages-soft": 0}, False),
        ({"fs.inotify.max_user_instances": 1_048_576}, True),
        ({}, False),
    ],
)
def test_a_setting(setting: dict[str, int], is_low: bool) -> None:
    assert bool(kernel_findings(setting)) == is_low
    assert bool(kernel_steps(setting)) == is_low


def test_a_higher_value_of_the_person_is_kept() -> None:
    (step,) = kernel_steps({**USUAL, "kernel.keys.maxkeys": 50_000})
    assert "kernel.keys.maxkeys = 50000" in step.argv
