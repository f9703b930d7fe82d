"""What can be done about each kind of drift, and which of it a person chose by a flag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from repoman_tasks.errors import UsageError
from repoman_tasks.planning.names import nearest

__all__ = ["CHOICES", "LEAVE", "RepairOptions"]

LEAVE = "leave it"
CHOICES: Mapping[str, tuple[str, ...]] = {
    "missing": ("recreate", "forget"),
    "orphan": ("adopt", "destroy"),
    "half-made": ("finish", "remove"),
    "renamed": ("rename",),
    "unexpected": ("adopt",),
    "error": ("stop",),
}
"""By the kind of a finding. `destroy` and `remove` take a container away, `forget` does not."""


@dataclass(frozen=True)
class RepairOptions:
    """What a person asked for: the kinds with a flag of their own, and whether to ask."""

    missing: str = ""
    orphan: str = ""
    half_made: str = ""
    repair: bool = False

    def check(self) -> None:
        """`UsageError` where a flag has a value that it can't have."""
        for kind, value in self._flags().items():
            if value and value not in CHOICES[kind]:
                near = nearest(value, CHOICES[kind])
                hint = f"did you mean {near}?" if near else f"it is {' or '.join(CHOICES[kind])}"
                raise UsageError(f"--{kind} {value}", hint)

    @property
    def any(self) -> bool:
        """Whether anything is to be changed."""
        return self.repair or any(self._flags().values())

    def chosen(self, kind: str) -> str:
        """What was chosen by a flag for findings of that kind, or an empty string."""
        return self._flags().get(kind, "")

    def has_flag(self, kind: str) -> bool:
        """Whether findings of that kind have a flag of their own."""
        return kind in self._flags()

    def _flags(self) -> dict[str, str]:
        return {"missing": self.missing, "orphan": self.orphan, "half-made": self.half_made}
