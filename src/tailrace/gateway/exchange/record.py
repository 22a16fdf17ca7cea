"""What is known of an exchange at its end: one frozen record, from which logs and metrics are made.

The record has no secret: neither the callback URL's secret nor a query, a header or a body.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeRecord:
    """An exchange that has ended. Texts are as peers sent them, and may be of any length."""

    exchange_id: str
    request_id: str | None
    """The invocation's in Lambda's log; None if it is unknown."""
    client: str
    """The client's address, as the nearest trusted proxy has it; empty if it is unknown."""
    method: str
    path: str
    """As sent, without the query."""
    function: str
    """A function's name or ARN, or the host of the URL that invokes it."""
    transport: str
    """The name of the route's transport in the configuration."""
    status: int
    """Of the response to the client; 0 if none was started."""
    outcome: str
    """One of a small set of words: see the reference of the gateway's log."""
    bytes_relayed: int
    """Of the body, as received from the function."""
    bytes_padded: int
    """Received beside the body; not sent to the client."""
    first_byte_s: float | None
    """From the start of the exchange to the response head; None if none was started."""
    total_s: float
    """From the start of the exchange to its end."""

    @property
    def is_good(self) -> bool:
        """Whether nothing failed: neither the gateway, nor the function, nor the way to it."""
        return self.outcome in ("complete", "client-left") and self.status < 500


Observer = Callable[[ExchangeRecord], None]
"""Called once for each exchange, at its end, on the event loop: it must neither block nor raise."""
