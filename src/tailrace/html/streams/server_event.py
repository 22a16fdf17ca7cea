"""Server-sent events, and how they are encoded.

Source: HTML Standard, section 9.2.6, "Interpreting an event stream" (read 2026-11).
"""

from __future__ import annotations

import re

from tailrace.html.limits import EVENT_ID_CHARS_MAX, RETRY_MS_MAX

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final

    from tailrace.html.streams.json_text import ToJson

COMMENT: Final = ":\n"
"""What a client skips. A blank line behind it would be an empty event to httpx-sse 0.4."""
DONE_ID: Final = "~done"
FAILED_ID: Final = "~failed"
"""The ids of the last event of a stream: a client that comes back with one of them is done."""

_LINE_END: Final = re.compile("\r\n|\r|\n")
_ID: Final = re.compile("(?:[!-~](?:[ -~]*[!-~])?)?")
_NO_NAME: Final = re.compile("[\r\n\0\ud800-\udfff]")


class ServerEvent:
    """One server-sent event.

    `data` is a text, whose lines end with CR, LF or CRLF and arrive with LF, or any other value,
    which is sent as JSON. Without data an event is not dispatched: it only sets the id from which
    the client resumes, and the time after which it does.

    Raises:
        TypeError: a field has another type.
        ValueError: `name` is empty or has a line end, NUL or a lone surrogate; or there is a name
            and no data; `id` has more than printable ASCII characters with spaces between them, or
            more than `EVENT_ID_CHARS_MAX`; or it is reserved for the end; `retry_ms` is below 0 or
            above `RETRY_MS_MAX`.
    """

    __slots__ = ("data", "id", "name", "retry_ms")

    def __init__(
        self,
        data: Any = None,
        *,
        name: str | None = None,
        id: str | int | None = None,
        retry_ms: int | None = None,
    ) -> None:
        self.data: Final = data
        self.name: Final = None if name is None else _checked_name(name, data)
        self.id: Final = None if id is None else _checked_id(id)
        self.retry_ms: Final = None if retry_ms is None else checked_retry_ms(retry_ms)

    def __repr__(self) -> str:
        fields = (f"{each}={getattr(self, each)!r}" for each in ("name", "id", "retry_ms"))
        return f"ServerEvent({', '.join([repr(self.data), *fields])})"


def encode_event(event: ServerEvent, to_json: ToJson, *, end_id: str | None = None) -> str:
    """Return an event as it is sent; "" if it has neither data nor id nor time.

    `end_id` takes the place of its id.

    Raises:
        TypeError, ValueError: the data is not JSON.
    """
    lines = []
    if event.retry_ms is not None:
        lines.append(f"retry: {event.retry_ms}\n")
    event_id = event.id if end_id is None else end_id
    if event_id is not None:
        lines.append(f"id: {event_id}\n")
    if event.name is not None:
        lines.append(f"event: {event.name}\n")
    if event.data is not None:
        text = _well_formed(event.data) if isinstance(event.data, str) else to_json(event.data)
        lines += [f"data: {line}\n" for line in _LINE_END.split(text)]
    if event_id is not None or event.data is not None:
        lines.append("\n")
    return "".join(lines)


def is_legal_id(text: str) -> bool:
    """Whether an event can have this id: one that a client can send back in a header."""
    return len(text) <= EVENT_ID_CHARS_MAX and _ID.fullmatch(text) is not None


def checked_retry_ms(retry_ms: int) -> int:
    """Return a time after which clients reconnect, if it is legal.

    Raises:
        TypeError: it is no int.
        ValueError: it is below 0 or above `RETRY_MS_MAX`.
    """
    if type(retry_ms) is not int:
        raise TypeError(f"retry_ms is a whole number of milliseconds, not {retry_ms!r}")
    if not 0 <= retry_ms <= RETRY_MS_MAX:
        raise ValueError(f"retry_ms is from 0 to {RETRY_MS_MAX}, not {retry_ms}")
    return retry_ms


def _checked_name(name: str, data: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"name is a text, not {name!r}")
    if not name or _NO_NAME.search(name):
        raise ValueError(f"name has neither line ends nor NUL, and is not empty: {name[:80]!r}")
    if data is None:
        raise ValueError(f'browsers ignore an event without data: give {name!r} some, such as ""')
    return name


def _checked_id(value: str | int) -> str:
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise TypeError(f"id is a text or a whole number, not {value!r}")
    text = str(value)
    if not is_legal_id(text):
        raise ValueError(
            "id has printable ASCII characters, no space at its ends, and at most"
            f" {EVENT_ID_CHARS_MAX} of them, because clients send it back in a header:"
            f" {text[:80]!r}"
        )
    if text in (DONE_ID, FAILED_ID):
        raise ValueError(f"the id {text!r} is reserved for the end of a stream; choose another")
    return text


def _well_formed(text: str) -> str:
    """Return a text that UTF-8 has: lone surrogates become U+FFFD, pairs one character."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
