"""Encoders of a response: the body alone, or behind a prelude. Frames are in `frames`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tailrace.records import Protocol
from tailrace.wire.integration import MEDIA_TYPE, Head, encode_prelude

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final

    from tailrace.function.failure import Failure


class Encoder(Protocol):
    """Encodes the parts of a response. Pure, and without state: all responses share one."""

    @property
    def is_framed(self) -> bool:
        """Whether padding is distinct from the body, so that it may stand anywhere."""

    def media_type(self, head: Head) -> str:
        """Return the content type of the encoded response."""

    def start(self, head: Head, data: bytes) -> tuple[Sequence[bytes], Encoder]:
        """Return the first bytes to send, and the encoder of all that follows.

        Raises:
            PreludeError: the head is too long.
        """

    def data(self, data: bytes) -> Sequence[bytes]:
        """Return what to send for body bytes, in pieces that need no copy of large data."""

    def padding(self, padding: bytes) -> bytes:
        """Return what to send for padding."""

    def end(self, body_bytes: int) -> bytes:
        """Return what to send behind a body of so many bytes."""

    def error(self, failure: Failure) -> bytes:
        """Return what to send in place of the end; nothing if the encoding has no errors."""


class BodyEncoder:
    """The body unchanged, behind a prelude if the response has one."""

    __slots__ = ("_prelude",)

    is_framed = False

    def __init__(self, prelude: Callable[[Head], bytes] | None = None) -> None:
        self._prelude = prelude

    def media_type(self, head: Head) -> str:
        if self._prelude is not None:
            return MEDIA_TYPE
        return head.get("content-type") or "application/octet-stream"

    def start(self, head: Head, data: bytes) -> tuple[Sequence[bytes], Encoder]:
        first = data if self._prelude is None else self._prelude(head) + data
        return (first,) if first else (), self

    def data(self, data: bytes) -> Sequence[bytes]:
        return (data,)

    def padding(self, padding: bytes) -> bytes:
        return padding

    def end(self, body_bytes: int) -> bytes:
        return b""

    def error(self, failure: Failure) -> bytes:
        return b""


RAW: Final = BodyEncoder()
"""For results, and for events that are not HTTP requests: no place for a head."""
PRELUDE: Final = BodyEncoder(encode_prelude)
"""Lambda's HTTP integration response."""
