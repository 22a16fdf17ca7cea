"""The transports of a gateway, and the choice among them: nothing else compares their names."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Final

from tailrace import limits
from tailrace.gateway.aws.endpoint import AwsEndpoint
from tailrace.gateway.aws.invoke import LambdaInvoker
from tailrace.gateway.aws.signing import AwsSigner
from tailrace.gateway.routes import Route
from tailrace.gateway.transports.callback import CallbackTransport
from tailrace.gateway.transports.http import HttpInvoker
from tailrace.gateway.transports.protocol import Invoker, Transport
from tailrace.gateway.transports.response_stream import StreamTransport

_CALLBACK: Final = "callback"
_RESPONSE_STREAM: Final = "response-stream"


class Transports:
    """The transports of a gateway; one that has no routes may be missing.

    `callback` invokes Lambda functions that call back, `url` functions that a URL invokes.
    `response_stream` serves the routes with that transport.
    """

    def __init__(
        self,
        callback: Invoker | None = None,
        response_stream: StreamTransport | None = None,
        url: Invoker | None = None,
    ) -> None:
        self.response_stream = response_stream
        self._url = None if url is None else CallbackTransport(url)
        self._by_name: dict[str, Transport] = {}
        if callback is not None:
            self._by_name[_CALLBACK] = CallbackTransport(callback)
        if response_stream is not None:
            self._by_name[_RESPONSE_STREAM] = response_stream

    @classmethod
    def at(cls, endpoint: AwsEndpoint | None, url_origins: int = 0) -> Transports:
        """Return transports for routes to Lambda at `endpoint`, if not None, and for URL routes.

        INVOKE_CONNECTIONS_MAX is shared equally by Lambda and the `url_origins` origins of URLs.
        """
        pools = max(1, url_origins + (endpoint is not None))
        most = max(1, limits.INVOKE_CONNECTIONS_MAX // pools)
        url = HttpInvoker(connections_max=most)
        if endpoint is None:
            return cls(url=url)
        signer = AwsSigner(endpoint)
        return cls(
            callback=LambdaInvoker(endpoint, signer=signer, connections_max=most),
            response_stream=StreamTransport(endpoint, signer=signer),
            url=url,
        )

    def of(self, route: Route) -> Transport:
        """Return the transport of a route; a route must not name one that is missing."""
        if route.invoke_url is None:
            return self._by_name[route.transport]
        assert self._url is not None, "no transport for URLs"
        return self._url

    @property
    def streams(self) -> int:
        """The number of response streams that are open."""
        return 0 if self.response_stream is None else self.response_stream.stream_count

    async def start(self) -> None:
        """Open resources. Raises ConfigError if one is unavailable; then nothing is left open."""
        async with AsyncExitStack() as undo:
            for transport in self._all():
                await transport.start()
                undo.push_async_callback(transport.close)
            undo.pop_all()

    async def close(self) -> None:
        """Close all connections."""
        for transport in self._all():
            await transport.close()

    def _all(self) -> tuple[Transport, ...]:
        return (*self._by_name.values(), *(() if self._url is None else (self._url,)))
