"""The log line of an exchange, written once at its end, from its record alone."""

from __future__ import annotations

import logging
import re
from typing import Final

from tailrace.gateway.exchange.record import ExchangeRecord

logger = logging.getLogger("tailrace.gateway.exchange")

NAMES: Final = (
    *("exchange", "request_id", "client", "method", "path", "function", "transport"),
    *("status", "outcome", "bytes", "padded", "first_byte_ms", "total_ms"),
)
"""The names of a line's values, in order."""
LINE: Final = " ".join(f"{name}=%s" for name in NAMES)
"""The line, to be filled with `values_of` a record."""

_LINE_OF_NAMED: Final = " ".join(f"{name}=%({name})s" for name in NAMES)
_UNKNOWN: Final = "-"

_is_word: Final = re.compile(r"[0-9A-Za-z.:_%/@+-]{1,100}").fullmatch


def log_exchange(record: ExchangeRecord) -> None:
    """Log the summary of an exchange, at INFO, or at WARNING if something failed."""
    level = logging.INFO if record.is_good else logging.WARNING
    if not logger.isEnabledFor(level):
        return
    # A mapping, so that a log formatter can use the values.
    values = dict(zip(NAMES, values_of(record), strict=True))
    logger.log(level, _LINE_OF_NAMED, values)


def values_of(record: ExchangeRecord) -> tuple[str | int, ...]:
    """Return the values of a line in the order of `NAMES`: "-" for what is unknown, or unsafe."""
    request_id, client, first_byte_s = record.request_id, record.client, record.first_byte_s
    return (
        record.exchange_id,
        request_id if request_id and _is_word(request_id) else _UNKNOWN,
        client if client and _is_word(client) else _UNKNOWN,
        record.method,
        record.path,
        record.function,
        record.transport,
        record.status or _UNKNOWN,
        record.outcome,
        record.bytes_relayed,
        record.bytes_padded,
        _UNKNOWN if first_byte_s is None else round(first_byte_s * 1000),
        round(record.total_s * 1000),
    )
