"""The tiers of tests: what they need, which can run, and the table of their results. Pure."""

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
    "Tier",
    "TierResult",
    "blocked_result",
    "ci_failures",
    "format_rows",
    "format_totals",
    "make_result",
    "mark_expression",
    "missing_packages",
    "parse_report",
    "plan_lanes",
    "run_hints",
    "select_tiers",
    "tiers_exit_code",
    "unrequested_results",
]

NOT_HERE = "not here:"
"""Prefix of the reason of a skipped test that cannot run on this machine. CI accepts such skips."""

_NO_TESTS = 5
"""Exit status of pytest if it found no tests."""
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
_OVER_SSH = tuple(
    f"tests/integration/test_{name}.py" for name in ("commands", "login", "mirror", "restore")
)
"""Files whose tests with the mark `over_ssh` run a second time, over SSH."""
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
"""For an Incus daemon and the tests that use it."""
_NPM = {"npm": "npm"}
"""For the real packages of agents."""
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
"""For tests of the packages' content: the system's Python, and readers of the man page."""


@dataclass(frozen=True)
class Tier:
    """A group of tests, with what they need."""

    name: str
    paths: tuple[str, ...]
    """Folders and files of the tests."""
    programs: Mapping[str, str]
    """Required programs, each with its Debian package."""
    budget: int
    """Seconds that it may take on two cores if all tiers run. More is reported, not a failure."""
    optional: Mapping[str, str] = field(default_factory=dict)
    """Programs, or patterns of files, without which some tests are skipped, with their packages."""
    parallel: int = 0
    """Number of its worker processes for each processor; 0: its tests run one by one."""
    measured: bool = False
    """If true, it counts for the line coverage."""
    root: bool = False
    """If true, it needs root."""
    machine: bool = False
    """If true, it runs in a virtual machine with one processor."""
    lane: int = 0
    """Number of its lane: the lanes run at the same time, the tiers of each one by one.

    Lane 1 mostly waits, for terminals and timeouts of NFS, and lane 2 has all that needs an Incus
    daemon.
    """
    nightly: bool = False
    """If true, it runs the tests with the mark `nightly`, which the other tiers leave out."""


TIERS = (
    Tier("lint", (), {}, budget=30, optional={"shellcheck": "shellcheck"}),
    Tier("unit", ("tests/unit",), {}, budget=60, parallel=1, measured=True),
    Tier(
        "integration",
        ("tests/integration",),
        _RSYNC_GIT,
        budget=420,
        optional={"setpriv": "util-linux", "ps": "procps", "/usr/bin/coreutils": "rust-coreutils"},
        parallel=2,  # many of its tests wait for a limit of time, or for a lock
        measured=True,
    ),
    Tier(
        "ssh",
        ("tests/remote", *_OVER_SSH),
        {**_RSYNC_GIT, **_SSH},
        budget=300,
        parallel=2,  # many of its tests wait for a host that is silent
        root=True,
    ),
    Tier(
        "terminal",
        ("tests/terminal",),
        {**_RSYNC_GIT, "tmux": "tmux"},
        budget=70,
        optional=_SHELLS,
        parallel=1,
        lane=1,
    ),
    Tier(
        "nfs",
        tuple(f"tests/system/test_{name}.py" for name in ("target", "fat", "fold")),
        {**_ON_NFS, "mkfs.vfat": "dosfstools", "mkfs.xfs": "xfsprogs"},
        budget=170,
        root=True,
        machine=True,
        lane=1,
    ),
    Tier(
        "nfs-faults",
        (
            "tests/worlds/machine",
            "tests/system/test_faults.py",
            "tests/system/test_restore_faults.py",
        ),
        _ON_NFS,
        budget=320,
        root=True,
        machine=True,
        lane=1,
    ),
    Tier(
        "as-root",
        (
            "tests/integration/test_mirror.py",
            "tests/integration/test_inner_mounts.py",
            "tests/integration/test_local_host.py",
        ),
        _RSYNC_GIT,
        budget=90,
        root=True,
        lane=1,
    ),
    Tier(
        "packages",
        ("tests/packages",),
        {**_RSYNC_GIT, **_INCUS, **_SSHD, **_PACKING},
        budget=200,
        optional=_CARRIED,
        root=True,
        lane=2,
        parallel=1,
    ),
    Tier(
        "security",
        ("tests/security",),
        {**_RSYNC_GIT, **_INCUS},
        budget=350,
        root=True,
        lane=2,
        parallel=1,
    ),
    Tier(
        "containers",
        ("tests/containers",),
        {**_RSYNC_GIT, **_INCUS},
        budget=450,
        optional=_NPM,
        root=True,
        parallel=2,  # many of its tests wait for Incus
        lane=2,
    ),
    Tier(
        "nightly",
        (
            "tests/containers",
            "tests/integration/test_git_guard.py",
            "tests/integration/test_hazards.py",
            "tests/integration/test_killed.py",
            "tests/integration/test_mirror_git.py",
            "tests/integration/test_mirror_known.py",
            "tests/security",
        ),
        {**_RSYNC_GIT, **_INCUS},
        budget=900,
        optional=_NPM,
        root=True,
        lane=2,
        nightly=True,
        parallel=1,
    ),
)
DEFAULT = ("lint", "unit", "integration", "terminal")
"""The tiers that run if none is requested. They take minutes and need few packages."""


def mark_expression(tier: Tier) -> str:
    """Return the expression for pytest's -m that selects the tests of a tier."""
    if tier.nightly:
        return "nightly"
    needed = {"ssh": "over_ssh and ", "as-root": "as_root and "}.get(tier.name, "")
    return f"{needed}not nightly"


@dataclass(frozen=True)
class Facts:
    """Facts about the machine and the checkout."""

    programs: frozenset[str]
    """Installed programs, and patterns that match a file."""
    is_root: bool
    test_files: Mapping[str, int]
    """Number of test files at each path of a tier, 1 for a file."""
    nobody_problem: str = ""
    """Why root can't run tests as the user nobody, "" if it can."""


@dataclass(frozen=True)
class TierResult:
    """The result of a tier."""

    tier: str
    ran: bool = True
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0
    reason: str = ""
    """Why it failed, did not run or skipped tests."""
    requested: bool = True
    unexplained: int = 0
    """Number of skipped tests whose reason does not begin with NOT_HERE."""

    @property
    def verdict(self) -> str:
        """Return "passed", "failed" or "did not run"."""
        if self.failed:
            return "failed"
        return "passed" if self.ran else "did not run"


def select_tiers(names: Sequence[str], *, everything: bool = False) -> list[Tier]:
    """Return the tiers called `names`, or those in DEFAULT without a name, in the order of TIERS.

    `everything` adds all but `nightly`. Raise UsageError if there is no tier of a name.
    """
    known = [tier.name for tier in TIERS]
    for name in names:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(known)}"
            raise UsageError(f"no tier is called {name!r}", hint)
    selected = names if names or everything else DEFAULT
    return [t for t in TIERS if t.name in selected or (everything and not t.nightly)]


def unrequested_results(names: Sequence[str], requested: Sequence[Tier]) -> list[TierResult]:
    """Return a result for each tier that was not requested; none if there are `names`."""
    others = [] if names else [tier.name for tier in TIERS if tier not in requested]
    return [TierResult(n, ran=False, reason="not requested", requested=False) for n in others]


def missing_packages(requested: Sequence[Tier], facts: Facts) -> list[str]:
    """Return the Debian packages of required and optional programs that are not installed."""
    packages = [{**tier.programs, **tier.optional} for tier in requested]
    return sorted({each[name] for each in packages for name in each.keys() - facts.programs})


def plan_lanes(requested: Sequence[Tier]) -> list[list[Tier]]:
    """Return the tiers of each lane, without lanes that have none."""
    lanes = ([t for t in requested if t.lane == n] for n in range(max(t.lane for t in TIERS) + 1))
    return [lane for lane in lanes if lane]


def blocked_result(tier: Tier, facts: Facts) -> TierResult | None:
    """Return the result of a tier that can't run, None if it can."""
    empty = [path for path in tier.paths if not facts.test_files.get(path)]
    if empty:
        return TierResult(tier.name, ran=False, failed=1, reason=f"{empty[0]} holds no tests")
    reason = _missing(tier, facts)
    return TierResult(tier.name, ran=False, reason=reason) if reason else None


def _missing(tier: Tier, facts: Facts) -> str:
    packages = {tier.programs[name] for name in tier.programs if name not in facts.programs}
    if tier.root and not facts.is_root:
        return _NEEDS_ROOT
    if packages:
        return f"{_NOT_INSTALLED} {', '.join(sorted(packages))}"
    return facts.nobody_problem if tier.name == "integration" else ""


def parse_report(tier: str, xml: str) -> TierResult:
    """Return the result in a JUnit report. A test marked xfail that failed counts as passed."""
    passed = failed = unexplained = 0
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
            unexplained += not reason.startswith(NOT_HERE)
    skipped = sum(reasons.values())
    summary = "; ".join(f"{count} skipped, {reason}" for reason, count in reasons.items())
    return TierResult(tier, True, passed, failed, skipped, reason=summary, unexplained=unexplained)


def make_result(
    tier: str, code: int, xml: str | None, seconds: float, *, filtered: bool
) -> TierResult:
    """Return the result of a tier from its exit status and its JUnit report, None if missing.

    If `filtered`, only certain tests were requested, so the tier may have none.
    """
    result = parse_report(tier, xml) if xml else TierResult(tier)
    if code == _NO_TESTS and filtered:
        result = TierResult(tier, ran=False, reason="none of its tests was requested")
    elif code and not result.failed:
        # Count it, or the totals would have no failure.
        result = replace(result, failed=1, reason=_explain_status(code, xml is not None))
    return replace(result, seconds=seconds)


def _explain_status(code: int, reported: bool) -> str:
    if code == _NO_TESTS:
        return "no tests were found"
    if code == _TIMED_OUT:
        return "stopped at its time limit"
    if code == _NO_MACHINE and not reported:
        return "its virtual machine did not start, see above"
    return f"exit status {code}" + ("" if reported else " and no report")


COLUMNS = ("TIER", "RESULT", "PASSED", "FAILED", "SKIPPED", "SECONDS", "BUDGET", "REASON")
_BUDGETS = {tier.name: tier.budget for tier in TIERS}


def format_rows(results: Sequence[TierResult]) -> list[tuple[str, ...]]:
    """Return a row of the table for each result, in the order of TIERS."""
    order = list(_BUDGETS)
    return [_format_row(result) for result in sorted(results, key=lambda r: order.index(r.tier))]


def _format_row(result: TierResult) -> tuple[str, ...]:
    budget = _BUDGETS[result.tier]
    seconds = f"{result.seconds:.1f}" if result.ran else ""
    over = f"over budget by {result.seconds - budget:.0f} s" if result.seconds > budget else ""
    reason = "; ".join(filter(None, (over, result.reason)))
    return result.tier, result.verdict, *_format_counts(result), seconds, str(budget), reason


def _format_counts(result: TierResult) -> tuple[str, str, str]:
    if not result.ran:
        return "", "", ""
    return str(result.passed), str(result.failed), str(result.skipped)


def format_totals(results: Sequence[TierResult]) -> str:
    """Return the line with the totals."""
    passed = sum(result.passed for result in results)
    failed = sum(result.failed for result in results)
    skipped = sum(result.skipped for result in results)
    return f"{passed} passed, {failed} failed, {skipped} skipped"


def run_hints(results: Sequence[TierResult]) -> list[str]:
    """Return a line for each tier that did not run, with the command that runs it."""
    unrequested = [r.tier for r in results if not r.requested]
    blocked = [r.tier for r in results if r.reason.startswith((_NEEDS_ROOT, _NOT_INSTALLED))]
    hints = [f"to run {', '.join(unrequested)}: {_commands(unrequested)}"] if unrequested else []
    return hints + [f"to run {name}: as root, {_commands([name])}" for name in blocked]


def _commands(names: Sequence[str]) -> str:
    one = f"{_COMMAND} --tier {names[0]}"
    return one if len(names) == 1 else f"{_COMMAND} --all; one of them: {one}"


def tiers_exit_code(results: Sequence[TierResult], *, ci: bool) -> int:
    """Return 1 if a tier failed, if none ran, or in CI if there are `ci_failures`; else 0."""
    if any(result.failed for result in results) or not any(result.ran for result in results):
        return 1
    return int(ci and bool(ci_failures(results)))


def ci_failures(results: Sequence[TierResult]) -> list[str]:
    """Return what counts as a failure in CI only: tiers that did not run, unexplained skips."""
    blocked = [r.tier for r in results if r.requested and r.verdict == "did not run"]
    unexplained = [
        f"{r.tier} skipped {plural(r.unexplained, 'test')} for another reason than `{NOT_HERE} …`"
        for r in results
        if r.unexplained
    ]
    return [f"{name} did not run" for name in blocked] + unexplained
