"""The interface of a transport: how events reach functions, and how their responses come back.

The configuration names the transport of a route, and `transports.choice` finds it by that name.
All differences between transports are behind this interface: nothing else compares names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from tailrace.gateway.exchange.live import Held, PendingInvocation
from tailrace.net.client.request import WholeRequest

OnOutcome = Callable[[Held, Exception | None], None]
"""Is called with an exchange when its event was accepted, or with the reason why it was not."""


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

    def dispatch(self, held: Held, payload: bytes, on_outcome: OnOutcome) -> PendingInvocation:
        """Send an event; set `held.request_id` once the answer has it.

        `on_outcome` is called once, later, unless the invocation is cancelled before. An event is
        accepted when the endpoint has answered so, which may be before the function runs. If it was
        not accepted, the reason is an `InvokeError`; after an `InvokeTimeoutError`, an
        `EndpointError`, or after cancelling the function may run nevertheless.

        Raises:
            InvokeError: the event cannot be sent; `on_outcome` is not called.
        """

    async def close(self) -> None:
        """Close all connections."""


class Invoker(Protocol):
    """Invokes functions that call back: Lambda's asynchronous invocation, or a POST to a URL."""

    async def start(self) -> None:
        """Open resources. Raises ConfigError if one is unavailable."""

    def invoke(
        self, function: str, payload: bytes, on_done: Callable[[WholeRequest], None]
    ) -> WholeRequest:
        """Send an event; `function` is a name, an ARN, or the URL that invokes it.

        Raises:
            InvokeError: the event cannot be sent; `on_done` is not called.
        """

    def outcome(self, function: str, request: WholeRequest) -> str | None:
        """Return the invocation's request id, which is in the function's log, if there is one.

        Raises:
            InvokeError: the event was not accepted; see `Transport.dispatch`.
        """

    async def close(self) -> None:
        """Close all connections."""
