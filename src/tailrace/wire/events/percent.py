"""Percent-encoding of what some front ends have decoded, or pass on unencoded (RFC 3986)."""

from __future__ import annotations

import re

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final

_NEVER_IN_A_PATH: Final = re.compile(r"[\x00-\x20#?\x7f-\U0010ffff]+")
_NEVER_IN_A_PARAMETER: Final = re.compile(r"[\x00-\x20#&\x7f-\U0010ffff]+")
_RESERVED: Final = re.compile(r"[^0-9A-Za-z_.~-]+")


def encode_path(path: str) -> str:
    """Return a decoded path, percent-encoded. A slash that was encoded stays a separator."""
    return _NEVER_IN_A_PATH.sub(_encoded, path.replace("%", "%25"))


def complete_path(path: str) -> str:
    """Encode what cannot stand in an encoded path; all else stays as it is."""
    return _NEVER_IN_A_PATH.sub(_encoded, path)


def encode_parameter(text: str) -> str:
    """Return a decoded name or value of a query, percent-encoded."""
    return _RESERVED.sub(_encoded, text)


def complete_parameter(text: str) -> str:
    """Encode what cannot stand in an encoded name or value of a query; all else stays as it is."""
    return _NEVER_IN_A_PARAMETER.sub(_encoded, text)


def _encoded(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "replace"))
