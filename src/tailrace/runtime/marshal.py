"""Events and results as JSON, as Lambda's Python runtime reads and writes them."""

from __future__ import annotations

import json
import sys

from tailrace.runtime.fault import Fault

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final

JSON: Final = "application/json"
UNKNOWN: Final = "application/unknown"


def event_from_json(event: bytes) -> Any:
    """Read an event.

    Raises:
        Fault: it is not JSON.
    """
    try:
        return json.loads(event)
    except (ValueError, RecursionError) as error:
        raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from error


def body_from_result(result: object) -> tuple[bytes, str]:
    """Return a result as body and content type; bytes are handed out as they are.

    A Decimal becomes a number, as with AWS's runtime, but of no more digits than a float has.

    Raises:
        Fault: it is not JSON.
    """
    if isinstance(result, bytes):
        return result, UNKNOWN
    try:
        return json.dumps(result, default=_number).encode("ascii"), JSON
    except (TypeError, ValueError, RecursionError) as error:
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from error


def _number(value: object) -> int | float:
    decimal = sys.modules.get("decimal")  # whoever has a Decimal has imported it
    if decimal is not None and isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
