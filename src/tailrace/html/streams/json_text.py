"""JSON as streams send it: one line, UTF-8, and nothing that a parser refuses."""

from __future__ import annotations

import json
import re

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final, TypeAlias

    ToJson: TypeAlias = Callable[[Any], str]
    Default: TypeAlias = Callable[[Any], Any]

_ESCAPED: Final = re.compile("[\x85\u2028\u2029\ud800-\udfff]")
"""Line ends to `str.splitlines`, by which many a client splits, and what UTF-8 does not have."""


def json_encoder(default: Default | None = None) -> ToJson:
    """Return a function that encodes a value as JSON, compact, without a line end in it.

    `default` returns a value that JSON has for one that it has not, or raises a TypeError.

    The function raises TypeError for a type that JSON has not, and ValueError for NaN, an infinity
    and a value that contains itself.
    """
    encode = json.JSONEncoder(
        ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=default
    ).encode

    def to_json(value: Any) -> str:
        try:
            text = encode(value)
        except ValueError as error:
            raise ValueError(f"the value is not JSON ({error}); send null or a text") from error
        except TypeError as error:
            raise TypeError(f"{error}; convert it, or give default=, such as str") from error
        return text if text.isascii() else _ESCAPED.sub(_escape, text)

    return to_json


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
