"""The fields of an event, read without trust in their types: what is missing or wrong is empty."""

from __future__ import annotations

import binascii
from collections.abc import Mapping

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final

NO_FIELDS: Final[Mapping[str, Any]] = {}
_WITHOUT_FIELDS: Final = (str, int, float, list, tuple, bytes, type(None))


def fields_of(event: object) -> Mapping[str, Any]:
    """Return the fields of an event.

    Another decorator may have converted it. Any Mapping is read as it is (a dict, powertools' data
    classes, UserDict, MappingProxyType), and so is a Pydantic model that keeps unknown keys. Other
    JSON types have no fields.

    Raises:
        TypeError: it is an object of another class.
    """
    if isinstance(event, (dict, Mapping)):
        return event
    if isinstance(event, _WITHOUT_FIELDS):
        return {}
    if getattr(event, "model_extra", None) is not None:
        fields = event.model_dump(by_alias=True)  # type: ignore[attr-defined]  # pydantic.BaseModel
        if isinstance(fields, Mapping):
            return fields
    raise TypeError(
        f"the event is a {type(event).__qualname__}, which is not a mapping: the callback and the"
        " kind of the event cannot be read from it. Put streamify_response outermost and convert"
        " the event inside it, or let the model keep unknown keys (extra='allow')"
    )


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


def pairs_in(fields: Mapping[str, Any], single: str, multiple: str) -> list[tuple[str, str]]:
    """Return the names and values of an object with lists of values, and of one with single values.

    A name of the second counts if the first has no such name in any spelling. Front ends give the
    last value of each name there; people who write events by hand leave out one or the other.
    """
    multiples = mapping_in(fields, multiple)
    pairs = [
        (name, value)
        for name, values in multiples.items()
        if isinstance(values, (list, tuple))
        for value in values
        if isinstance(value, str)
    ]
    given = {name.lower() for name in multiples}
    singles = mapping_in(fields, single).items()
    return pairs + [
        (name, value)
        for name, value in singles
        if isinstance(value, str) and name.lower() not in given
    ]


def with_one_cookie_field(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return header fields, names in lower case, with all cookies in the place of the first."""
    fields = [(name.lower(), value) for name, value in pairs]
    cookies = [value for name, value in fields if name == "cookie"]
    if len(cookies) < 2:
        return fields
    first = fields.index(("cookie", cookies[0]))
    fields[first] = ("cookie", "; ".join(cookies))
    return fields[: first + 1] + [field for field in fields[first + 1 :] if field[0] != "cookie"]


def body_in(fields: Mapping[str, Any]) -> bytes:
    """Return an event's `body`, which `isBase64Encoded` describes.

    Raises:
        ValueError: it should be base64, and is not; or it has half of a surrogate pair.
    """
    text = text_in(fields, "body")
    try:
        if not fields.get("isBase64Encoded"):
            return text.encode("utf-8")
        return binascii.a2b_base64(text, strict_mode=True)
    except UnicodeEncodeError as error:
        problem = f"it has half of a surrogate pair at character {error.start}"
    except ValueError as error:
        problem = f"isBase64Encoded is true, and this is not base64: {error}"
    raise ValueError(f"the event's body cannot be read: {problem}")
