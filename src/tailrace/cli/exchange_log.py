"""The lines of exchanges in the log of `tailrace gateway`: as of `log_exchange`, at less cost."""

from __future__ import annotations

import logging
import time

from tailrace.cli.logs import LogSettings, exchange_line
from tailrace.cli.terminal import Terminal
from tailrace.gateway.exchange.record import ExchangeRecord
from tailrace.gateway.observe.log import LINE, NAMES, log_exchange, logger, values_of


class ExchangeLog:
    """An observer that writes the lines itself, in batches: a log record costs more than a line.

    Warnings become log records, as everything else does, and are written at once.
    """

    def __init__(self, terminal: Terminal, settings: LogSettings) -> None:
        self._terminal = terminal
        self._is_json = settings.is_json

    def __call__(self, record: ExchangeRecord) -> None:
        """Write the line of an exchange within LOG_DELAY_S."""
        if not record.is_good:
            log_exchange(record)
        elif logger.isEnabledFor(logging.INFO):
            values = values_of(record)
            text = LINE % values
            if self._is_json:
                named = dict(zip(NAMES, values, strict=True))
                text = exchange_line(time.time(), logger.name, text, named)
            else:
                text = self._terminal.timed(text)
            self._terminal.write_soon(text)
