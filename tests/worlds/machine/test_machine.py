"""Test every method of Share against the real kernel, server and automounter."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.processes import WAIT_SECONDS, wait_until
from tests.worlds.machine.share import Share, parse_mountstats

pytestmark = pytest.mark.skipif(
    os.environ.get("REPOMAN_TEST_MACHINE") != "1",
    reason="not here: `python -m tests.worlds.machine -- python -m pytest tests/worlds/machine`",
)


@pytest.fixture
def share() -> Iterator[Share]:
    with Share() as share:
        yield share


def output(*argv: str | Path, seconds: float = WAIT_SECONDS) -> str:
    """Return what a program prints; kill it and raise TimeoutExpired after `seconds`."""
    return subprocess.check_output(argv, timeout=seconds, text=True).strip()


def hangs(*argv: str | Path) -> bool:
    """Return True if a program still runs after three seconds, and kill it then."""
    try:
        output(*argv, seconds=3)
    except subprocess.TimeoutExpired:
        return True
    return False


@contextmanager
def sleeper(cwd: Path) -> Iterator[Path]:
    """Run a process whose working folder is `cwd`; yield its /proc/PID/cwd."""
    process = subprocess.Popen(["sleep", "infinity"], cwd=cwd)
    try:
        yield Path(f"/proc/{process.pid}/cwd")
    finally:
        process.kill()
        process.wait()


def mounts(path: Path) -> bool:
    """Return True if entering an autofs trap makes it mount."""
    try:
        os.listdir(path)
    except FileNotFoundError:
        return False
    return True


# The machine


def test_the_host_cannot_be_written() -> None:
    with pytest.raises(OSError, match="Read-only"):
        Path("/etc/repoman-test").touch()


@pytest.mark.parametrize("folder", ["/tmp", "/tmp/home", "/run", "/dev/shm", "/var/lib/nfs"])
def test_what_can_be_written_lies_in_memory(folder: str) -> None:
    assert output("stat", "-f", "-c", "%T", folder) == "tmpfs"


# The share


def test_a_fresh_share_is_mounted_and_empty() -> None:
    with Share() as share:
        assert share.layers() == ["nfs4"]
        assert list(share.mount_point.iterdir()) == []
        mount_point, export = share.mount_point, share.export
    assert not mount_point.exists()
    assert not export.exists()


def test_two_shares_are_apart(share: Share) -> None:
    with Share() as other:
        (share.mount_point / "file").touch()
        assert list(other.mount_point.iterdir()) == []


def test_what_is_written_arrives_at_the_server(share: Share) -> None:
    (share.mount_point / "file").write_text("content")
    assert (share.export / "file").read_text() == "content"
    assert (share.export / "file").stat().st_uid == 0
    assert share.beneath() == []


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        (["rw", "root_squash"], "Permission denied"),
        (["rw", "all_squash"], "Permission denied"),
        (["ro", "no_root_squash"], "Read-only"),
    ],
)
def test_export_options_keep_root_out(options: list[str], answer: str) -> None:
    with Share(*options) as share, pytest.raises(OSError, match=answer):
        (share.mount_point / "file").touch()


def test_a_squashed_root_owns_nothing_and_cannot_give_away() -> None:
    with Share("rw", "root_squash") as share:
        share.export.chmod(0o777)
        file = share.mount_point / "file"
        file.touch()
        assert (share.export / "file").stat().st_uid == 65534
        with pytest.raises(PermissionError):
            os.chown(file, 1000, 1000)


# The client


def test_umount_and_mount(share: Share) -> None:
    (share.mount_point / "file").touch()
    share.umount()
    assert share.layers() == []
    assert list(share.mount_point.iterdir()) == []
    share.mount()
    assert (share.mount_point / "file").exists()


def test_beneath_shows_what_missed_the_share(share: Share) -> None:
    share.umount()
    (share.mount_point / "folder").mkdir()
    (share.mount_point / "folder" / "file").touch()
    share.mount()
    (share.mount_point / "on the share").touch()
    assert share.beneath() == ["folder", "folder/file"]


def test_umount_is_refused_while_in_use(share: Share) -> None:
    with sleeper(share.mount_point), pytest.raises(OSError, match="busy"):
        share.umount()


def test_a_lazy_umount_leaves_its_users_on_the_share(share: Share) -> None:
    (share.mount_point / "folder").mkdir()
    with sleeper(share.mount_point / "folder") as cwd:
        share.umount(lazy=True)
        assert share.layers() == []
        # No longer the way to it from the root, but the way within the share.
        assert str(cwd.readlink()) == "/folder"
        output("env", "-C", cwd, "touch", "file")
    assert (share.export / "folder" / "file").exists()
    assert share.beneath() == []


def test_remount_read_only_and_back(share: Share) -> None:
    file = share.mount_point / "file"
    share.remount("ro")
    with pytest.raises(OSError, match="Read-only"):
        file.touch()
    share.remount("rw")
    file.touch()


def test_swap_puts_another_share_in_its_place(share: Share) -> None:
    (share.mount_point / "marker").touch()
    other = share.swap()
    assert share.layers() == ["nfs4"]
    assert not (share.mount_point / "marker").exists()
    (share.mount_point / "astray").touch()
    assert (other / "astray").exists()
    share.umount()
    share.mount()
    assert (share.mount_point / "marker").exists()


def test_rpcs_counts_the_calls_of_the_client(share: Share) -> None:
    before = share.rpcs()
    for number in range(10):
        assert not (share.mount_point / f"missing-{number}").exists()
    assert (share.rpcs() - before)["LOOKUP"] == 10


def test_drop_caches_makes_it_ask_again(share: Share) -> None:
    file = share.mount_point / "file"
    file.touch()
    file.stat()
    before = share.rpcs()
    file.stat()
    assert share.rpcs() - before == {}
    share.drop_caches()
    file.stat()
    assert (share.rpcs() - before)["LOOKUP"] == 1


def test_mountstats_of_a_share_that_is_not_mounted() -> None:
    with pytest.raises(LookupError):
        parse_mountstats("device tmpfs mounted on /tmp with fstype tmpfs\n", Path("/tmp"))


# The server and the way to it


def test_a_dead_server_hangs_clients_until_it_is_back(share: Share) -> None:
    share.stop_server()
    assert hangs("stat", "-f", share.mount_point)
    waiting = subprocess.Popen(["touch", share.mount_point / "file"])
    # SIGTERM ends nobody who waits: the kernel does not let it through.
    time.sleep(0.5)
    assert waiting.poll() is None
    share.start_server()
    assert waiting.wait(WAIT_SECONDS) == 0
    assert (share.export / "file").exists()


def test_a_dead_server_does_not_hang_queries_of_the_kernel(share: Share) -> None:
    with sleeper(share.mount_point) as cwd:
        share.stop_server()
        assert output("readlink", cwd) == str(share.mount_point)
        assert output("findmnt", "-n", "-o", "FSTYPE", "-T", share.mount_point) == "nfs4"
        assert share.layers() == ["nfs4"]
        assert share.beneath() == []


def test_lazy_umount_with_a_dead_server(share: Share) -> None:
    with sleeper(share.mount_point) as cwd:
        share.stop_server()
        share.umount(lazy=True)
        assert share.layers() == []
        assert output("readlink", cwd) == "/"
        assert hangs("env", "-C", cwd, "touch", "file")


def test_cleanup_with_a_dead_server_and_someone_waiting() -> None:
    with Share() as share:
        share.stop_server()
        waiting = subprocess.Popen(["stat", "-f", share.mount_point], stdout=subprocess.DEVNULL)
        time.sleep(0.5)
    waiting.wait(WAIT_SECONDS)
    with Share() as fresh:
        (fresh.mount_point / "file").touch()


def test_reexport_read_only_while_a_file_is_being_written(share: Share) -> None:
    with open(share.mount_point / "file", "wb", buffering=0) as file:
        with pytest.raises(OSError, match="busy"):
            share.remount("ro")
        share.reexport("ro", "no_root_squash")
        file.write(b"content")
        with pytest.raises(OSError, match="Read-only"):
            os.fsync(file)
    share.reexport(*share.options)
    (share.mount_point / "other").touch()


def test_withdraw_makes_what_is_open_stale(share: Share) -> None:
    (share.mount_point / "file").touch()
    share.withdraw()
    with pytest.raises(OSError, match="Stale"):
        (share.mount_point / "other").touch()
    share.reexport(*share.options)
    (share.mount_point / "other").touch()


def test_fill_leaves_no_space(share: Share) -> None:
    file = share.mount_point / "file"
    share.fill()
    with pytest.raises(OSError, match="No space left"):
        file.write_bytes(bytes(1 << 20))
    share.unfill()
    (share.mount_point / "other").write_bytes(bytes(1 << 20))
    # The client tells of a failed write twice: to who wrote, and to the next one to open it.
    with pytest.raises(OSError, match="No space left"):
        file.write_bytes(bytes(1 << 20))
    file.write_bytes(bytes(1 << 20))


def test_fill_leaves_the_requested_space(share: Share) -> None:
    share.fill(leave=2 << 20)
    (share.mount_point / "file").write_bytes(bytes(1 << 20))
    with pytest.raises(OSError, match="No space left"):
        (share.mount_point / "file").write_bytes(bytes(3 << 20))


def test_delay_lengthens_the_round_trip(share: Share) -> None:
    def lookup() -> float:
        start = time.monotonic()
        (share.mount_point / f"missing-{start}").exists()
        return time.monotonic() - start

    share.delay(50)
    assert lookup() >= 0.1
    share.delay(10)
    assert lookup() >= 0.02
    wait_until(lambda: lookup() < 0.1)
    share.delay(0)
    wait_until(lambda: lookup() < 0.02)


# The automounter


def test_the_trap_is_not_triggered_until_a_process_enters(share: Share) -> None:
    with share.automount():
        share.mount_point.stat()
        assert os.path.ismount(share.mount_point)
        assert output("findmnt", "-n", "-o", "FSTYPE", "-T", share.mount_point) == "autofs"
        assert share.layers() == ["autofs"]
        output("stat", f"{share.mount_point}/.")
        assert share.layers() == ["autofs", "nfs4"]
        rows = output("findmnt", "-n", "-o", "FSTYPE", "-T", share.mount_point)
        assert rows.split() == ["autofs", "nfs4"]
        (share.mount_point / "file").touch()
    assert (share.export / "file").exists()
    assert share.layers() == []
    assert share.beneath() == []


def test_it_expires_when_unused_and_comes_back(share: Share) -> None:
    with share.automount(timeout=1):
        os.listdir(share.mount_point)
        wait_until(lambda: share.layers() == ["autofs"])
        os.listdir(share.mount_point)
        assert share.layers() == ["autofs", "nfs4"]


def test_a_working_folder_in_it_keeps_it_from_expiring(share: Share) -> None:
    with share.automount(timeout=1):
        os.listdir(share.mount_point)
        with sleeper(share.mount_point):
            time.sleep(4)
            assert share.layers() == ["autofs", "nfs4"]
        wait_until(lambda: share.layers() == ["autofs"])


def test_an_automount_killed_while_mounted_leaves_the_mount(share: Share) -> None:
    with share.automount():
        os.listdir(share.mount_point)
        share.kill_automount()
        (share.mount_point / "file").touch()
        assert share.layers() == ["autofs", "nfs4"]
    assert (share.export / "file").exists()


def test_a_broken_trap_fails_once_and_is_an_empty_folder_then(share: Share) -> None:
    with share.automount():
        share.kill_automount()
        assert share.layers() == ["autofs"]
        # The first to go in meets the trap's broken pipe.
        first = subprocess.run(["stat", "-f", share.mount_point], timeout=WAIT_SECONDS, check=False)
        assert first.returncode == -signal.SIGPIPE
        assert os.listdir(share.mount_point) == []
        with pytest.raises(PermissionError):
            (share.mount_point / "folder").mkdir()
        assert share.layers() == ["autofs"]
    assert share.beneath() == []


def test_without_the_trap_it_is_a_plain_folder(share: Share) -> None:
    with share.automount():
        os.listdir(share.mount_point)
        share.kill_automount()
        share.drop_trap()
        assert share.layers() == []
        (share.mount_point / "astray").mkdir()
    assert share.beneath() == ["astray"]


def test_automount_with_a_dead_server(share: Share) -> None:
    with share.automount():
        share.stop_server()
        with pytest.raises(FileNotFoundError):
            os.listdir(share.mount_point)
        assert share.layers() == ["autofs"]
        share.start_server()
        # automount remembers the failure for a while.
        wait_until(lambda: mounts(share.mount_point))
        assert share.layers() == ["autofs", "nfs4"]
        share.stop_server()
        assert hangs("stat", "-f", share.mount_point)
    assert share.layers() == []
