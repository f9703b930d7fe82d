"""A host that answers what no host of ours does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.ssh_estate import RemoteEstate

ORIGINAL = 'exec sh -c "$SSH_ORIGINAL_COMMAND"'


def test_a_mebibyte_of_greetings_is_skipped(tmp_path: Path, transport: str) -> None:
    """The control of the others: a noisy host is no hostile one."""
    noise = "head -c 1000000 /dev/zero | tr '\\0' '\\n'"
    forced = f"ForceCommand {noise}; {noise} >&2; {ORIGINAL}"
    with RemoteEstate(tmp_path, transport, forced) as far:
        far.prepare("isurus")
        assert "isurus" in far.run("list", code=0).out


@pytest.mark.parametrize("stream", ["", " >&2"])
def test_output_without_end_at_login(tmp_path: Path, transport: str, stream: str) -> None:
    """One error, long before the limits of time."""
    with RemoteEstate(tmp_path, transport, f"ForceCommand echo; yes{stream}") as far:
        far.prepare("isurus")
        done = far.run("list", code=1)
    assert "its shell printed more than 8 MiB and no answer" in done.err
    assert done.err.count("\n") == 1


def test_a_deep_answer_of_its_incus(tmp_path: Path, transport: str) -> None:
    with RemoteEstate(tmp_path, transport) as far:
        far.prepare("isurus")
        far.registry.write_text(far.registry.read_text().replace("container = false\n", ""))
        programs = far.base / "programs"
        programs.mkdir()
        (programs / "incus").write_text("#!/bin/sh\nhead -c 200000 /dev/zero | tr '\\0' '['\n")
        (programs / "incus").chmod(0o755)
        path = f"{programs}:{far.environ['PATH']}"
        done = far.run("start", "isurus", environ={"PATH": path}, code=1)
    assert "not JSON of its API" in done.err
    assert "repoman itself" not in done.err
