"""What probe and companion say to each other; read by both, so the standard library's least only.

A request has the field `tailrace-probe`: `ping`, or `stream; count=10; size=64; …`; the same
parameters may stand in the query. Every answer of the companion has a field of that name, too:
`v=1; environment=NAME; started_ns=…`, the moment when its handler was entered, on its own clock. A
ping is answered by JSON, a stream request by chunks, each of which ends with the moment just before
its write: `[INDEX:NANOSECONDS]`, in a form that the content type allows.
"""

from __future__ import annotations

from tailrace.records import NamedTuple

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final

FIELD: Final = "tailrace-probe"
VERSION: Final = 1


class Form(NamedTuple):
    """How chunks of a content type are written."""

    opening: str
    """What a chunk begins with."""
    closing: str
    """What stands behind its mark, and ends it."""
    first: str = ""
    """What stands before the first chunk."""
    last: str = ""
    """What stands behind the last one."""
    joint: str = ""
    """What stands before every chunk but the first."""


FORMS: Final = {
    "text/plain": Form("", "\n"),
    "text/html": Form("<p>", "</p>\n", first="<!doctype html>\n"),
    "text/event-stream": Form("data: ", "\n\n"),
    "application/x-ndjson": Form('{"chunk": "', '"}\n'),
    "application/json": Form('"', '"\n', first="[", last="]\n", joint=","),
    "text/css": Form("/* ", " */\n"),
    "text/javascript": Form("// ", "\n"),
    "application/xml": Form("<chunk>", "</chunk>\n", first="<chunks>", last="</chunks>\n"),
    "application/octet-stream": Form("", "\n"),
}
"""The content types that the companion writes."""

ALIASES: Final = {
    "text": "text/plain",
    "html": "text/html",
    "sse": "text/event-stream",
    "ndjson": "application/x-ndjson",
    "json": "application/json",
    "css": "text/css",
    "js": "text/javascript",
    "xml": "application/xml",
    "binary": "application/octet-stream",
}
"""Short names for them."""


def mark(index: int, written_ns: int) -> str:
    """What a chunk says of itself."""
    return f"[{index}:{written_ns}]"


def parse_parameters(text: str) -> dict[str, str]:
    """Read `word; name=value; …`; the word is under the empty name."""
    found: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        found[name.strip().lower() if equals else ""] = (value if equals else name).strip()
    return found
