"""Isolate every test from the home, the estate and the settings of whoever runs it."""

from __future__ import annotations

import fcntl
import os
import signal
import tempfile
import uuid
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.estate import Estate, isolate_environ
from tests.support.processes import find_processes
from tests.support.ssh_estate import RemoteEstate

SSH_TRANSPORT = os.environ.get("REPOMAN_TEST_SSH", "")
"""The transport to the host of every estate; empty if they are on this host."""
LOCAL = "local"

# The same examples in every run of CI, as is Hypothesis' own default there.
_IN_CI = os.environ.get("CI") == "true"
settings.register_profile(
    "repoman",
    deadline=None,
    print_blob=True,
    derandomize=_IN_CI,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("repoman")

# Background jobs of a shell ignore SIGINT, what nohup starts SIGHUP, and what tests start and
# interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test with containers locally and, if it has the mark `over_ssh`, also over SSH.

    It runs nightly over SSH, unless the mark names transports.
    """
    mark = metafunc.definition.get_closest_marker("over_ssh")
    if mark and "fresh_estate" in metafunc.fixturenames:
        far = mark.args or [pytest.param("fabric", marks=pytest.mark.nightly)]
        hosts = [SSH_TRANSPORT] if SSH_TRANSPORT else [LOCAL, *far]
        metafunc.parametrize("fresh_estate", hosts, indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        local = item.get_closest_marker("local_only")
        if SSH_TRANSPORT and local:
            item.add_marker(pytest.mark.skip(reason=f"not here: over SSH, {local.args[0]}"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run a test that changes this host, with the mark `alone`, while no other worker runs one."""
    kind = fcntl.LOCK_EX if item.get_closest_marker("alone") else fcntl.LOCK_SH
    # Whoever waits keeps the others from beginning; else one that is alone might wait for ever.
    with _locked(item.path.parent, fcntl.LOCK_EX):
        host = ExitStack()
        host.enter_context(_locked(Path(tempfile.gettempdir()), kind))  # all workers have the same
    with host:
        return (yield)


@contextmanager
def _locked(folder: Path, kind: int) -> Iterator[None]:
    """Hold a lock on a folder."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, kind)
        yield
    finally:
        os.close(opened)


def isolate(patch: pytest.MonkeyPatch, home: Path) -> None:
    """Clear the environment so that nothing leads out of `home`."""
    environ = isolate_environ(home)
    for name in set(os.environ) - set(environ):
        patch.delenv(name)
    for name, value in environ.items():
        patch.setenv(name, value)


@pytest.fixture(autouse=True)
def _isolate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    isolate(monkeypatch, tmp_path / "nobody")


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    """Yield a throwaway estate with nothing set up, over SSH if REPOMAN_TEST_SSH is set."""
    with RemoteEstate(tmp_path, SSH_TRANSPORT) if SSH_TRANSPORT else Estate(tmp_path) as estate:
        yield estate


@pytest.fixture
def marker() -> Iterator[str]:
    """Yield a unique argument to find a process by; kill what still runs with it afterwards."""
    duration = f"300.{uuid.uuid4().int % 10**12:012}"  # also a valid argument of `sleep`
    yield duration
    for pid in find_processes(duration):
        os.kill(pid, signal.SIGKILL)
