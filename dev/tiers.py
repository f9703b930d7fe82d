"""The tiers of tests: which of them can run, what became of them, and how that is told. Pure."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from repoman_tasks.errors import UsageError
from repoman_tasks.planning.names import nearest
from repoman_tasks.planning.text.wording import plural

__all__ = [
    "COLUMNS",
    "TIERS",
    "Facts",
    "Outcome",
    "Tier",
    "chosen",
    "exit_code",
    "lanes",
    "last_line",
    "obstacle",
    "outcome",
    "read_report",
    "rows",
]

NOT_HERE = "not here:"
"""How the reason of a skipped test begins where the machine lacks something and that is fine."""

_NO_TESTS = 5
"""pytest's exit status where it found no test."""
_NO_MACHINE, _TIMED_OUT = 3, 124
"""Those of tests.worlds.machine."""

_RSYNC_GIT = {"rsync": "rsync", "git": "git"}
_ON_NFS = {
    **_RSYNC_GIT,
    "linux": "user-mode-linux",
    "rpc.nfsd": "nfs-kernel-server",
    "automount": "autofs",
    "tc": "iproute2",
}
_SSHD = {"sshd": "openssh-server", "ssh-keygen": "openssh-client", "zsh": "zsh", "fish": "fish"}
_SSH = {
    **_SSHD,
    "tmux": "tmux",
    "busybox": "busybox-static",
    "nft": "nftables",
    "ip": "iproute2",
}
_OVER_SSH = ("tests/integration/test_commands.py", "tests/integration/test_mirror.py")
"""Where tests are marked to be run a second time, over SSH."""
_INCUS = {
    "incus": "incus-client",
    "incusd": "incus-base",
    "mmdebstrap": "mmdebstrap",
    "busybox": "busybox-static",
    "dnsmasq": "dnsmasq-base",
    "mkfs.btrfs": "btrfs-progs",
    "nft": "nftables",
    "sudo": "sudo",
    "openssl": "openssl",
    "ssh-agent": "openssh-client",
    "ip": "iproute2",
}
_PACKING = {"objdump": "binutils", "dpkg-deb": "dpkg", "lintian": "lintian"}


@dataclass(frozen=True)
class Tier:
    """A kind of tests: the folders that hold them, and what they need."""

    name: str
    folders: tuple[str, ...]
    """Folders or files."""
    programs: Mapping[str, str]
    """Each with Debian's package for it."""
    parallel: bool = False
    measured: bool = False
    """Whether it counts for the line coverage."""
    root: bool = False
    machine: bool = False
    """Whether it has a machine of its own, with one processor."""
    beside: bool = False
    """Whether it leaves a processor idle and measures no short times."""


TIERS = (
    Tier("lint", (), {}),
    Tier("unit", ("tests/unit",), {}, parallel=True, measured=True),
    Tier("integration", ("tests/integration",), _RSYNC_GIT, parallel=True, measured=True),
    Tier("ssh", ("tests/remote", *_OVER_SSH), {**_RSYNC_GIT, **_SSH}, parallel=True, root=True),
    Tier("terminal", ("tests/terminal",), {**_RSYNC_GIT, "tmux": "tmux"}, parallel=True),
    Tier("containers", ("tests/containers",), {**_RSYNC_GIT, **_INCUS}, root=True),
    Tier("nfs", ("tests/system/test_target.py",), _ON_NFS, root=True, machine=True, beside=True),
    Tier(
        "nfs-faults",
        ("tests/machine", "tests/system/test_faults.py"),
        _ON_NFS,
        root=True,
        machine=True,
        beside=True,
    ),
    Tier(
        "as-root",
        ("tests/integration/test_mirror.py", "tests/integration/test_registry_store.py"),
        _RSYNC_GIT,
        root=True,
        beside=True,
    ),
    Tier(
        "packages",
        ("tests/packages",),
        {**_RSYNC_GIT, **_INCUS, **_SSHD, **_PACKING},
        root=True,
        beside=True,
    ),
    Tier("security", ("tests/security",), {**_RSYNC_GIT, **_INCUS}, root=True, beside=True),
)


@dataclass(frozen=True)
class Facts:
    """What was found on the machine and in the checkout."""

    programs: frozenset[str]
    is_root: bool
    test_files: Mapping[str, int]
    """How many files with tests each folder of a tier holds; a file is one itself."""
    no_nobody: str = ""
    """Why root can't run the tests as an ordinary user here; empty where nothing is in the way."""


@dataclass(frozen=True)
class Outcome:
    """What became of a tier."""

    tier: str
    ran: bool = True
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0
    why: str = ""
    bare_skips: int = 0
    """Skipped tests whose reason is not that something is not here."""

    @property
    def result(self) -> str:
        """In a word."""
        if self.failed:
            return "failed"
        return "passed" if self.ran else "did not run"


def chosen(names: Sequence[str]) -> list[Tier]:
    """The tiers of these names, or all, in their order. `UsageError` for a name that is none."""
    known = [tier.name for tier in TIERS]
    for name in names:
        if name not in known:
            meant = nearest(name, known)
            hint = f"did you mean {meant}?" if meant else f"there are {', '.join(known)}"
            raise UsageError(f"no tier is called {name!r}", hint)
    return [tier for tier in TIERS if not names or tier.name in names]


def lanes(wanted: Sequence[Tier]) -> list[list[Tier]]:
    """What runs at once: tiers one after the other, and beside them those that can be there."""
    both = ([t for t in wanted if t.beside is beside] for beside in (False, True))
    return [lane for lane in both if lane]


def obstacle(tier: Tier, facts: Facts) -> Outcome | None:
    """What becomes of a tier that can't run, or None where it can."""
    empty = [folder for folder in tier.folders if not facts.test_files.get(folder)]
    if empty:
        return Outcome(tier.name, ran=False, failed=1, why=f"{empty[0]} holds no tests")
    why = _lack(tier, facts)
    return Outcome(tier.name, ran=False, why=why) if why else None


def _lack(tier: Tier, facts: Facts) -> str:
    packages = {tier.programs[name] for name in tier.programs if name not in facts.programs}
    if tier.root and not facts.is_root:
        return "needs root"
    if packages:
        return f"not installed: {', '.join(sorted(packages))}"
    return facts.no_nobody if tier.name == "integration" else ""


def read_report(tier: str, xml: str) -> Outcome:
    """What a JUnit report says. A test that failed as was expected of it has passed."""
    passed = failed = bare = 0
    reasons: dict[str, int] = {}
    for case in ElementTree.fromstring(xml).iter("testcase"):
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif skip is None or skip.get("type") == "pytest.xfail":
            passed += 1
        else:
            reason = skip.get("message", "")
            reasons[reason] = reasons.get(reason, 0) + 1
            bare += not reason.startswith(NOT_HERE)
    why = "; ".join(f"{count} skipped, {reason}" for reason, count in reasons.items())
    return Outcome(tier, True, passed, failed, sum(reasons.values()), why=why, bare_skips=bare)


def outcome(tier: str, code: int, xml: str | None, seconds: float, picked: bool) -> Outcome:
    """What became of a tier that ended with `code` and left the report `xml`.

    `picked` where a person asked for certain tests, of which it may have none.
    """
    found = read_report(tier, xml) if xml else Outcome(tier)
    if code == _NO_TESTS and picked:
        found = Outcome(tier, ran=False, why="none of its tests was asked for")
    elif code and not found.failed:
        # The count has to show it, too.
        found = replace(found, failed=1, why=_ending(code, xml is not None))
    return replace(found, seconds=seconds)


def _ending(code: int, reported: bool) -> str:
    if code == _NO_TESTS:
        return "no tests were found"
    if code == _TIMED_OUT:
        return "it took too long and was ended"
    if code == _NO_MACHINE and not reported:
        return "the machine for it did not start, see above"
    return f"exit status {code}" + ("" if reported else " and no report")


COLUMNS = ("TIER", "RESULT", "PASSED", "FAILED", "SKIPPED", "SECONDS", "WHY")


def rows(outcomes: Sequence[Outcome]) -> list[tuple[str, ...]]:
    """The table: a row for each tier, under `COLUMNS`."""
    return [
        (o.tier, o.result, *_counts(o), f"{o.seconds:.1f}" if o.ran else "", o.why)
        for o in outcomes
    ]


def _counts(outcome: Outcome) -> tuple[str, str, str]:
    if not outcome.ran:
        return "", "", ""
    return str(outcome.passed), str(outcome.failed), str(outcome.skipped)


def last_line(outcomes: Sequence[Outcome]) -> str:
    """All of it in a line."""
    passed = sum(o.passed for o in outcomes)
    failed = sum(o.failed for o in outcomes)
    skipped = sum(o.skipped for o in outcomes)
    return f"{passed} passed, {failed} failed, {skipped} skipped"


def exit_code(outcomes: Sequence[Outcome], *, ci: bool) -> int:
    """1 where a tier failed; with `ci` also where something did not run without a good reason."""
    if any(o.failed for o in outcomes) or not any(o.ran for o in outcomes):
        return 1
    return int(ci and bool(complaints(outcomes)))


def complaints(outcomes: Sequence[Outcome]) -> list[str]:
    """What is no failure for a person who looks at it, and is one in CI."""
    found = [f"{o.tier} did not run" for o in outcomes if o.result == "did not run"]
    found += [
        f"{o.tier} skipped {plural(o.bare_skips, 'test')} for another reason than `{NOT_HERE} …`"
        for o in outcomes
        if o.bare_skips
    ]
    return found
