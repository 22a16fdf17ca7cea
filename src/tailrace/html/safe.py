"""`Html`: text that is markup. Everything else is escaped where it becomes part of a page.

The protocol is `__html__`, as in MarkupSafe, Jinja2, Django and htpy: what has it is markup.
"""

from __future__ import annotations

import re
from functools import lru_cache
from string import Formatter

from tailrace.html.limits import FORMATS_KEPT_MAX

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Final, Self

_REPLACEMENT: Final = "\ufffd"


class Html(str):
    """Markup. `Html("<p>{}").format(value)` escapes the value, unless it is markup itself."""

    __slots__ = ()

    def __html__(self) -> Self:
        return self

    def format(self, /, *args: Any, **kwargs: Any) -> Html:
        """Do as `str.format`, and escape each value.

        Raises:
            TypeError: a value has no text: a list, a coroutine, a function, bytes.
        """
        if not _is_plain(self):
            return Html(_FORMATTER.vformat(self, args, kwargs))
        shown = {name: _shown(value) for name, value in kwargs.items()}
        return Html(str.format(self, *map(_shown, args), **shown))

    def join(self, items: Any) -> Html:
        """Do as `str.join`, and escape each item."""
        return Html(str(self).join([markup(item) for item in items]))

    def __add__(self, other: Any) -> Html:
        return Html(str(self) + markup(other))

    def __radd__(self, other: Any) -> Html:
        return Html(markup(other) + str(self))

    def __mod__(self, other: Any) -> Html:
        raise TypeError("Html has no %: use format, which escapes each value")


def markup(value: object) -> str:
    """Return the markup of a value: what `__html__` returns, or else its text, escaped.

    None is nothing. NUL and lone surrogates, which no page may have, become U+FFFD.
    """
    if value is None:
        return ""
    html = getattr(type(value), "__html__", None)
    if html is not None:
        return encodable(str(html(value)))
    return escape(str(_with_text(value)))


def escape(text: str) -> str:
    """Return a text as markup that shows it, in elements and in quoted attributes."""
    # Several times as fast as one pattern with a function, whatever the text.
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = text.replace('"', "&#34;").replace("'", "&#39;").replace("\0", _REPLACEMENT)
    return encodable(text)


def encodable(text: str) -> str:
    """Return a text with U+FFFD in the place of lone surrogates, which UTF-8 does not have."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return re.sub("[\ud800-\udfff]", _REPLACEMENT, text)
    return text


@lru_cache(maxsize=FORMATS_KEPT_MAX)
def _is_plain(text: str) -> bool:
    """Whether the fields of a format are names and numbers alone: `str.format` takes values that
    have been escaped for them, ten times as fast as a `Formatter`."""
    return all(
        name is None or not (spec or conversion or "." in name or "[" in name)
        for _, name, spec, conversion in _FORMATTER.parse(text)
    )


def _shown(value: object) -> str:
    return markup(value) if hasattr(type(value), "__html__") else escape(format(_with_text(value)))


_INSTEAD: Final = {
    "__await__": "await it, or make it a part: page.part(…)",
    "__aiter__": "yield it, or make it a part: page.part(…)",
    "keys": "choose what it shows",
    "__iter__": "join it: Html().join(…)",
    "__call__": "call it",
}
"""What to do with values of which a page would show Python's notation, by an attribute."""


def _with_text(value: object) -> object:
    """Return a value that has a text. Raises TypeError for others: they are there by mistake."""
    kind = type(value)
    if kind is str:
        return value
    if kind is bytes:
        raise TypeError("markup is made of text and markup, not of bytes; decode it")
    if kind.__str__ is object.__str__:
        for attribute, instead in _INSTEAD.items():
            if hasattr(value, attribute):
                raise TypeError(
                    f"markup is made of text and markup, not of {kind.__name__}; {instead}"
                )
    return value


class _EscapingFormatter(Formatter):
    """Formats values as `str.format` does; those without `__html__` are escaped afterwards."""

    def format_field(self, value: Any, format_spec: str) -> Any:
        if hasattr(type(value), "__html__"):
            if format_spec:
                raise ValueError(f"markup takes no format: {format_spec!r}")
            return markup(value)
        return escape(format(_with_text(value), format_spec))

    def convert_field(self, value: Any, conversion: Any) -> Any:
        return value if conversion is None else str(super().convert_field(value, conversion))

    def vformat(self, format_string: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        return str(super().vformat(format_string, args, kwargs))


_FORMATTER: Final = _EscapingFormatter()
