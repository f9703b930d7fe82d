"""The registry: which projects exist, where they are, when they were last mirrored.

`reader` parses its text, `edits` changes the text, `migrations` converts older schemas, and `store`
reads and writes the file on a host, under a lock. `mirror_state` keeps what the syncs left.
"""

from repoman_tasks.registry.edits import (
    edited,
    record_mirror,
    record_stop,
    record_sync,
)
from repoman_tasks.registry.migrations import migrated
from repoman_tasks.registry.mirror_state import MirrorState
from repoman_tasks.registry.reader import parse, parse_requested
from repoman_tasks.registry.registry_copy import copy_text
from repoman_tasks.registry.store import Store

__all__ = [
    "MirrorState",
    "Store",
    "copy_text",
    "edited",
    "migrated",
    "parse",
    "parse_requested",
    "record_mirror",
    "record_stop",
    "record_sync",
]
