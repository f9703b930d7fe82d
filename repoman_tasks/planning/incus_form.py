"""The form of Incus's answers, checked before anything uses them. Pure.

The daemon may be that of a remote host, which may be hostile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["well_formed"]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _are_numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(n, int | float) for n in value.values())


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _are_devices(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_are_texts, value.values()))


def _are_rules(value: Any) -> bool:
    return isinstance(value, list) and all(map(_are_texts, value))


def _are_paths(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_state(value: Any) -> bool:
    return isinstance(value, dict) and _are_interfaces(value.get("network") or {})


def _are_interfaces(value: Any) -> bool:
    return isinstance(value, dict) and all(
        one is None or (isinstance(one, dict) and _are_addresses(one.get("addresses") or []))
        for one in value.values()
    )


def _are_addresses(value: Any) -> bool:
    return isinstance(value, list) and all(map(_are_texts, value))


def _are_aliases(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, dict) and isinstance(one.get("name"), str) for one in value
    )


_FORMS: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("name", "status", "type", "driver", "target", "fingerprint"), _is_text),
    **dict.fromkeys(("devices", "expanded_devices"), _are_devices),
    "used_by": _are_paths,
    "aliases": _are_aliases,
    "properties": _are_texts,
    "created_at": _is_text,
    **dict.fromkeys(("egress", "ingress"), _are_rules),
    **dict.fromkeys(("config", "expanded_config"), _are_texts),
    "environment": _is_object,
    "space": _are_numbers,
    "state": _is_state,
}
"""The form of a value by its key, at the top of an object. Any may be null."""


def well_formed(metadata: Any) -> bool:
    """Return True if `metadata` is null, an object, or a list of names or of objects with a name
    or a fingerprint, and the values that repoman uses have their form."""
    if isinstance(metadata, list):
        return all(isinstance(one, str) or _is_named(one) for one in metadata)
    return metadata is None or _is_well_formed(metadata)


def _is_named(one: Any) -> bool:
    return _is_well_formed(one) and isinstance(one.get("name", one.get("fingerprint")), str)


def _is_well_formed(one: Any) -> bool:
    return isinstance(one, dict) and all(
        value is None or key not in _FORMS or _FORMS[key](value) for key, value in one.items()
    )
