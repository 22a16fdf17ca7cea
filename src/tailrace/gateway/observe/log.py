"""The log line of an exchange, written once at its end, from its record alone."""

from __future__ import annotations

import logging
import re
from typing import Final

from tailrace.gateway.exchange.record import ExchangeRecord

logger = logging.getLogger("tailrace.gateway.exchange")

_NAMES: Final = (
    *("exchange", "request_id", "client", "method", "path", "function", "transport"),
    *("status", "outcome", "bytes", "padded", "first_byte_ms", "total_ms"),
)
_LINE: Final = " ".join(f"{name}=%({name})s" for name in _NAMES)
_UNKNOWN: Final = "-"

_is_word: Final = re.compile(r"[0-9A-Za-z.:_%/@+-]{1,100}").fullmatch


def log_exchange(record: ExchangeRecord) -> None:
    """Log the summary of an exchange, at INFO, or at WARNING if something failed."""
    if not logger.isEnabledFor(logging.INFO):
        return
    # A mapping, so that a log formatter can use the values.
    values: dict[str, str | int] = {
        "exchange": record.exchange_id,
        "request_id": _word(record.request_id),
        "client": _word(record.client),
        "method": record.method,
        "path": record.path,
        "function": record.function,
        "transport": record.transport,
        "status": record.status or _UNKNOWN,
        "outcome": record.outcome,
        "bytes": record.bytes_relayed,
        "padded": record.bytes_padded,
        "first_byte_ms": _ms(record.first_byte_s),
        "total_ms": _ms(record.total_s),
    }
    logger.log(logging.INFO if record.is_good else logging.WARNING, _LINE, values)


def _ms(seconds: float | None) -> int | str:
    return _UNKNOWN if seconds is None else round(seconds * 1000)


def _word(text: str | None) -> str:
    """Return a peer's text if it is safe in a log line, otherwise "-"."""
    return text if text and _is_word(text) else _UNKNOWN
