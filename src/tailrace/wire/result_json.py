"""Results as JSON, as AWS's Python runtime writes them (awslambdaric 4.2.2, with simplejson).

The differences from Python's own `json`: a named tuple, or any object with `_asdict`, is an object;
bytes are text in UTF-8; a `Decimal` is a number of exactly its digits, NaN and infinities included.
"""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from json.encoder import encode_basestring, encode_basestring_ascii

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Final

_LEAVES: Final = frozenset((str, int, float, bool, type(None)))
_CONTAINERS: Final = frozenset((list, dict, tuple))


class _NeedsWriterError(Exception):
    """A value that Python's own encoder cannot write as AWS's does."""


def encode(
    value: object, *, is_ascii: bool, is_minified: bool = False, allows_nan: bool = True
) -> str:
    """Return a value as JSON.

    Python's own encoder, written in C, encodes most values; the others take five times as long.

    Raises:
        Exception: the exception of AWS's runtime, with its message: for a value or a key that JSON
            does not have (TypeError), a cycle (ValueError), bytes that are no UTF-8, nesting too
            deep for the interpreter (RecursionError), or from a method of the value.
    """
    separators = (",", ":") if is_minified else (", ", ": ")
    try:
        text = _encoder(is_ascii, allows_nan, separators).encode(value)
        if not _holds_record(value):
            return text
    except Exception:  # the writer raises the exception that AWS's runtime would
        pass
    writer = _Writer(is_ascii=is_ascii, allows_nan=allows_nan, separators=separators)
    writer.write(value)
    return "".join(writer.pieces)


@lru_cache(maxsize=8)
def _encoder(is_ascii: bool, allows_nan: bool, separators: tuple[str, str]) -> json.JSONEncoder:
    return json.JSONEncoder(
        ensure_ascii=is_ascii,
        allow_nan=allows_nan,
        separators=separators,
        default=_number_or_refusal,
    )


def fields_of_record(value: object) -> dict[Any, Any] | None:
    """Return the fields of a named tuple, or of any object with `_asdict`; None for other values.

    Raises:
        TypeError: `_asdict` returned no dict.
    """
    method = getattr(value, "_asdict", None)
    if not callable(method):
        return None
    try:
        fields = method()
    except TypeError:  # a class, whose method lacks its object
        return None
    if not isinstance(fields, dict):
        raise TypeError(f"_asdict() must return a dict, not {type(fields).__name__}")
    return fields


def _number_or_refusal(value: object) -> int | float:
    """Return a Decimal as a number of the same digits, if there is one."""
    if _is_decimal(value):
        text = str(value)
        for kind in (int, float):
            try:
                number = kind(text)
            except ValueError:
                continue
            if kind.__repr__(number) == text:
                return number
    raise _NeedsWriterError


def _is_decimal(value: object) -> bool:
    decimal = sys.modules.get("decimal")  # a program with a Decimal has imported it
    return decimal is not None and isinstance(value, decimal.Decimal)


def _holds_record(value: object) -> bool:
    """Whether there is an object with `_asdict` among containers, which are free of cycles."""
    level = [value]
    while level:
        deeper: list[Any] = []
        for item in level:
            if type(item) not in _CONTAINERS and callable(getattr(item, "_asdict", None)):
                return True
            values: Iterable[Any]
            if isinstance(item, dict):
                values = item.values()
            elif isinstance(item, list | tuple):
                values = item
            else:
                continue
            if not _LEAVES.issuperset(map(type, values)):
                deeper += [value for value in values if type(value) not in _LEAVES]
        level = deeper
    return False


class _Writer:
    """Writes any value that AWS's runtime accepts; the text is in `pieces`."""

    def __init__(self, *, is_ascii: bool, allows_nan: bool, separators: tuple[str, str]) -> None:
        self.pieces: list[str] = []
        self._quote = encode_basestring_ascii if is_ascii else encode_basestring
        self._allows_nan = allows_nan
        self._comma, self._colon = separators
        self._open: set[int] = set()  # ids of the containers around what is being written

    def write(self, value: object) -> None:
        text = self._scalar(value)
        if text is not None:
            self.pieces.append(text)
            return
        fields = fields_of_record(value)
        if fields is None and isinstance(value, dict):
            fields = value
        if fields is None and not isinstance(value, list | tuple):
            self._write_decimal(value)
            return
        if id(value) in self._open:
            raise ValueError("Circular reference detected")
        self._open.add(id(value))
        if fields is not None:
            self._write_object(fields)
        else:
            assert isinstance(value, list | tuple)
            self._write_array(value)
        self._open.remove(id(value))

    def _write_array(self, values: list[Any] | tuple[Any, ...]) -> None:
        separator = "["
        for value in values:
            self.pieces.append(separator)
            self.write(value)
            separator = self._comma
        self.pieces.append("]" if values else "[]")

    def _write_object(self, fields: dict[Any, Any]) -> None:
        separator = "{"
        for key, value in fields.items():
            self.pieces += (separator, self._key(key), self._colon)
            self.write(value)
            separator = self._comma
        self.pieces.append("{}" if separator == "{" else "}")

    def _write_decimal(self, value: object) -> None:
        if not _is_decimal(value):
            name = value.__class__.__name__
            raise TypeError(f"Object of type {name} is not JSON serializable")
        text = str(value)
        if not text.lstrip("-")[:1].isdigit():
            text = self._float(float("nan") if "N" in text else float(text))
        self.pieces.append(text)

    def _key(self, key: object) -> str:
        text = self._scalar(key)
        if text is None:
            name = key.__class__.__name__
            raise TypeError(f"keys must be str, int, float, bool or None, not {name}")
        return text if isinstance(key, str | bytes) else f'"{text}"'

    def _scalar(self, value: object) -> str | None:
        """Return the text of a scalar; None for a container or a Decimal."""
        if isinstance(value, str):
            return self._quote(value)
        if isinstance(value, bytes):
            return self._quote(value.decode("utf-8"))
        if value is None:
            return "null"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return int.__repr__(value)
        return self._float(value) if isinstance(value, float) else None

    def _float(self, value: float) -> str:
        if value - value == 0:
            return float.__repr__(value)
        if not self._allows_nan:
            raise ValueError("Out of range float values are not JSON compliant")
        if value != value:
            return "NaN"
        return "Infinity" if value > 0 else "-Infinity"
