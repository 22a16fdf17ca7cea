"""Functions that a URL invokes, on any platform: an event is a POST, the response a callback."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from tailrace import limits
from tailrace.errors import (
    EndpointError,
    InvokeError,
    InvokeTimeoutError,
    PayloadTooLargeError,
    PeerError,
    ThrottledError,
)
from tailrace.gateway.aws.refusals import REQUEST_ID, retry_after_s, unreachable
from tailrace.net.client.pool import HttpPool, Origin, encode_post
from tailrace.net.client.request import PoolAnswer, WholeRequest
from tailrace.net.clock import LoopClock, TimerClock


class _Target(NamedTuple):
    """Where the events of one URL are sent."""

    pool: HttpPool
    path: str
    headers: dict[str, str]


class HttpInvoker:
    """Sends events as JSON in a POST. Any 2xx accepts an event; redirects are not followed.

    Name and password in a URL become its `Authorization`. There is a pool of connections for each
    origin. If a kept connection was closed by its peer, the event is sent again; should both
    arrive, the second callback is refused.
    """

    def __init__(
        self,
        *,
        timeout_s: float = limits.INVOKE_TIMEOUT_S,
        connections_max: int = limits.INVOKE_CONNECTIONS_MAX,
        clock: TimerClock | None = None,
    ) -> None:
        self._clock = clock if clock is not None else LoopClock()
        self._timeout_s = timeout_s
        self._connections_max = connections_max
        self._pools: dict[Origin, HttpPool] = {}
        self._targets: dict[str, _Target] = {}  # bounded by the number of URLs in routes

    async def start(self) -> None:
        """See `Invoker.start`: pools are opened with the first event of an origin."""

    def invoke(
        self, function: str, payload: bytes, on_done: Callable[[WholeRequest], None]
    ) -> WholeRequest:
        """See `Invoker.invoke`; `function` is the URL."""
        to = self._targets.get(function)
        if to is None:
            to = self._targets[function] = self._find(function)
        return to.pool.request(encode_post(to.path, to.headers, payload), on_done)

    def outcome(self, function: str, request: WholeRequest) -> str | None:
        """See `Invoker.outcome`."""
        try:
            answer = request.answer()
        except TimeoutError as error:
            raise InvokeTimeoutError(
                f"the function's URL did not answer within {self._timeout_s:g} s"
            ) from error
        except PeerError as error:
            raise unreachable("the function's URL", error) from error
        if not 200 <= answer.status <= 299:
            refusal = _refusal(answer)
            refusal.note = f"{self._targets[function].headers['host']} answered {answer.status}"
            refusal.request_id = answer.headers.get(REQUEST_ID)
            raise refusal
        return answer.headers.get(REQUEST_ID)  # the URL may be a Function URL

    def _find(self, url: str) -> _Target:
        origin = Origin.of(url)
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = HttpPool(
                origin,
                connections_max=self._connections_max,
                timeout_s=self._timeout_s,
                clock=self._clock,
            )
            pool.start()
        parts = urlsplit(url)
        user, _, host = parts.netloc.rpartition("@")
        headers = {"host": host, "content-type": "application/json"}
        if user:
            headers["authorization"] = "Basic " + b64encode(unquote(user).encode()).decode()
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return _Target(pool, path, headers)

    async def close(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            await pool.close()


def _refusal(answer: PoolAnswer) -> InvokeError:
    """Return a refusal as an error; texts for clients do not repeat the peer's."""
    if answer.status in (429, 503):
        return ThrottledError("the function is at its limit", retry_after_s(answer))
    if answer.status == 413:
        return PayloadTooLargeError("the request is larger than the function takes")
    return EndpointError("the function's URL did not take the request")
