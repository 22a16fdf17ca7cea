"""Events and results as JSON, as Lambda's Python runtime reads and writes them."""

from __future__ import annotations

import json
import sys

from tailrace.function.failure import Fault
from tailrace.wire import result_json

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

JSON: Final = "application/json"
UNKNOWN: Final = "application/unknown"

_PYTHON: Final = "AWS_Lambda_python3."
_FIRST_UTF8_MINOR: Final = 12


def escapes_non_ascii(environment: Mapping[str, str]) -> bool:
    """Whether text beyond ASCII is escaped, as in AWS's runtime up to Python 3.11.

    From 3.12 on it is UTF-8. AWS uses the managed runtime's name; without one, as in a container
    image, the interpreter's version decides here.
    """
    minor = environment.get("AWS_EXECUTION_ENV", "").removeprefix(_PYTHON)
    if minor.isascii() and minor.isdigit():
        return int(minor) < _FIRST_UTF8_MINOR
    return sys.version_info < (3, _FIRST_UTF8_MINOR)


def event_from_json(event: bytes) -> Any:
    """Read an event.

    Raises:
        Fault: it is not JSON.
    """
    try:
        return json.loads(event)
    except (ValueError, RecursionError) as error:
        raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from error


def body_from_result(result: object, *, is_ascii: bool) -> tuple[bytes, str]:
    """Return a result as body and content type; bytes are returned as they are.

    Raises:
        Fault: it is not JSON, or a lone surrogate is to be UTF-8.
    """
    if isinstance(result, bytes):
        return result, UNKNOWN
    try:
        return result_json.encode(result, is_ascii=is_ascii).encode("utf-8"), JSON
    except Exception as error:
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from error
