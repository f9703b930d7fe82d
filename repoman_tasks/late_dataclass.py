"""The standard library's `dataclass`, which completes a class only when it is needed.

To generate the methods of a frozen dataclass takes half a millisecond (Python 3.11). Without this,
half of the time to import a command goes into classes of which it makes no instance.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from threading import RLock
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

_completing = RLock()


class _Pending:
    """Stands in for the fields of a class; whoever reads them completes it first."""

    def __init__(self, cls: type, options: dict[str, Any]) -> None:
        self._cls = cls
        self._options = options
        self._done = False

    def complete(self) -> None:
        """Complete the class. Its `__new__` stays this one until then: another thread waits."""
        with _completing:
            if not self._done:
                dataclasses.dataclass(**self._options)(self._cls)
                self._done = True
                setattr(self._cls, "__new__", staticmethod(_new))  # noqa: B010 # mypy: a method

    def __get__(self, instance: object, owner: type) -> Any:
        self.complete()
        return getattr(owner, "__dataclass_fields__")  # noqa: B009 # mypy knows no such attribute


def _new(cls: type, *_: object, **__: object) -> Any:
    return object.__new__(cls)


def _late(options: dict[str, Any]) -> Callable[[type], type]:
    """Return a decorator that leaves a class pending."""

    def decorate(cls: type) -> type:
        pending = _Pending(cls, options)

        def new(cls: type, *_: object, **__: object) -> Any:
            pending.complete()
            return object.__new__(cls)

        setattr(cls, "__dataclass_fields__", pending)  # noqa: B010
        setattr(cls, "__new__", staticmethod(new))  # noqa: B010
        return cls

    return decorate


if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls: type | None = None, /, **options: Any) -> Any:
        """Make `cls` a dataclass before its first instance; at once if it is to have slots."""
        decorate = dataclasses.dataclass(**options) if "slots" in options else _late(options)
        return decorate if cls is None else decorate(cls)
