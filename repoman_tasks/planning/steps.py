"""What can be done to an estate, as values: each says itself to a person, and `apply` does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from repoman_tasks.planning.container.spec import Spec
from repoman_tasks.planning.registry_edits import Edit
from repoman_tasks.planning.text.wording import shown_url

__all__ = [
    "AdoptContainer",
    "ArrangeUser",
    "AsRoot",
    "CallIncus",
    "ChangeContainer",
    "ChangeState",
    "CloneRepo",
    "CreateContainer",
    "DeleteContainer",
    "DeleteFile",
    "DeleteRepo",
    "MakeFolder",
    "MakeRepo",
    "MarkShare",
    "RebuildContainer",
    "Step",
    "WriteFile",
    "WriteRegistry",
]


@dataclass(frozen=True)
class MakeFolder:
    """Make a folder on the host."""

    path: str

    def __str__(self) -> str:
        return f"make the folder {self.path}"


@dataclass(frozen=True)
class MarkShare:
    """Write the estate's marker on the share."""

    path: str
    estate: str

    def __str__(self) -> str:
        return f"mark {self.path} as the backup share of estate {self.estate}"


@dataclass(frozen=True)
class WriteRegistry:
    """Change the registry."""

    what: str
    edits: tuple[Edit, ...]

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True)
class CallIncus:
    """One request to Incus that changes something; `path` is encoded."""

    what: str
    method: str
    path: str
    body: Mapping[str, Any]

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True)
class AsRoot:
    """A command that needs root."""

    argv: tuple[str, ...]
    why: str

    def __str__(self) -> str:
        return f"run as root `{' '.join(self.argv)}`, {self.why}"


@dataclass(frozen=True)
class CloneRepo:
    """Clone a repo into a folder that is not there yet."""

    url: str
    path: str

    def __str__(self) -> str:
        return f"clone {shown_url(self.url)} into {self.path}"


@dataclass(frozen=True)
class MakeRepo:
    """Make a folder that is an empty git repo."""

    path: str

    def __str__(self) -> str:
        return f"make an empty git repo in {self.path}"


@dataclass(frozen=True)
class CreateContainer:
    """Make a container, which carries MAKING until `ArrangeUser` is through."""

    name: str
    spec: Spec
    origin: Mapping[str, Any]
    """Where Incus has the image from, in its words."""

    def __str__(self) -> str:
        return f"create the container {self.name} from {self.spec.image}"


@dataclass(frozen=True)
class AdoptContainer:
    """Copy a container of another Incus project into repoman's; the other one stays."""

    name: str
    source: str
    """The Incus project that it is in."""
    spec: Spec

    def __str__(self) -> str:
        return f"copy the container {self.name} with its disk from the Incus project {self.source}"


@dataclass(frozen=True)
class ArrangeUser:
    """Have the user inside, show that the repo can be written, and call the container whole."""

    name: str
    user: str
    path: str

    def __str__(self) -> str:
        return f"start {self.name}, arrange the user {self.user} in it, and prove {self.path}"


@dataclass(frozen=True)
class ChangeContainer:
    """Set what Incus knows of a container."""

    name: str
    what: str
    changes: Mapping[str, Any]

    def __str__(self) -> str:
        return f"change {self.name}: {self.what}"


@dataclass(frozen=True)
class RebuildContainer:
    """Make a container's own disk anew from an image; what was installed in it goes."""

    name: str
    spec: Spec
    origin: Mapping[str, Any]

    def __str__(self) -> str:
        return f"rebuild {self.name} from {self.spec.image}; all that is on its own disk goes"


@dataclass(frozen=True)
class ChangeState:
    """Start, stop, restart or rename a container."""

    name: str
    action: str
    to: str = ""
    force: bool = False

    def __str__(self) -> str:
        return f"{self.action} {self.name}" + (f" to {self.to}" if self.to else "")


@dataclass(frozen=True)
class DeleteContainer:
    """Take a container away with its disk."""

    name: str
    note: str = ""

    def __str__(self) -> str:
        return f"destroy the container {self.name}{self.note}"


@dataclass(frozen=True)
class DeleteRepo:
    """Delete a repo, all of which was just found in the mirror."""

    name: str
    path: str

    def __str__(self) -> str:
        return f"DELETE the repo {self.path}, once more compared with its mirror before"


@dataclass(frozen=True)
class WriteFile:
    """Write a file of the person's."""

    what: str
    path: str
    text: str

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True)
class DeleteFile:
    """Delete a file of the person's that repoman wrote."""

    path: str

    def __str__(self) -> str:
        return f"delete {self.path}"


Step = (
    AdoptContainer
    | ArrangeUser
    | AsRoot
    | CallIncus
    | ChangeContainer
    | ChangeState
    | CloneRepo
    | CreateContainer
    | DeleteContainer
    | DeleteFile
    | DeleteRepo
    | MakeFolder
    | MakeRepo
    | MarkShare
    | RebuildContainer
    | WriteFile
    | WriteRegistry
)
