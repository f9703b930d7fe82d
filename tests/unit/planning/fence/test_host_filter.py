"""The rule that closes other addresses of the host."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from repoman_tasks.planning.fence.host_filter import filter_findings, filter_steps, filter_unit


@pytest.mark.parametrize("unit", [None, "", filter_unit("repoman1")])
def test_a_missing_unit_is_noted_and_written(unit: str | None) -> None:
    (finding,) = filter_findings("repoman0", unit)
    assert not finding.problem
    (step,) = filter_steps("repoman0", unit)
    assert step.argv[4] == "/etc/systemd/system/repoman-repoman0.service"
    written = "".join(f"{line}\n" for line in step.argv[6:])
    assert filter_findings("repoman0", written) == []
    assert filter_steps("repoman0", written) == []
    assert f'ExecStart=nft "{step.argv[5]}"' in step.argv


@pytest.mark.parametrize("bridge", ['x"; drop', "a b", "", "x" * 16, "a\nb", "-f"])
def test_what_is_no_name_of_an_interface_reaches_no_command(bridge: str) -> None:
    assert filter_steps(bridge, None) == []


def test_without_nft_the_package_is_named_and_no_unit_is_written(tmp_path: Path) -> None:
    """Else `setup` would take it for done."""
    (step,) = filter_steps("repoman0", None)
    unit = tmp_path / "folder/unit.service"
    script = step.argv[2].replace("PATH=$PATH:/usr/sbin:/sbin", "PATH=/nowhere")
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", str(unit), *step.argv[5:]], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (1, "install the package nftables first\n")
    assert not unit.parent.exists()


def test_a_table_has_a_name_that_nft_takes() -> None:
    (step,) = filter_steps("br-x.1", None)
    assert "table inet repoman_br_x_1 {" in step.argv[5]
    assert "iifname br-x.1 fib daddr . iif type" in step.argv[5]
