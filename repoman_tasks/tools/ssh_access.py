"""The files by which ssh on this host reaches containers, and the program that it runs for that."""

from __future__ import annotations

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Future, Host
from repoman_tasks.model import Person
from repoman_tasks.planning.ssh_files import SshFiles, config_text, known_hosts_with
from repoman_tasks.registry.names_file import state_folder
from repoman_tasks.tools.nightly_files import this_repoman

__all__ = ["know_host", "read_public_key", "submit_ssh_files"]

_LOCK_SECONDS = 20


def submit_ssh_files(host: Host, person: Future[Person]) -> Future[SshFiles]:
    """Ask for the files of `host`, of which some or all may not exist."""
    folder, config = f"{state_folder(host)}/ssh", f"{host.home}/.ssh/config"
    users, ours = host.submit_file(config), host.submit_file(f"{folder}/config")
    parts = {path: host.submit_file(path) for path in (f"{folder}/key", f"{folder}/key.pub")}

    def files() -> SshFiles:
        text = config_text(folder, person.result().name, this_repoman())
        keys = tuple(path for path, part in parts.items() if part.result() is not None)
        return SshFiles(folder, config, text, users.result(), ours.result(), keys)

    return Future(files)


def read_public_key(host: Host) -> str:
    """Return the public key that containers let in; raise Failed if there is none."""
    content = host.read_file(f"{state_folder(host)}/ssh/key.pub")
    if content is None:
        raise Failed("there is no key for containers", "run `repoman ssh-config install`")
    return content.decode(errors="replace").strip()


def know_host(host: Host, name: str, key: str) -> None:
    """Have ssh on `host` expect this key, and no other, of the host `name`."""
    path = f"{state_folder(host)}/ssh/known_hosts"
    with host.lock(f"{path}.lock", wait_seconds=_LOCK_SECONDS):
        content = host.read_file(path)
        text = known_hosts_with(content, name, key).encode(errors="surrogateescape")
        if text != content:
            host.write_file(path, text, noted=False)
