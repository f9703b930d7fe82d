"""The tiers of tests: which of them can run, their outcomes, and the table at the end. Pure."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

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
    "complaints",
    "cures",
    "exit_code",
    "lanes",
    "last_line",
    "marks",
    "missing_packages",
    "not_requested",
    "obstacle",
    "outcome",
    "read_report",
    "rows",
]

NOT_HERE = "not here:"
"""Beginning of the reason of a skipped test if the machine lacks something, which is fine."""

_NO_TESTS = 5
"""Exit status of pytest if it found no test."""
_NO_MACHINE, _TIMED_OUT = 3, 124
"""Exit statuses of tests.worlds.machine."""

_COMMAND = "./bootstrap test"
_NEEDS_ROOT, _NOT_INSTALLED = "needs root", "not installed:"

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
"""Files with tests that run a second time, over SSH, if they are marked so."""
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
    "sshd": "openssh-server",
    "ip": "iproute2",
}
"""Of an Incus daemon and of what the tests beside it run."""
_PACKING = {"objdump": "binutils", "dpkg-deb": "dpkg", "lintian": "lintian"}
_SHELLS = {
    "zsh": "zsh",
    "fish": "fish",
    "/usr/share/bash-completion/bash_completion": "bash-completion",
}
_CARRIED = {
    "/usr/lib/*/libpython3*.so.1.0": "libpython",
    "mandoc": "mandoc",
    "man": "man-db",
    "groff": "groff",
}
"""The files and the readers of what the packages carry: the system's Python and the man page."""


@dataclass(frozen=True)
class Tier:
    """One kind of tests: their folders and requirements."""

    name: str
    folders: tuple[str, ...]
    """Folders or files."""
    programs: Mapping[str, str]
    """Required programs, each with Debian's package for it."""
    budget: int
    """Most seconds for it in a run of all tiers on two cores; more is reported, and no failure."""
    optional: Mapping[str, str] = field(default_factory=dict)
    """Programs, or patterns of files, without which some of its tests are skipped."""
    parallel: bool = False
    measured: bool = False
    """True if it counts for the line coverage."""
    root: bool = False
    machine: bool = False
    """True if it has a virtual machine, with one processor."""
    beside: bool = False
    """True if it leaves a processor idle and measures no short times."""
    nightly: bool = False
    """True if it runs the tests with the mark `nightly`, which no other tier does."""


TIERS = (
    Tier("lint", (), {}, budget=60, optional={"shellcheck": "shellcheck"}),
    Tier("unit", ("tests/unit",), {}, budget=60, parallel=True, measured=True),
    Tier(
        "integration",
        ("tests/integration",),
        _RSYNC_GIT,
        budget=150,
        optional={"setpriv": "util-linux", "ps": "procps"},
        parallel=True,
        measured=True,
    ),
    Tier(
        "ssh",
        ("tests/remote", *_OVER_SSH),
        {**_RSYNC_GIT, **_SSH},
        budget=180,
        parallel=True,
        root=True,
    ),
    Tier(
        "terminal",
        ("tests/terminal",),
        {**_RSYNC_GIT, "tmux": "tmux"},
        budget=100,
        optional=_SHELLS,
        parallel=True,
    ),
    Tier("containers", ("tests/containers",), {**_RSYNC_GIT, **_INCUS}, budget=420, root=True),
    Tier(
        "nfs",
        ("tests/system/test_target.py",),
        _ON_NFS,
        budget=120,
        root=True,
        machine=True,
        beside=True,
    ),
    Tier(
        "nfs-faults",
        ("tests/worlds/machine", "tests/system/test_faults.py"),
        _ON_NFS,
        budget=240,
        root=True,
        machine=True,
        beside=True,
    ),
    Tier(
        "as-root",
        ("tests/integration/test_mirror.py",),
        _RSYNC_GIT,
        budget=60,
        root=True,
        beside=True,
    ),
    Tier(
        "packages",
        ("tests/packages",),
        {**_RSYNC_GIT, **_INCUS, **_SSHD, **_PACKING},
        budget=300,
        optional=_CARRIED,
        root=True,
        beside=True,
    ),
    Tier(
        "security",
        ("tests/security",),
        {**_RSYNC_GIT, **_INCUS},
        budget=240,
        root=True,
        beside=True,
    ),
    Tier(
        "nightly",
        ("tests/containers", "tests/security"),
        {**_RSYNC_GIT, **_INCUS},
        budget=240,
        root=True,
        beside=True,
        nightly=True,
    ),
)
DEFAULT = ("lint", "unit", "integration", "terminal")
"""The tiers that run if none is requested: minutes, and few packages."""


def marks(tier: Tier) -> str:
    """Return pytest's expression that chooses the tests of a tier by their marks."""
    if tier.nightly:
        return "nightly"
    return "over_ssh and not nightly" if tier.name == "ssh" else "not nightly"


@dataclass(frozen=True)
class Facts:
    """Facts about the machine and the checkout."""

    programs: frozenset[str]
    """Programs that are installed, and patterns that match a file."""
    is_root: bool
    test_files: Mapping[str, int]
    """Number of files with tests in each folder of a tier; a file counts as one."""
    no_nobody: str = ""
    """Reason why root can't run the tests as an ordinary user here, or an empty string."""


@dataclass(frozen=True)
class Outcome:
    """Outcome of a tier."""

    tier: str
    ran: bool = True
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0
    why: str = ""
    requested: bool = True
    bare_skips: int = 0
    """Number of skipped tests whose reason does not begin with `NOT_HERE`."""

    @property
    def result(self) -> str:
        """Return the outcome in a word."""
        if self.failed:
            return "failed"
        return "passed" if self.ran else "did not run"


def chosen(names: Sequence[str], *, everything: bool = False) -> list[Tier]:
    """Return the tiers of these names, in their order; without a name `DEFAULT`.

    `everything` adds all but `nightly`. Raise UsageError if a name is not that of a tier.
    """
    known = [tier.name for tier in TIERS]
    for name in names:
        if name not in known:
            meant = nearest(name, known)
            hint = f"did you mean {meant}?" if meant else f"there are {', '.join(known)}"
            raise UsageError(f"no tier is called {name!r}", hint)
    some = names if names or everything else DEFAULT
    return [t for t in TIERS if t.name in some or (everything and not t.nightly)]


def not_requested(names: Sequence[str], requested: Sequence[Tier]) -> list[Outcome]:
    """Return an outcome for each tier that is left out; none if a person chose by `names`."""
    left_out = [] if names else [tier for tier in TIERS if tier not in requested]
    return [Outcome(t.name, ran=False, why="not requested", requested=False) for t in left_out]


def missing_packages(requested: Sequence[Tier], facts: Facts) -> list[str]:
    """Return Debian's packages that these tiers need, or have a use for, and that are missing."""
    packages = [{**tier.programs, **tier.optional} for tier in requested]
    return sorted({each[name] for each in packages for name in each.keys() - facts.programs})


def lanes(wanted: Sequence[Tier]) -> list[list[Tier]]:
    """Return the lanes that run at once: tiers in a row, and beside them the others."""
    both = ([t for t in wanted if t.beside is beside] for beside in (False, True))
    return [lane for lane in both if lane]


def obstacle(tier: Tier, facts: Facts) -> Outcome | None:
    """Return the outcome of a tier that can't run, or None if it can."""
    empty = [folder for folder in tier.folders if not facts.test_files.get(folder)]
    if empty:
        return Outcome(tier.name, ran=False, failed=1, why=f"{empty[0]} holds no tests")
    why = _lack(tier, facts)
    return Outcome(tier.name, ran=False, why=why) if why else None


def _lack(tier: Tier, facts: Facts) -> str:
    packages = {tier.programs[name] for name in tier.programs if name not in facts.programs}
    if tier.root and not facts.is_root:
        return _NEEDS_ROOT
    if packages:
        return f"{_NOT_INSTALLED} {', '.join(sorted(packages))}"
    return facts.no_nobody if tier.name == "integration" else ""


def read_report(tier: str, xml: str) -> Outcome:
    """Parse a JUnit report. A test that was expected to fail and did has passed."""
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
    """Return the outcome of a tier that exited with `code` and wrote the report `xml`.

    `picked` is true if a person chose certain tests, of which it may have none.
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


COLUMNS = ("TIER", "RESULT", "PASSED", "FAILED", "SKIPPED", "SECONDS", "BUDGET", "WHY")
_BUDGETS = {tier.name: tier.budget for tier in TIERS}


def rows(outcomes: Sequence[Outcome]) -> list[tuple[str, ...]]:
    """Return the table: a row for each tier, in their order, under `COLUMNS`."""
    order = list(_BUDGETS)
    return [_row(outcome) for outcome in sorted(outcomes, key=lambda o: order.index(o.tier))]


def _row(outcome: Outcome) -> tuple[str, ...]:
    budget = _BUDGETS[outcome.tier]
    seconds = f"{outcome.seconds:.1f}" if outcome.ran else ""
    over = [f"over budget by {outcome.seconds - budget:.0f} s"] if outcome.seconds > budget else []
    why = "; ".join([*over, *([outcome.why] if outcome.why else [])])
    return outcome.tier, outcome.result, *_counts(outcome), seconds, str(budget), why


def _counts(outcome: Outcome) -> tuple[str, str, str]:
    if not outcome.ran:
        return "", "", ""
    return str(outcome.passed), str(outcome.failed), str(outcome.skipped)


def last_line(outcomes: Sequence[Outcome]) -> str:
    """Return the sums of all tiers as a line."""
    passed = sum(o.passed for o in outcomes)
    failed = sum(o.failed for o in outcomes)
    skipped = sum(o.skipped for o in outcomes)
    return f"{passed} passed, {failed} failed, {skipped} skipped"


def cures(outcomes: Sequence[Outcome]) -> list[str]:
    """Return lines with the command that runs what did not run."""
    left_out = [o.tier for o in outcomes if not o.requested]
    for_root = [o.tier for o in outcomes if o.why.startswith((_NEEDS_ROOT, _NOT_INSTALLED))]
    lines = [f"to run {', '.join(left_out)}: {_how(left_out)}"] if left_out else []
    return lines + [f"to run {name}: as root, {_run(name)}" for name in for_root]


def _how(names: Sequence[str]) -> str:
    return _run(names[0]) if len(names) == 1 else f"{_COMMAND} --all; one of them: {_run(names[0])}"


def _run(name: str) -> str:
    return f"{_COMMAND} --tier {name}"


def exit_code(outcomes: Sequence[Outcome], *, ci: bool) -> int:
    """Return 1 if a tier failed, or with `ci` if something did not run without a good reason."""
    if any(o.failed for o in outcomes) or not any(o.ran for o in outcomes):
        return 1
    return int(ci and bool(complaints(outcomes)))


def complaints(outcomes: Sequence[Outcome]) -> list[str]:
    """Return what is a failure in CI only, where nobody looks at it."""
    stopped = [o.tier for o in outcomes if o.requested and o.result == "did not run"]
    found = [f"{name} did not run" for name in stopped]
    found += [
        f"{o.tier} skipped {plural(o.bare_skips, 'test')} for another reason than `{NOT_HERE} …`"
        for o in outcomes
        if o.bare_skips
    ]
    return found
