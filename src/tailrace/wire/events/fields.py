"""The fields of an event, read without trust in their types: what is missing or wrong is empty."""

from __future__ import annotations

import binascii
from collections.abc import Mapping

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final

NO_FIELDS: Final[Mapping[str, Any]] = {}


def context_of(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the `requestContext` of an event."""
    return mapping_in(fields, "requestContext")


def mapping_in(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object."""
    value = fields.get(name)
    # A dict first: the abstract class takes four times as long to find one.
    return value if isinstance(value, (dict, Mapping)) else NO_FIELDS


def text_in(fields: Mapping[str, Any], name: str) -> str:
    """Return a text."""
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def body_in(fields: Mapping[str, Any]) -> bytes:
    """Return an event's `body`, which `isBase64Encoded` describes.

    Raises:
        ValueError: it should be base64, and is not.
    """
    text = text_in(fields, "body")
    if not fields.get("isBase64Encoded"):
        return text.encode("utf-8")
    return binascii.a2b_base64(text, strict_mode=True)
