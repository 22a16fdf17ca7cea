"""What is seen of a response, whatever path it came by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

COMPLETE: Final = "complete"
BROKEN: Final = "broken off"

_OF_THE_TRANSPORT: Final = frozenset(
    (
        "connection",
        "content-length",
        "date",
        "transfer-encoding",
        "x-amzn-requestid",
        "x-amzn-trace-id",
    )
)
"""Headers that frame a message or name its request: no handler's part."""


class Seen(NamedTuple):
    """A response as its caller sees it, and its function's log."""

    status: int | None = None
    """None: the caller has learned of none."""
    headers: tuple[tuple[str, str], ...] = ()
    """Names in lower case, sorted; without those of the transport."""
    cookies: tuple[str, ...] = ()
    body: bytes = b""
    ending: str = COMPLETE
    error: str | None = None
    """The `errorType` that the caller is told."""
    logged: str | None = None
    """The error that stands in the function's log."""


class HeadSeen(NamedTuple):
    """Its beginning."""

    status: int
    headers: tuple[tuple[str, str], ...]
    cookies: tuple[str, ...]

    @classmethod
    def of(
        cls, status: int, fields: Iterable[tuple[str, str]], cookies: Sequence[str] = ()
    ) -> HeadSeen:
        """A head of header fields; a Set-Cookie among them is a cookie."""
        pairs = [(name.lower(), value) for name, value in fields]
        own = [field for field in pairs if field[0] not in {*_OF_THE_TRANSPORT, "set-cookie"}]
        set_cookies = [value for name, value in pairs if name == "set-cookie"]
        return cls(status, tuple(sorted(own)), (*set_cookies, *cookies))


class Ending(NamedTuple):
    """The last bytes of a body, and how it ended."""

    rest: bytes
    ending: str
    error: str | None = None
