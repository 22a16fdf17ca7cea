"""Lambda's dry run: may these credentials invoke a function? Nothing runs.

Facts: Invoke API 2015-03-31 (Lambda API reference, "Invoke"), invocation type DryRun: 204. Its
permission is lambda:InvokeFunction, which InvokeWithResponseStream needs as well. Read 2026-11.
"""

from __future__ import annotations

from tailrace import limits
from tailrace.gateway.aws.endpoint import AwsEndpoint
from tailrace.gateway.aws.signing import AwsSigner
from tailrace.gateway.limits import CHECKS_MAX
from tailrace.net.client.pool import HttpPool
from tailrace.net.client.request import PoolAnswer


class DryRuns:
    """Sends dry runs to the Lambda API, a few at a time."""

    def __init__(
        self, endpoint: AwsEndpoint, *, timeout_s: float = limits.INVOKE_TIMEOUT_S
    ) -> None:
        self._signer = AwsSigner(endpoint, timeout_s=timeout_s)
        self._post_to = self._signer.posts_to(
            "/2015-03-31/functions/{}/invocations", {"X-Amz-Invocation-Type": "DryRun"}
        )
        self._pool = HttpPool(self._signer.origin, connections_max=CHECKS_MAX, timeout_s=timeout_s)

    async def start(self) -> None:
        """Find the credentials. Raises ConfigError if there are none."""
        await self._signer.start()
        self._pool.start()

    async def send(self, function: str) -> PoolAnswer:
        """Return Lambda's answer; 204 permits the invocation. Cancelling is safe.

        Raises:
            PeerError: the endpoint is unreachable, or its answer is no HTTP.
            TimeoutError: it did not answer in time.
            EndpointError: expired credentials were not renewed.
        """
        return await self._pool.ask(self._post_to(function).encode(b"{}"))

    async def close(self) -> None:
        """Close all connections."""
        await self._signer.close()
        await self._pool.close()
