"""The order from the outside to the machine, and the names of the files they share."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

ORDER = "order.json"
OUTPUT = "output"
STATUS = "status"
FAILURE = "failure"


@dataclass(frozen=True)
class Order:
    """One run: the argv, its working folder, and its environment.

    `modules` is the kernel's module folder. `keep` lists folders of the host that must stay visible
    even if the machine mounts a file system over a parent of theirs.
    """

    argv: list[str]
    cwd: str
    environment: dict[str, str]
    modules: str
    keep: list[str]

    def write(self, folder: Path) -> None:
        (folder / ORDER).write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, folder: Path) -> "Order":
        return cls(**json.loads((folder / ORDER).read_text()))
