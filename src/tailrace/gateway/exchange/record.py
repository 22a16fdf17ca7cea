"""The facts of an exchange at its end: one frozen record, the source of logs and metrics.

It holds no secrets: neither the callback URL's secret nor a query, a header or a body.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class ExchangeRecord(NamedTuple):
    """An exchange that has ended. Texts are as peers sent them, and may be of any length."""

    exchange_id: str
    request_id: str | None
    """The invocation's id in Lambda's log; None if unknown."""
    client: str
    """The client's address, as reported by the nearest trusted proxy; empty if unknown."""
    method: str
    path: str
    """As sent, without the query."""
    function: str
    """A function's name or ARN, or the host of the URL that invokes it."""
    transport: str
    """The name of the route's transport in the configuration."""
    status: int
    """The status of the response to the client; 0 if none was started."""
    outcome: str
    """One word of a bounded set; see the reference of the gateway's log."""
    bytes_relayed: int
    """Of the body, as received from the function."""
    bytes_padded: int
    """Bytes of padding that were received, and not relayed."""
    first_byte_s: float | None
    """From the start of the exchange to the response head; None if none was started."""
    total_s: float
    """From the start of the exchange to its end."""

    @property
    def is_good(self) -> bool:
        """Whether neither the gateway, nor the function, nor the connection to it failed."""
        return self.outcome in ("complete", "client-left") and self.status < 500


Observer = Callable[[ExchangeRecord], None]
"""Called once for each exchange, at its end, on the event loop: it must neither block nor raise."""
