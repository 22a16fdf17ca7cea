"""The lines of exchanges in the log of `tailrace gateway`: as of `log_exchange`, at less cost."""

from __future__ import annotations

import logging
import time

from tailrace.cli.logs import JsonLines, LogSettings
from tailrace.cli.terminal import Terminal
from tailrace.gateway.exchange.record import ExchangeRecord
from tailrace.gateway.observe.log import LINE, NAMES, log_exchange, logger, values_of


class ExchangeLog:
    """An observer that writes the lines itself, in batches: a log record costs more than a line.

    Warnings become log records, as everything else does, and are written at once.
    """

    def __init__(self, terminal: Terminal, settings: LogSettings) -> None:
        self._terminal = terminal
        self._json = JsonLines(logger.name, NAMES) if settings.is_json else None

    def __call__(self, record: ExchangeRecord) -> None:
        """Write the line of an exchange within LOG_DELAY_S."""
        if not record.is_good:
            log_exchange(record)
        elif logger.isEnabledFor(logging.INFO):
            values = values_of(record)
            text = LINE % values
            if self._json is not None:
                text = self._json.line(time.time(), text, values)
            else:
                text = self._terminal.timed(text)
            self._terminal.write_soon(text)
