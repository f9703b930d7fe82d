"""Possible repairs for each kind of drift, and the options of `status` that choose them. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from repoman_tasks.errors import UsageError
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.planning.names import nearest

__all__ = ["CHOICES", "LEAVE", "RepairOptions"]

LEAVE = "leave it"
CHOICES: Mapping[str, tuple[str, ...]] = {
    "missing": ("recreate", "forget"),
    "orphan": ("adopt", "destroy"),
    "half-made": ("finish", "remove"),
    "half-made-volume": ("delete",),
    "half-built": ("remove",),
    "renamed": ("rename",),
    "unexpected": ("adopt",),
    "error": ("stop",),
}
"""Repairs by kind of finding. `destroy` and `remove` delete a container, `delete` only a volume,
`forget` nothing."""


@dataclass(frozen=True)
class RepairOptions:
    """Options of `status` that concern repairs."""

    missing: str = ""
    orphan: str = ""
    half_made: str = ""
    repair: bool = False

    def check(self) -> None:
        """Raise UsageError if a flag has a value that is no repair of its kind."""
        for kind, value in self._flags().items():
            if value and value not in CHOICES[kind]:
                near = nearest(value, CHOICES[kind])
                hint = f"did you mean {near}?" if near else f"must be {' or '.join(CHOICES[kind])}"
                raise UsageError(f"--{kind} {value}", hint)

    @property
    def requested(self) -> bool:
        """True if any repair is requested."""
        return self.repair or any(self._flags().values())

    def choice(self, kind: str) -> str:
        """Return the repair that a flag chooses for findings of `kind`, or an empty string."""
        return self._flags().get(kind, "")

    def has_flag(self, kind: str) -> bool:
        """Return True if there is a flag for findings of `kind`."""
        return kind in self._flags()

    def _flags(self) -> dict[str, str]:
        return {"missing": self.missing, "orphan": self.orphan, "half-made": self.half_made}
