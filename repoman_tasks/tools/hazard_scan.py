"""Finds what in a repo makes programs on the host run code: hooks, git configs and the like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from hashlib import sha256

from repoman_tasks.errors import Failed, RepomanError
from repoman_tasks.hosts.base import Argv, Future, Host, Result
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.planning.names import inside
from repoman_tasks.planning.trust.git_reports import GitReport
from repoman_tasks.planning.trust.hazard_findings import PROTECTED, Hazard, Marks
from repoman_tasks.planning.trust.hazard_names import MODULES, find_tests, kind_of
from repoman_tasks.tools.forbidden_paths import path_batches, submit_real_paths
from repoman_tasks.tools.git_hazards import git_hazards
from repoman_tasks.tools.git_judge import submit_reports
from repoman_tasks.tools.regular_file import submit_head

__all__ = ["Scan", "find_hazards", "submit_protected", "submit_scan"]

_SECONDS = 20.0
_MAX_OUTPUT = 8 << 20
"""Limit of what one walk prints. A repo that exceeds it has tens of thousands of such files."""
_MAX_CONTENT = 64 << 10
_MAX_CONTENTS = 100
"""Limit of files read in one repo; those beyond, and larger ones, have marks without content."""
_MAX_MODULES = 50
"""Limit of submodules that are protected, each by two mounts."""
_FIRST_FOREIGN = 100_000
"""UIDs from here on belong to users of containers, but for a person of a directory service."""


@dataclass(frozen=True)
class Scan:
    """Result of a walk over one repo."""

    hazards: tuple[Hazard, ...]
    foreign: int
    """Number of entries that belong to users of containers."""


@dataclass(frozen=True)
class _Entry:
    """File that the walk found, relative to its repo."""

    path: str
    letter: str
    """Type of the file as find prints it: f, l, p and so on."""
    size: int
    executable: bool
    mark: str

    @cached_property
    def kind(self) -> str:
        """Kind by its name, "" if it is of none."""
        return kind_of(self.path, link=self.letter == "l")


@dataclass
class _Walk:
    """Results of the walk in one repo; `foreign` is as in `Scan`."""

    entries: list[_Entry] = field(default_factory=list)
    closed: list[Hazard] = field(default_factory=list)
    """Folders that this user can't list or can't enter."""
    foreign: int = 0


def submit_protected(host: Host, repo: str) -> Future[tuple[str, ...]]:
    """Ask for the protected paths that exist in `repo`, relative to it.

    Left out are symlinks, and paths that lead through one.
    """
    heads = host.submit(_heads_argv(repo), timeout=_SECONDS)
    usual = _submit_existing(host, repo, PROTECTED)

    def read() -> tuple[str, ...]:
        modules = _modules(f"{repo}/{MODULES}/", heads.result().text.split("\0"))
        return (*usual.result(), *_submit_existing(host, repo, modules).result())

    return Future(read)


def _submit_existing(host: Host, repo: str, paths: Sequence[str]) -> Future[list[str]]:
    """Ask which of `paths` in `repo` exist and lead through no symlink."""
    if not paths:
        return Future(list)
    full = [f"{repo}/{path}" for path in paths]
    existing = host.submit(_existing_argv(full), timeout=_SECONDS)
    real = submit_real_paths(host, full)

    def choose(result: Result) -> list[str]:
        printed = set(result.text.split("\0"))
        resolved = zip(paths, full, real.result(), strict=True)
        return [path for path, before, after in resolved if before in printed and before == after]

    return existing.then(choose)


def _existing_argv(paths: Sequence[str]) -> Argv:
    """Return the argv that prints those of `paths` that are a file or a folder."""
    kinds = ["(", "-type", "f", "-o", "-type", "d", ")"]
    return ["find", *paths, "-maxdepth", "0", *kinds, "-print0"]


def _heads_argv(repo: str) -> Argv:
    """Return the argv that prints the paths of each HEAD in the .git/modules of `repo`."""
    return ["find", f"{repo}/{MODULES}", "-maxdepth", "8", "-type", "f", "-name", "HEAD", "-print0"]


def _modules(start: str, heads: Iterable[str]) -> list[str]:
    """Return the hooks and config of the submodules whose HEAD is below `start`."""
    relative = [head.removeprefix(start) for head in heads if head.startswith(start)]
    folders = sorted(head.rpartition("/")[0] for head in relative[:_MAX_MODULES])
    folders = [folder for folder in folders if folder and "/logs" not in folder]
    return [f"{MODULES}/{folder}/{name}" for folder in folders for name in ("hooks", "config")]


def find_hazards(host: Host, repo: str) -> tuple[Hazard, ...]:
    """Return what is in `repo` now that a program on the host may run."""
    scan = submit_scan(host, {repo: Future(dict)}).result()[repo]
    if isinstance(scan, RepomanError):
        raise scan
    return scan.hazards


def submit_scan(
    host: Host, repos: Mapping[str, Future[Marks]]
) -> Future[dict[str, Scan | RepomanError]]:
    """Ask for the hazards in each of `repos`, or for the error if one can't be scanned.

    `repos` has the marks that a person has seen: only files that are new have marks of their
    content. One walk does it for all of them. If it fails, each is walked alone, so that one repo
    hides nothing of the others.
    """
    if not repos:
        return Future(dict)
    judged = submit_reports(host, list(repos))
    together = _submit_walk(host, list(repos))

    def read() -> dict[str, Scan | RepomanError]:
        try:
            walks = together.result()
        except RepomanError as problem:
            if len(repos) == 1:
                return dict.fromkeys(repos, problem)
            alone = [submit_scan(host, {repo: seen}) for repo, seen in repos.items()]
            return {repo: scan for one in alone for repo, scan in one.result().items()}
        marks = {
            repo: _submit_marks(host, repo, walk.entries, repos[repo].result())
            for repo, walk in walks.items()
        }
        return {
            repo: _scan(host, repo, walks[repo], marks[repo], judged)
            if repo in walks
            else Failed("it can't be read", "look for it")
            for repo in repos
        }

    return Future(read)


def _submit_walk(host: Host, repos: Sequence[str]) -> Future[dict[str, _Walk]]:
    """Ask for the files with such names in each of `repos`, and for its number of foreign ones.

    Links are not followed. The paths have /./ after that of the repo, which no other path has.
    Folders that this user can't list or enter are printed and not entered, so find fails only if
    something else is wrong.
    """
    start = r".*/\./"
    first = ["-name", ".", "-printf", "r%H\\0"]
    foreign = ["-uid", f"+{_FIRST_FOREIGN - 1}", "!", "-uid", f"{host.uid}", "-printf", "u\\0"]
    closed = ["-type", "d", "(", "-not", "-readable", "-o", "-not", "-executable", ")", "-prune"]
    closed += [
        "(",
        "-executable",
        "-printf",
        "x\\t%P\\0",
        "-o",
        "-printf",
        "d%m.%U.%i\\t%P\\0",
        ")",
    ]
    found = [*find_tests(start), "-printf", "%y%m.%s.%i.%C@\\t%P\\0"]
    argv = ["env", "LC_ALL=C", "find", *(f"{repo}/./" for repo in repos), "-ignore_readdir_race"]
    for tests in (first, foreign, closed):
        argv += ["(", *tests, ")", ","]
    argv += ["(", *found, ")"]

    def read(result: Result) -> dict[str, _Walk]:
        if result.code == 1:  # find fails, too, if a folder vanishes before it is entered
            result = host.submit(argv, timeout=_SECONDS, max_bytes=_MAX_OUTPUT).result()
        return _parse_walk(result)

    return host.submit(argv, timeout=_SECONDS, max_bytes=_MAX_OUTPUT).then(read)


def _parse_walk(result: Result) -> dict[str, _Walk]:
    if result.code:
        raise Failed("parts of it can't be read", result.complaint)
    walks: dict[str, _Walk] = {}
    walk = _Walk()
    for record in result.text.split("\0")[:-1]:
        if record[0] == "r":
            walk = walks.setdefault(record[1:].removesuffix("/./"), _Walk())
        elif record == "u":
            walk.foreign += 1
        elif record[0] in "xd":
            walk.closed.append(_closed_folder(record))
        else:
            walk.entries.append(_parse_entry(record))
    return walks


def _closed_folder(record: str) -> Hazard:
    """Return the hazard of a folder that this user can't list or enter.

    Programs of this user open files by path in a folder that can be entered, so it is new until it
    can be listed: nobody can have seen what is in it, nor will its marks show a change. They reach
    nothing in one that can't be entered, which may be marked as seen.
    """
    metadata, _, path = record.partition("\t")
    path = path or "."
    if metadata == "x":
        return Hazard(f"{path}: a folder that can't be listed", "git", (), unlisted=path)
    return Hazard(f"{path}: a folder that can't be entered", "git", (metadata,))


def _parse_entry(record: str) -> _Entry:
    metadata, _, path = record.partition("\t")
    mode, _, mark = metadata[1:].partition(".")
    executable = bool(int(mode, 8) & 0o111)
    return _Entry(path, metadata[0], int(mark.partition(".")[0]), executable, mark)


def _submit_marks(
    host: Host, repo: str, entries: Sequence[_Entry], seen: Marks
) -> Future[dict[str, tuple[str, ...]]]:
    """Ask for the marks of `entries`; for those that are not `seen`, also of their content.

    A link has the mark of what it leads to in the repo, which may change without the link.
    """
    links = [entry.path for entry in entries if entry.letter == "l"]
    targets = _submit_targets(host, repo, links)
    new = [e for e in entries if e.letter == "f" and e.mark not in seen.get(e.path, ())]
    heads = {
        entry: submit_head(host, f"{repo}/{entry.path}", _MAX_CONTENT)
        for entry in [e for e in new if e.size < _MAX_CONTENT][:_MAX_CONTENTS]
    }

    def read() -> dict[str, tuple[str, ...]]:
        marks: dict[str, tuple[str, ...]] = {e.path: (e.mark,) for e in entries}
        for entry, head in heads.items():
            if not head.result().code:
                text = b"%d %b" % (entry.executable, head.result().out)
                marks[entry.path] = (entry.mark, sha256(text).hexdigest())
        return marks | {path: (mark,) for path, mark in targets.result().items()}

    return Future(read)


def _submit_targets(host: Host, repo: str, links: Sequence[str]) -> Future[dict[str, str]]:
    """Ask for a mark of each of `links`: of its path, and of the files there if in `repo`."""
    real = submit_real_paths(host, [f"{repo}/{link}" for link in links])

    def walk(paths: list[str]) -> dict[str, str]:
        within = [path for path in dict.fromkeys(paths) if inside(path, repo) and path != repo]
        tests = ["-maxdepth", "4", "-printf", "%H\\t%P %s.%i.%C@\\0"]
        answers = [
            host.submit(["find", *batch, *tests], timeout=_SECONDS, max_bytes=_MAX_OUTPUT)
            for batch in path_batches(within)
        ]
        found: dict[str, list[str]] = {}
        for answer in answers:
            for line in answer.result().text.split("\0")[:-1]:
                target, _, rest = line.partition("\t")
                found.setdefault(target, []).append(rest)
        texts = ["\0".join([path, *sorted(found.get(path, ()))]) for path in paths]
        marks = [sha256(text.encode(errors="surrogateescape")).hexdigest() for text in texts]
        return dict(zip(links, marks, strict=True))

    return real.then(walk)


def _scan(
    host: Host,
    repo: str,
    walk: _Walk,
    marks: Future[dict[str, tuple[str, ...]]],
    judged: Future[dict[str, list[GitReport] | RepomanError]],
) -> Scan | RepomanError:
    try:
        found = marks.result()
        of_git = {e.path: found[e.path] for e in walk.entries if e.kind == "git"}
        hazards = [*git_hazards(host, repo, of_git, judged), *walk.closed]
        others = [e for e in walk.entries if e.kind and (e.kind != "git" or e.letter == "l")]
        hazards += [Hazard(entry.path, entry.kind, found[entry.path]) for entry in others]
    except RepomanError as problem:
        return problem
    unique = {hazard.what: hazard for hazard in hazards}  # git may name a link, too
    return Scan(tuple(unique.values()), walk.foreign)
