"""What operators see of the gateway: the log line of each exchange, counts, and health.

To add a metric at the end of exchanges, add an observer here: a function of an `ExchangeRecord`.
"""

from __future__ import annotations

from typing import Final

from tailrace.gateway.exchange.record import Observer

OBSERVERS: Final[tuple[Observer, ...]] = ()
"""Called with the record of each exchange, in this order, after `log_exchange`."""
