"""Steps that change an estate, as values; str() describes them, `actions.apply` runs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from repoman_tasks.errors import quoted, without_backticks
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.planning.container.spec import Spec
from repoman_tasks.planning.container.templates import Recipe
from repoman_tasks.planning.registry_edits import Edit
from repoman_tasks.planning.text.wording import redact_url

__all__ = [
    "AdoptContainer",
    "ArrangeUser",
    "AsRoot",
    "BuildImage",
    "CallIncus",
    "ChangeContainer",
    "ChangeState",
    "CloneRepo",
    "CreateContainer",
    "CreateVolume",
    "DeleteContainer",
    "DeleteFile",
    "DeleteFolder",
    "DeleteMirror",
    "DeleteRepo",
    "DeleteSnapshot",
    "DeleteVolume",
    "EmptyVolume",
    "MakeFolder",
    "MakeRepo",
    "MarkShare",
    "NoteUndo",
    "RebuildContainer",
    "RenameFolder",
    "RenameMirror",
    "RenameState",
    "RestoreRepo",
    "ReturnContainer",
    "ReturnRepo",
    "RunProgram",
    "Step",
    "TakeOverShare",
    "TakeSnapshot",
    "WriteFile",
    "WriteRegistry",
]


@dataclass(frozen=True)
class MakeFolder:
    """Step that creates a folder on the host, for its owner only if `private`."""

    path: str
    private: bool = False

    def __str__(self) -> str:
        return f"create the folder {self.path}"


@dataclass(frozen=True)
class MarkShare:
    """Step that writes the estate's marker on the share."""

    path: str
    estate: str

    def __str__(self) -> str:
        return f"mark {self.path} as the backup share of estate {self.estate}"


@dataclass(frozen=True)
class TakeOverShare:
    """Step that lets this host, instead of another one, write to the share."""

    path: str
    writer: str
    when: str

    def __str__(self) -> str:
        return f"take {self.path} over from {self.writer}, which wrote there at {self.when}"


@dataclass(frozen=True)
class WriteRegistry:
    """Step that edits the registry."""

    what: str
    edits: tuple[Edit, ...]

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True)
class CallIncus:
    """Step that sends a request to Incus; `path` is URL-encoded."""

    what: str
    method: str
    path: str
    body: Mapping[str, Any]
    take_back: Mapping[str, Any] | None = None
    """Body of a PUT that takes back what the request allowed; None if it allows nothing new."""

    def __post_init__(self) -> None:  # others may have chosen the values in it
        object.__setattr__(self, "what", without_backticks(self.what))

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True)
class AsRoot:
    """Step that runs a program as root; `why` completes the sentence."""

    argv: tuple[str, ...]
    why: str

    def __str__(self) -> str:
        return f"run as root `{quoted(*self.argv)}`, {self.why}"


@dataclass(frozen=True)
class CloneRepo:
    """Step that clones a repo into a new folder."""

    url: str
    path: str

    def __str__(self) -> str:
        return f"clone {redact_url(self.url)} into {self.path}"


@dataclass(frozen=True)
class MakeRepo:
    """Step that creates a folder with an empty git repo."""

    path: str

    def __str__(self) -> str:
        return f"create an empty git repo in {self.path}"


@dataclass(frozen=True)
class RestoreRepo:
    """Step that brings the repo of a project back; `repo` is the folder of its mirror."""

    name: str
    repo: str
    path: str

    def __str__(self) -> str:
        return f"restore {self.path} from its mirror"


@dataclass(frozen=True)
class BuildImage:
    """Step that builds the image of a recipe in a container of its own."""

    name: str
    """Name of the image."""
    recipe: Recipe
    origin: Mapping[str, Any]
    """Source of the image that it is built on, as in Incus's API."""
    contents: str = ""
    """Digest of the recipe's files."""
    anew: bool = False
    """If true, it is built even if nothing has changed here: packages may be newer."""

    def __str__(self) -> str:
        return f"build the image of {self.recipe.what} on {self.recipe.base}"


@dataclass(frozen=True)
class CreateContainer:
    """Step that creates a container, which is half made until `ArrangeUser` is done."""

    name: str
    spec: Spec
    origin: Mapping[str, Any]
    """Source of the image, as in Incus's API."""

    def __str__(self) -> str:
        return f"create the container {self.name} from {self.spec.image}"


@dataclass(frozen=True)
class CreateVolume:
    """Step that creates a project's volume, or takes over a half-made one."""

    name: str
    pool: str
    size: str = ""
    """Size limit; empty if the pool can't limit it."""

    def __str__(self) -> str:
        limit = f" of at most {self.size}" if self.size else ""
        return f"create the volume {self.name}{limit} for what outlives the container"


@dataclass(frozen=True)
class DeleteVolume:
    """Step that deletes a project's volume."""

    name: str
    pool: str

    def __str__(self) -> str:
        return f"delete the volume {self.name}: its agents' state, shell history and kept folders"


@dataclass(frozen=True)
class EmptyVolume:
    """Step that starts a fresh container, and deletes all that is on its volume."""

    name: str

    def __str__(self) -> str:
        return f"empty the volume {self.name}: its agents' state, shell history and kept folders"


@dataclass(frozen=True)
class AdoptContainer:
    """Step that copies a container from another Incus project; the original stays."""

    name: str
    source: str
    """Incus project of the original."""
    spec: Spec

    def __str__(self) -> str:
        return f"copy the container {self.name} with its disk from the Incus project {self.source}"


@dataclass(frozen=True)
class ArrangeUser:
    """Step that sets up the user, checks that the repo is writable, and ends "half made"."""

    name: str
    user: str
    path: str

    def __str__(self) -> str:
        return f"start {self.name}, set up its user {self.user}, and check access to {self.path}"


@dataclass(frozen=True)
class ChangeContainer:
    """Step that changes a container's configuration, devices and profiles."""

    name: str
    what: str
    changes: Mapping[str, Any]

    def __str__(self) -> str:
        return f"change {self.name}: {self.what}"


@dataclass(frozen=True)
class RebuildContainer:
    """Step that replaces a container's root disk with that of an image."""

    name: str
    spec: Spec
    origin: Mapping[str, Any]

    def __str__(self) -> str:
        return f"rebuild {self.name} from {self.spec.image}; this deletes its disk and snapshots"


@dataclass(frozen=True)
class ChangeState:
    """Step that starts, stops, restarts or renames a container."""

    name: str
    action: str
    to: str = ""
    force: bool = False

    def __str__(self) -> str:
        return f"{self.action} {self.name}" + (f" to {self.to}" if self.to else "")


@dataclass(frozen=True)
class DeleteContainer:
    """Step that deletes a container with its disk."""

    name: str
    note: str = ""

    def __str__(self) -> str:
        return f"delete the container {self.name}{self.note}"


@dataclass(frozen=True)
class DeleteRepo:
    """Step that deletes a repo which has just been found complete in its mirror."""

    name: str
    path: str

    def __str__(self) -> str:
        return f"DELETE the repo {self.path} after comparing it with its mirror once more"


@dataclass(frozen=True)
class DeleteMirror:
    """Step that deletes a folder on the share that belongs to no project."""

    path: str
    repo: str
    """The same, relative to the share."""
    about: str
    """Size and age, for the person who is asked."""

    def __str__(self) -> str:
        return f"DELETE the mirror {self.path}, {self.about}"


@dataclass(frozen=True)
class WriteFile:
    """Step that writes a file in the person's home."""

    what: str
    path: str
    text: str = field(repr=False)
    """Content, which may be a secret."""
    executable: bool = False

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True)
class RunProgram:
    """Step that runs a program of the host."""

    what: str
    argv: tuple[str, ...]
    stdin: str = field(default="", repr=False)

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True)
class DeleteFile:
    """Step that deletes a file that repoman wrote in the person's home."""

    path: str

    def __str__(self) -> str:
        return f"delete {self.path}"


@dataclass(frozen=True)
class RenameFolder:
    """Step that renames the folder of a repo."""

    path: str
    to: str

    def __str__(self) -> str:
        return f"rename the folder {self.path} to {self.to}"


@dataclass(frozen=True)
class RenameMirror:
    """Step that renames a folder on the share; both paths are relative to it."""

    source: str
    to: str

    def __str__(self) -> str:
        return f"rename the mirror {self.source} on the share to {self.to}"


@dataclass(frozen=True)
class RenameState:
    """Step that renames a project in what repoman keeps of it: syncs, approvals, what was seen."""

    name: str
    to: str
    repo: str
    """Its repo, relative to local_repos, and the new one."""
    new_repo: str

    def __str__(self) -> str:
        return f"take over what is recorded of {self.name} for {self.to}"


@dataclass(frozen=True)
class DeleteFolder:
    """Step that deletes a folder that only repoman writes, with all that is in it."""

    path: str
    first: tuple[str, ...] = ()
    """Files in it to delete before the others, so that half of it counts as nothing."""

    def __str__(self) -> str:
        return f"delete {self.path} with all that is in it"


@dataclass(frozen=True)
class TakeSnapshot:
    """Step that takes a snapshot of the parts of a project, all at the same instant."""

    name: str
    id: str
    container: bool = False
    pool: str = ""
    """Pool of the volume; empty if it is not in the snapshot."""
    repo: str = ""
    """Path of the repo; empty if it is not in the snapshot."""
    folder: str = ""
    """Folder for the copy of the repo."""
    may_copy: bool = True
    """False if the repo is so large that only a copy that shares its data is made."""
    has_container: bool = False
    """True if the project has a container that could change the parts meanwhile."""

    def __str__(self) -> str:
        parts = {"its container": self.container, "its volume": self.pool, "its repo": self.repo}
        listed = ", ".join(part for part, there in parts.items() if there)
        return f"take the snapshot {self.id} of {self.name}: {listed}"


@dataclass(frozen=True)
class DeleteSnapshot:
    """Step that deletes a snapshot of a project with the parts that it has."""

    name: str
    id: str
    container: bool = False
    pool: str = ""
    folder: str = ""

    def __str__(self) -> str:
        return f"delete the snapshot {self.id} of {self.name}"


@dataclass(frozen=True)
class NoteUndo:
    """Step that notes that an undo begins, or that it is complete."""

    name: str
    folder: str
    id: str
    at: str
    parts: tuple[str, ...]
    ran: bool
    done: bool

    def __str__(self) -> str:
        verb = "is complete" if self.done else "begins"
        return f"note that the undo of {self.name} to {self.at} {verb}"


@dataclass(frozen=True)
class ReturnContainer:
    """Step that takes the container or the volume of a project, or both, back to a snapshot."""

    name: str
    id: str
    container: bool = False
    pool: str = ""
    """Pool of the volume; empty if it stays as it is."""
    tries: tuple[tuple[str, str], ...] = ()
    """Of each try that was interrupted, the oldest first, the ids of the snapshot of the container
    as it was, and of that which it went back to."""

    def __str__(self) -> str:
        parts = {"container": self.container, "volume": self.pool}
        listed = " and the ".join(part for part, there in parts.items() if there)
        return f"take the {listed} of {self.name} back to {self.id}, what came after it is undone"


@dataclass(frozen=True)
class ReturnRepo:
    """Step that takes a repo back to the copy in a snapshot."""

    name: str
    id: str
    path: str
    source: str
    """Folder that holds the copy, as `repo`."""
    aside: str
    """Folder for what it replaces."""
    halts: bool = False
    """True if the project has a container that no step before this one stops."""

    def __str__(self) -> str:
        return f"take {self.path} back to {self.id}; what that replaces is moved to {self.aside}"


Step = (
    AdoptContainer
    | ArrangeUser
    | AsRoot
    | BuildImage
    | CallIncus
    | ChangeContainer
    | ChangeState
    | CloneRepo
    | CreateContainer
    | CreateVolume
    | DeleteContainer
    | DeleteFile
    | DeleteFolder
    | DeleteMirror
    | DeleteRepo
    | DeleteSnapshot
    | DeleteVolume
    | EmptyVolume
    | MakeFolder
    | MakeRepo
    | MarkShare
    | NoteUndo
    | TakeOverShare
    | RebuildContainer
    | RenameFolder
    | RenameMirror
    | RenameState
    | RestoreRepo
    | ReturnContainer
    | ReturnRepo
    | RunProgram
    | TakeSnapshot
    | WriteFile
    | WriteRegistry
)
