"""Which invoker a route's events go to."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from tailrace import limits
from tailrace.gateway.aws.invoke import Invoker, LambdaEndpoint, LambdaInvoker, LambdaSigner
from tailrace.gateway.exchange.live import Held
from tailrace.gateway.transports.http import HttpInvoker
from tailrace.gateway.transports.response_stream import LambdaStreamInvoker


@dataclass(frozen=True, slots=True)
class Invokers:
    """The invokers of a gateway, each for a kind of route; one without routes may be missing.

    `callback` takes the routes of Lambda functions that call back, `response_stream` those with
    that transport, `url` those whose function is a URL.
    """

    callback: Invoker | None = None
    response_stream: LambdaStreamInvoker | None = None
    url: Invoker | None = None

    @classmethod
    def at(cls, endpoint: LambdaEndpoint | None, url_origins: int = 0) -> Invokers:
        """Invokers for routes of Lambda at `endpoint`, if there is one, and for those of URLs.

        INVOKE_CONNECTIONS_MAX is shared between Lambda and so many origins of URLs.
        """
        pools = max(1, url_origins + (endpoint is not None))
        most = max(1, limits.INVOKE_CONNECTIONS_MAX // pools)
        url = HttpInvoker(connections_max=most)
        if endpoint is None:
            return cls(url=url)
        signer = LambdaSigner(endpoint)
        return cls(
            callback=LambdaInvoker(endpoint, signer=signer, connections_max=most),
            response_stream=LambdaStreamInvoker(endpoint, signer=signer),
            url=url,
        )

    @property
    def streams(self) -> int:
        """Response streams of Lambda that are open."""
        return len(self.response_stream) if self.response_stream is not None else 0

    async def start(self) -> None:
        """Make ready. Raises ConfigError when that cannot be; then nothing is left open."""
        async with AsyncExitStack() as undo:
            for invoker in (self.callback, self.response_stream, self.url):
                if invoker is not None:
                    await invoker.start()
                    undo.push_async_callback(invoker.close)
            undo.pop_all()

    async def invoke(self, held: Held, payload: bytes) -> None:
        """Hand an event over and note its request id; raises InvokeError if it was not accepted."""
        route = held.route
        if route.transport == "response-stream":
            assert self.response_stream is not None, "no invoker for response streams"
            await self.response_stream.invoke(held, payload)
            return
        invoker = self.callback if route.invoke_url is None else self.url
        assert invoker is not None, "no invoker for this route"
        held.request_id = await invoker.invoke(route.function, payload)

    async def close(self) -> None:
        """Let all connections go."""
        for invoker in (self.callback, self.response_stream, self.url):
            if invoker is not None:
                await invoker.close()
