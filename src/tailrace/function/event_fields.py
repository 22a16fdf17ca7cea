"""The fields of an event, in whatever form it reaches the handler."""

from __future__ import annotations

from collections.abc import Mapping

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final

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
