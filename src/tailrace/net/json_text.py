"""JSON texts of peers, checked and taken apart without building values that are not used.

A text of 6 MB may hold two million lists: json.loads needs most of a second to build them, in one
turn of the event loop, and 150 MB. Here the text is scanned, which takes at most 20 ms.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import msgspec

from tailrace import limits
from tailrace.errors import ResultError
from tailrace.wire.integration import Head
from tailrace.wire.results import response_from_result

_RAW: Final = msgspec.Raw(b"")
_ENVELOPE: Final = ("statusCode", "headers", "cookies", "body", "isBase64Encoded")
_BLANKS: Final = re.compile(rb"[ \t\r\n]*").match
_UNREAD: Final = "multiValueHeaders"
_IN_HEAD: Final = ("statusCode", "headers", "cookies", "isBase64Encoded")


def check(text: bytes) -> None:
    """Check that a text is JSON in UTF-8. Numbers may have any length.

    Raises:
        ValueError: it is not.
    """
    if not text.isascii():
        text.decode("utf-8")
    # A lone surrogate is JSON (RFC 8259 §8.2), and JavaScript writes it; the scanner refuses it.
    if b"\\u" in text:
        text = text.replace(b"\\ud", b"\\u0").replace(b"\\uD", b"\\u0")
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except RecursionError:
        raise ValueError("too deeply nested") from None


class Members:
    """Finds members of a JSON object by their names; other members are scanned, and not built."""

    __slots__ = ("_decoder", "_names")

    def __init__(self, *names: str) -> None:
        kind = msgspec.defstruct("Members", [(name, msgspec.Raw, _RAW) for name in names])
        self._decoder = msgspec.json.Decoder(kind)
        self._names = names

    def find(self, text: bytes) -> dict[str, bytes]:
        """Return the JSON text of each named member that exists; of repeats the last one.

        Raises:
            ValueError: `text` is not a JSON object in UTF-8.
        """
        if not text.isascii():
            text.decode("utf-8")
        try:
            found = self._decoder.decode(text)
        except RecursionError:
            raise ValueError("too deeply nested") from None
        except ValueError:
            if len(text) > limits.JSON_BUILT_BYTES_MAX or b"\\u" not in text:
                raise
            return self._find_slowly(text)
        raw = ((name, bytes(getattr(found, name))) for name in self._names)
        return {name: value for name, value in raw if value}

    def _find_slowly(self, text: bytes) -> dict[str, bytes]:
        """Do the same for a text with a lone surrogate, which the scanner refuses."""
        try:
            built = json.loads(text)
        except RecursionError:
            raise ValueError("too deeply nested") from None
        if not isinstance(built, dict):
            raise ValueError("it is not an object")
        return {name: json.dumps(built[name]).encode() for name in self._names if name in built}


def find_text(members: dict[str, bytes], name: str) -> str:
    """Return a member that is a string; empty if it is something else, or missing."""
    raw = members.get(name, b"")
    return str(_built(raw)) if raw.startswith(b'"') else ""


_FIND_ENVELOPE: Final = Members(*_ENVELOPE, _UNREAD).find


def response_from_json(text: bytes) -> tuple[Head, bytes, Any]:
    """Return the response that a buffered result means: see `wire.results`.

    The third item is the value of an envelope's `multiValueHeaders`, which `wire.results` does not
    read; True if it is larger than a head may be.

    A result over JSON_BUILT_BYTES_MAX that is neither an envelope nor a string keeps the spelling
    of its numbers and strings; only its layout is removed.

    Raises:
        ResultError: it is not JSON, or an envelope that is not a legal response.
    """
    blanks = _BLANKS(text)
    assert blanks is not None  # the pattern matches an empty text, too
    start = text[blanks.end() : blanks.end() + 1]
    try:
        if start == b"{":
            members = _FIND_ENVELOPE(text)
            if "statusCode" in members:
                several = members.get(_UNREAD, b"null")
                is_small = len(several) <= limits.HEAD_BYTES_MAX
                unread = json.loads(several) if is_small else True
                return *response_from_result(_envelope(members)), unread
        else:
            check(text)
        if start == b'"':
            return *response_from_result(_built(text)), None
        if len(text) <= limits.JSON_BUILT_BYTES_MAX:
            return *response_from_result(json.loads(text)), None
        head, _ = response_from_result(None)
        return head, msgspec.json.format(text, indent=-1), None
    except RecursionError:
        raise ResultError("the result is not JSON: too deeply nested") from None
    except ValueError as error:
        raise ResultError(f"the result is not JSON: {error}") from None


def response_from_envelope(text: bytes) -> tuple[Head, bytes] | None:
    """Return the response that an object with `statusCode` means; None for another object.

    Raises:
        ValueError: `text` is not a JSON object.
        ResultError: the envelope is not a legal response.
    """
    members = _FIND_ENVELOPE(text)
    return response_from_result(_envelope(members)) if "statusCode" in members else None


def _envelope(members: dict[str, bytes]) -> dict[str, Any]:
    """Return the members of an envelope, built; each is bounded by what it may mean."""
    head_bytes = sum(len(members.get(name, b"")) for name in _IN_HEAD)
    if head_bytes > limits.HEAD_BYTES_MAX:
        raise ResultError(
            f"status, headers and cookies of {head_bytes} bytes:"
            f" {limits.HEAD_BYTES_MAX} are allowed"
        )
    envelope: dict[str, Any] = {
        name: json.loads(members[name]) for name in _IN_HEAD if name in members
    }
    body = members.get("body", b"null")
    # A list or an object is sent as its JSON: it need not be built.
    is_text = body.startswith((b"[", b"{"))
    envelope["body"] = msgspec.json.format(body, indent=-1).decode() if is_text else _built(body)
    return envelope


def _built(text: bytes) -> Any:
    """Build a string or another scalar, with msgspec: in a tenth of the time of json.loads."""
    try:
        return msgspec.json.decode(text)
    except ValueError:
        return json.loads(text)  # it has a lone surrogate, or is NaN
