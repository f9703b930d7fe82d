"""The local user inside: texts of databases in, texts out, for the images that there are."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from repoman_tasks.errors import Failed
from repoman_tasks.model import Person
from repoman_tasks.planning.container.user_files import (
    Arrangement,
    UserFiles,
    arrangement,
    parse_user_files,
    user_data,
)

DEV = Person("dev", 1000, 1000, "dev", "/home/dev", "/bin/zsh")
ALL_SHELLS = ("/bin/zsh", "/bin/bash", "/bin/sh")

DEBIAN = UserFiles(
    "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n",
    "root:x:0:\nwww-data:x:33:\nusers:x:100:\nsudo:x:27:\n",
    "root:*:19000:0:99999:7:::\nwww-data:*:19000:0:99999:7:::\n",
    ("/bin/bash", "/bin/sh"),
)
UBUNTU = UserFiles(
    "root:x:0:0:root:/root:/bin/bash\nubuntu:x:1000:1000:Ubuntu:/home/ubuntu:/bin/bash\n",
    "root:x:0:\nadm:x:4:syslog,ubuntu\nsudo:x:27:ubuntu\nubuntu:x:1000:\n",
    "root:*:19000:0:99999:7:::\nubuntu:!:19001:0:99999:7:::\n",
    ("/bin/bash", "/bin/sh"),
    has_sudo=True,
)
ALPINE = UserFiles(
    "root:x:0:0:root:/root:/bin/ash\nguest:x:405:100:guest:/dev/null:/sbin/nologin\n",
    "root:x:0:root\nusers:x:100:games\n",
    "root:*::0:::::\nguest:!::0:::::\n",
    ("/bin/sh",),
)
FEDORA = UserFiles(
    "root:x:0:0:Super User:/root:/bin/bash\ntss:x:59:59:tpm user:/:/usr/sbin/nologin\n",
    "root:x:0:\nwheel:x:10:\ntss:x:59:\n",
    "root:!unprovisioned::0:99999:7:::\ntss:!*:20000::::::\n",
    ALL_SHELLS,
    has_sudo=True,
)
BUSYBOX = UserFiles("root:x:0:0:root:/root:/bin/sh\n", "root:x:0:\n", "", ("/bin/sh",))
IMAGES = {
    "debian": DEBIAN,
    "ubuntu": UBUNTU,
    "alpine": ALPINE,
    "fedora": FEDORA,
    "busybox": BUSYBOX,
}

each_image = pytest.mark.parametrize("guest", IMAGES.values(), ids=IMAGES)


def after(guest: UserFiles, todo: Arrangement) -> UserFiles:
    """`guest` when it was arranged."""
    return replace(
        guest,
        passwd=todo.passwd or guest.passwd,
        group=todo.group or guest.group,
        shadow=todo.shadow or guest.shadow,
        home_owner=DEV.uid if todo.home else guest.home_owner,
        has_sudo=False,
    )


@each_image
def test_one_user_with_the_name_and_the_ids(guest: UserFiles) -> None:
    made = after(guest, arrangement(guest, DEV))
    theirs = [line for line in made.passwd.splitlines() if "dev:" in line or ":1000:" in line]
    shell = next(shell for shell in ALL_SHELLS if shell in guest.shells)
    gecos = "Ubuntu" if guest is UBUNTU else ""
    assert [line.replace(f":{gecos}:", "::", 1) for line in theirs] == [
        f"dev:x:1000:1000::/home/dev:{shell}"
    ]
    assert [line for line in made.group.splitlines() if ":1000:" in line] == ["dev:x:1000:"]
    shadows = [line for line in made.shadow.splitlines() if line.startswith("dev:")]
    assert len(shadows) == (0 if guest is BUSYBOX else 1)


@each_image
def test_the_second_time_nothing_is_left_to_do(guest: UserFiles) -> None:
    assert arrangement(after(guest, arrangement(guest, DEV)), DEV).nothing


@each_image
def test_nobody_else_is_touched(guest: UserFiles) -> None:
    made = after(guest, arrangement(guest, DEV))
    for before, now in ((guest.passwd, made.passwd), (guest.shadow, made.shadow)):
        kept = [line for line in before.splitlines() if not line.startswith("ubuntu:")]
        assert [line for line in now.splitlines() if not line.startswith("dev:")] == kept


def test_a_user_who_has_the_uid_is_renamed_everywhere() -> None:
    made = after(UBUNTU, arrangement(UBUNTU, DEV))
    for text in (made.passwd, made.group, made.shadow):
        assert "ubuntu" not in text
    assert "adm:x:4:syslog,dev\n" in made.group
    assert "sudo:x:27:dev\n" in made.group
    assert "dev:!:19001:0:99999:7:::" in made.shadow


def test_a_user_who_has_the_name_gets_the_ids() -> None:
    passwd = DEBIAN.passwd + "dev:x:500:500:old:/home/dev:/bin/sh\n"
    made = after(DEBIAN, arrangement(replace(DEBIAN, passwd=passwd), DEV))
    assert made.passwd.splitlines()[-1] == "dev:x:1000:1000:old:/home/dev:/bin/bash"


def test_one_has_the_name_and_another_the_uid() -> None:
    passwd = UBUNTU.passwd + "dev:x:500:500::/home/dev:/bin/sh\n"
    made = after(UBUNTU, arrangement(replace(UBUNTU, passwd=passwd), DEV))
    assert [line.split(":")[0] for line in made.passwd.splitlines()] == ["root", "dev"]


@pytest.mark.parametrize(
    ("group", "gid", "line"),
    [
        pytest.param("users:x:100:\n", 100, "users:x:100:", id="a group that is there"),
        pytest.param("dev:x:500:\n", 1000, "dev-1000:x:1000:", id="its name is taken"),
        pytest.param("", 1002, "dev:x:1002:", id="another gid than uid"),
    ],
)
def test_the_group_has_the_gid_by_whatever_name(group: str, gid: int, line: str) -> None:
    guest = replace(DEBIAN, group=f"root:x:0:\n{group}")
    made = after(guest, arrangement(guest, replace(DEV, gid=gid)))
    assert line in made.group.splitlines()
    assert f"dev:x:1000:{gid}::/home/dev:/bin/bash" in made.passwd.splitlines()


@pytest.mark.parametrize(("owner", "home"), [(None, True), (0, True), (1000, False)])
def test_the_home_is_made_or_given(owner: int | None, home: bool) -> None:
    assert arrangement(replace(DEBIAN, home_owner=owner), DEV).home is home


@pytest.mark.parametrize(
    "shadow", ["", "broken\n", "a:b\n"], ids=["none", "no line of it", "too few fields"]
)
def test_a_system_without_shadow_passwords_gets_none(shadow: str) -> None:
    assert arrangement(replace(DEBIAN, shadow=shadow), DEV).shadow == ""


def test_what_the_look_inside_says() -> None:
    said = b"root:x:0:0::/:/bin/sh\n\0root:x:0:\n\0\0/bin/sh \x001000\0yes\0"
    found = parse_user_files(said)
    assert found.shells == ("/bin/sh",)
    assert found.home_owner == 1000
    assert found.has_sudo
    assert parse_user_files(b"\0\0\0\0\0\0").home_owner is None


@pytest.mark.parametrize("said", [b"", b"a\0b", b"\0" * 7, b"\xff" * 100])
def test_a_strange_account_is_refused(said: bytes) -> None:
    with pytest.raises(Failed, match="strange account"):
        parse_user_files(said)


def test_user_data_is_yaml_that_says_who() -> None:
    read = yaml.safe_load(yaml.safe_dump(user_data(DEV)))
    assert read["users"][0]["name"] == "dev"
    assert read["users"][0]["uid"] == 1000
    assert read["bootcmd"][0][-3:] == ["1000", "dev", "dev"]
