"""The registry: which projects exist, where they are, when they were last mirrored.

`reader` parses its text, `edits` changes the text, and `store` reads and writes the file on a
host, under a lock.
"""

from repoman_tasks.registry.edits import (
    edited,
    migrated,
    record_mirror,
    record_stop,
    record_sync,
)
from repoman_tasks.registry.reader import parse, parse_requested
from repoman_tasks.registry.store import Store

__all__ = [
    "Store",
    "edited",
    "migrated",
    "parse",
    "parse_requested",
    "record_mirror",
    "record_stop",
    "record_sync",
]
