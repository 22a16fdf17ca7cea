"""The fields of an app's head that frame its body: what follows here is framed anew."""

from __future__ import annotations

from tailrace.errors import HeadError

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

_CONNECTION_FIELDS: Final = frozenset(
    ("connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade")
)
"""Fields of one connection."""


def unframed(pairs: Iterable[tuple[str, str]]) -> tuple[list[tuple[str, str]], int | None]:
    """Return header fields but for those of a connection, and the length that they announce.

    Raises:
        HeadError: a Content-Length is no number, or there are two that differ.
    """
    fields = []
    length: int | None = None
    for name, value in pairs:
        key = name.lower()
        if key in _CONNECTION_FIELDS:
            continue
        if key == "content-length":
            announced = _number(value)
            if length not in (None, announced):
                raise HeadError(f"Content-Length is {length} and {announced}: send one of them")
            if length is not None:
                continue
            length = announced
        fields.append((name, value))
    return fields, length


def _number(value: str) -> int:
    text = value.strip(" \t")
    if not (text.isascii() and text.isdigit()):
        raise HeadError(f"illegal Content-Length {value!r:.80}: one number is wanted")
    return int(text)
