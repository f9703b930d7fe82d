"""An estate with containers on another host."""

from __future__ import annotations

from tests.containers.conftest import Place
from tests.far import FarEstate

__all__ = ["FarPlace"]


class FarPlace(FarEstate, Place):
    """An estate with containers on the other side of an sshd."""
