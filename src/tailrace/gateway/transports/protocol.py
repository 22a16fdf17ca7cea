"""The interface of a transport: how events reach functions, and how their responses come back.

The configuration names the transport of a route, and `transports.choice` finds it by that name.
All differences between transports are behind this interface: nothing else compares names.
"""

from __future__ import annotations

from typing import Any, Protocol

from tailrace.gateway.exchange.live import Held


class Transport(Protocol):
    """Sends events to functions, and receives their responses.

    A response comes from the `Source` of its exchange. `dispatch` sets it if the response is in
    the answer to the event; otherwise the callback listener does, when the function calls back.
    """

    @property
    def request_bytes_max(self) -> int:
        """The longest request body whose event fits into what the transport carries."""

    def keys(self, url: str, target: str, exchange_id: str) -> dict[str, Any]:
        """Return the keys that mark an event of this transport (`wire.mark`).

        `url` is the callback URL of its exchange, `target` the request's path and query.
        """

    async def start(self) -> None:
        """Open resources. Raises ConfigError if one is unavailable."""

    async def dispatch(self, held: Held, payload: bytes) -> None:
        """Send an event, and set `held.request_id` if the answer has it.

        Returns when the event was accepted, which may be before the function runs. Cancelling is
        safe, but the function may run nevertheless.

        Raises:
            InvokeError: it was not accepted. After an `InvokeTimeoutError` or an `EndpointError`
                the function may run nevertheless.
        """

    async def close(self) -> None:
        """Close all connections."""


class Invoker(Protocol):
    """Invokes functions that call back: Lambda's asynchronous invocation, or a POST to a URL."""

    async def start(self) -> None:
        """Open resources. Raises ConfigError if one is unavailable."""

    async def invoke(self, function: str, payload: bytes) -> str | None:
        """Send an event; `function` is a name, an ARN, or the URL that invokes it.

        Returns the invocation's request id, which is in the function's log, if the answer has it.

        Raises:
            InvokeError: see `Transport.dispatch`.
        """

    async def close(self) -> None:
        """Close all connections."""
