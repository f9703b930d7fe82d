"""TOML texts, parsed once: a sync of 1,000 projects reads the same registry several times."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from typing import Any

__all__ = ["document_of"]


@lru_cache(maxsize=2)
def document_of(text: str) -> dict[str, Any]:
    """Return what `text` holds, which nobody must change. Raise as `tomllib.loads` does."""
    return tomllib.loads(text)
