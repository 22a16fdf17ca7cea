"""Lambda's asynchronous invocation: how events go to functions that call back.

Facts: Invoke API 2015-03-31 (Lambda API reference, "Invoke"), read 2026-11.
"""

from __future__ import annotations

from collections.abc import Callable

from tailrace import limits
from tailrace.errors import InvokeTimeoutError, PeerError
from tailrace.gateway.aws.endpoint import AwsEndpoint
from tailrace.gateway.aws.refusals import REQUEST_ID, refusal, too_large, unreachable
from tailrace.gateway.aws.signing import AwsSigner
from tailrace.net.client.pool import HttpPool
from tailrace.net.client.request import WholeRequest
from tailrace.net.clock import TimerClock


class LambdaInvoker:
    """Invokes functions asynchronously through the Lambda API (`Invoke`, type Event)."""

    def __init__(
        self,
        endpoint: AwsEndpoint,
        *,
        signer: AwsSigner | None = None,
        timeout_s: float = limits.INVOKE_TIMEOUT_S,
        connections_max: int = limits.INVOKE_CONNECTIONS_MAX,
        clock: TimerClock | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._signer = signer or AwsSigner(endpoint, timeout_s=timeout_s, clock=clock)
        self._post_to = self._signer.posts_to(
            "/2015-03-31/functions/{}/invocations", {"X-Amz-Invocation-Type": "Event"}
        )
        self._pool = HttpPool(
            self._signer.origin,
            connections_max=connections_max,
            timeout_s=timeout_s,
            clock=clock,
        )

    async def start(self) -> None:
        """See `Invoker.start`: find the credentials, start the connection pool."""
        await self._signer.start()
        self._pool.start()

    def invoke(
        self, function: str, payload: bytes, on_done: Callable[[WholeRequest], None]
    ) -> WholeRequest:
        """See `Invoker.invoke`."""
        if len(payload) > limits.EVENT_INVOKE_BYTES_MAX:
            raise too_large(payload, limits.EVENT_INVOKE_BYTES_MAX)
        # If a kept connection breaks, and both attempts have arrived, the second callback is
        # refused.
        return self._pool.request(self._post_to(function).encode(payload), on_done)

    def outcome(self, function: str, request: WholeRequest) -> str | None:
        """See `Invoker.outcome`."""
        try:
            status = request.status()
        except TimeoutError as error:
            raise InvokeTimeoutError(
                f"the Lambda endpoint did not answer within {self._timeout_s:g} s"
            ) from error
        except PeerError as error:
            raise unreachable("the Lambda endpoint", error) from error
        if status != 202:
            raise refusal(request.answer())
        return request.fields.get(REQUEST_ID)

    async def close(self) -> None:
        """Close all connections."""
        await self._signer.close()
        await self._pool.close()
