"""GET requests whose answers are timed: every read has its moment, taken before anything else.

Concurrency law: protocol callbacks and one coroutine of one event loop; one request at a time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol, Self

from tailrace.errors import PeerError, ProbeError
from tailrace.net.client.connection import ClientConnection
from tailrace.net.client.pool import HttpPool, Origin
from tailrace.net.clock import LoopClock, TimerClock, time_limit
from tailrace.probe import limits
from tailrace.probe.connecting import UnverifiedOrigin, explain
from tailrace.probe.request import check, encode_get, joined, shown

_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
_SAME_S: Final = 20e-6
_TRIES: Final = 5
_PRIVATE: Final = frozenset(("authorization", "cookie", "host", "proxy-authorization"))


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """An answer's head."""

    at_s: float
    """When it was there: `perf_counter`."""
    status: int
    http_version: str
    fields: dict[str, str]
    """Names in lower case, the last of repeats."""


class Taker(Protocol):
    """Who gets an answer, read by read; times are of `perf_counter`."""

    def on_sent(self, sent_s: float) -> None:
        """The request goes out now."""

    def on_head(self, head: AnswerHead) -> None:
        """Status and headers."""

    def on_read(self, at_s: float, data: bytes) -> str | None:
        """Bytes of the body; say why if no more is wanted."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How an answer came; times are of `perf_counter`."""

    url: str
    """Where it came from, after redirects."""
    redirects: tuple[str, ...]
    """Where we were sent on to, in order."""
    sent_s: float
    """Just before the request was sent."""
    sent_wall_ns: int
    """The same moment on this machine's clock."""
    head: AnswerHead
    ended_s: float
    broken: str | None
    """How it broke off."""
    stopped: str | None
    """Why the rest was not wanted."""


class Stop:
    """A way to end what is being measured early; what came by then counts."""

    def __init__(self) -> None:
        self.is_set = False
        self._end: Callable[[], object] | None = None

    def set(self) -> None:
        """End the answer that is coming, and want no other."""
        self.is_set = True
        if self._end is not None:
            self._end()

    @contextmanager
    def ending(self, end: Callable[[], object]) -> Iterator[None]:
        """Say what ends that which goes on while this is entered."""
        self._end = end
        try:
            yield
        finally:
            self._end = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long is waited for what."""

    silence_s: float = limits.PROBE_TIMEOUT_S
    """For a connection, for the head, for the next byte."""
    duration_s: float = limits.PROBE_DURATION_S
    """For a whole answer; the rest is not wanted then."""


class Client:
    """Sends GET requests while it is entered; connections are kept between them.

    `headers` are sent with each. `is_verified=False` takes any certificate. Time-outs count on
    `clock`; what is measured does not.
    """

    def __init__(
        self,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        patience: Patience | None = None,
        is_verified: bool = True,
        stop: Stop | None = None,
        clock: TimerClock | None = None,
    ) -> None:
        self._headers = headers
        self._stop = stop or Stop()
        self._clock = clock if clock is not None else LoopClock()
        self._patience = patience or Patience()
        self._is_verified = is_verified
        self._origins: dict[Origin, HttpPool] = {}
        self._home: Origin | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for streams in self._origins.values():
            await streams.close()

    async def get(self, url: str, taker: Taker, *, headers: tuple[tuple[str, str], ...]) -> Answer:
        """Ask a URL; the answer behind all redirects goes to the taker.

        `headers` give way to those that the client was made with; their names are in lower case.
        An answer that breaks off is an answer; cancelling cuts it.

        Raises:
            ProbeError: there is no answer, or not in time.
        """
        redirects: list[str] = []
        target = url
        while True:
            own = self._headers_for(target)
            given = {name.lower() for name, _ in own}
            sent = (*own, *(pair for pair in headers if pair[0] not in given))
            try:
                answer, location = await self._ask(target, sent, taker, tuple(redirects))
            except ProbeError as error:
                if redirects:
                    raise ProbeError(f"{error} (redirected from {shown(url)})") from error
                raise
            if location is None:
                return answer
            check(location, f"{shown(target)}: redirected to")
            if len(redirects) == limits.PROBE_REDIRECTS_MAX:
                raise ProbeError(
                    f"{shown(url)}: more than {limits.PROBE_REDIRECTS_MAX} redirects, the last one"
                    f" to {shown(location)}; is it a loop?"
                )
            target = location
            redirects.append(shown(target))

    def _headers_for(self, url: str) -> tuple[tuple[str, str], ...]:
        """What is secret, or a name, goes to the origin of the first URL only, not further on."""
        origin = Origin.of(url)
        self._home = self._home or origin
        if origin == self._home:
            return self._headers
        return tuple(pair for pair in self._headers if pair[0].lower() not in _PRIVATE)

    async def _ask(
        self,
        url: str,
        headers: tuple[tuple[str, str], ...],
        taker: Taker,
        redirects: tuple[str, ...],
    ) -> tuple[Answer, str | None]:
        """Ask one URL; return its answer, and where it sends us on."""
        receiver = await self._exchange(url, headers, taker)
        head = receiver.head
        if head is None and receiver.is_kept_lost:
            receiver = await self._exchange(url, headers, taker)
            head = receiver.head
        if head is None:
            raise ProbeError(f"{shown(url)}: {_no_answer(receiver, url)}")
        location = receiver.location
        answer = Answer(
            url=url,
            redirects=redirects,
            sent_s=receiver.sent_s,
            sent_wall_ns=receiver.sent_wall_ns,
            head=head,
            ended_s=receiver.ended_s,
            broken=receiver.broken,
            stopped=receiver.stopped,
        )
        return answer, None if location is None else joined(url, location)

    async def _exchange(
        self, url: str, headers: tuple[tuple[str, str], ...], taker: Taker
    ) -> _Receiver:
        """Send one request, and wait for the end of its answer."""
        self._raise_if_stopped(url)
        streams = self._streams_to(url)
        is_kept = streams.kept_count > 0
        stream = await self._connect(url, streams)
        receiver = _Receiver(taker, stream, self._clock, is_kept=is_kept)
        message = encode_get(url, headers)
        receiver.sent_wall_ns, receiver.sent_s = _now()
        taker.on_sent(receiver.sent_s)
        stream.send_request(message, receiver)
        try:
            with self._stop.ending(lambda: receiver.stop("it was interrupted")):
                await self._wait(receiver)
        finally:
            if not receiver.is_over:
                stream.abort()
        return receiver

    def _streams_to(self, url: str) -> HttpPool:
        origin = Origin.of(url) if self._is_verified else UnverifiedOrigin.of(url)
        streams = self._origins.get(origin)
        if streams is None:
            streams = HttpPool(
                origin, connect_timeout_s=self._patience.silence_s, clock=self._clock
            )
            streams.start()
            self._origins[origin] = streams
        return streams

    async def _connect(self, url: str, streams: HttpPool) -> ClientConnection:
        origin = Origin.of(url)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as timeout:
                with self._stop.ending(lambda: timeout.reschedule(loop.time())):
                    return await streams.connect()
        except TimeoutError:
            self._raise_if_stopped(url)
            raise ProbeError(
                f"{shown(url)}: no connection to {origin.host}:{origin.port} within"
                f" {self._patience.silence_s:g} s; is a firewall in between, or the address wrong"
                f"{', or is it http' if origin.is_tls else ''}?"
            ) from None
        except PeerError as error:
            raise ProbeError(f"{shown(url)}: {explain(error, origin)}") from error

    def _raise_if_stopped(self, url: str) -> None:
        if self._stop.is_set:
            raise ProbeError(f"{shown(url)}: not measured: it was interrupted")

    async def _wait(self, receiver: _Receiver) -> None:
        """Wait for the end, or for as long as is sensible."""
        patience = self._patience
        end_s = receiver.heard_s + patience.duration_s
        while not receiver.is_over:
            now_s = self._clock.now_s()
            silence_end_s = receiver.heard_s + patience.silence_s
            if now_s >= end_s and receiver.head is not None:
                receiver.stop(f"it was measured for {patience.duration_s:g} s")
            elif now_s >= min(silence_end_s, end_s):
                is_silence = now_s >= silence_end_s
                receiver.give_up(patience.silence_s if is_silence else patience.duration_s)
            else:
                try:
                    async with time_limit(self._clock, min(silence_end_s, end_s) - now_s):
                        await receiver.over.wait()
                except TimeoutError:
                    pass  # it may have heard something in between


def _now() -> tuple[int, float]:
    """This moment on the machine's clock, and by `perf_counter`; told again when interrupted."""
    for _ in range(_TRIES):
        before_s, wall_ns, at_s = time.perf_counter(), time.time_ns(), time.perf_counter()
        if at_s - before_s <= _SAME_S:
            break
    return wall_ns, at_s


class _Receiver:
    """Times what a connection gets; decides whether it is the answer, or a way there."""

    def __init__(
        self, taker: Taker, stream: ClientConnection, clock: TimerClock, *, is_kept: bool
    ) -> None:
        self._taker = taker
        self._stream = stream
        self._clock = clock
        self._is_kept = is_kept
        self.over = asyncio.Event()
        self.sent_s = 0.0
        self.sent_wall_ns = 0
        self.head: AnswerHead | None = None
        self.heard_s = clock.now_s()  # the last time; of the request until then
        self.ended_s = 0.0
        self.waited_s = 0.0
        self.location: str | None = None
        self.broken: str | None = None
        self.stopped: str | None = None
        self.error: PeerError | None = None

    @property
    def is_kept_lost(self) -> bool:
        """Whether nothing came because a kept connection was closed just then.

        Then the request may be sent again, on another one: it is a GET.
        """
        return self._is_kept and self.head is None and self.error is not None

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes."""
        return self.over.is_set()

    def on_head(self, status: int, fields: dict[str, str]) -> None:
        at_s = time.perf_counter()
        self.heard_s = self._clock.now_s()
        self.head = AnswerHead(at_s, status, self._stream.http_version, fields)
        if status in _REDIRECTS and "location" in fields:
            self.location = fields["location"]
            self._leave(at_s)
        else:
            self._taker.on_head(self.head)

    def on_body(self, data: bytes) -> None:
        at_s = time.perf_counter()
        self.heard_s = self._clock.now_s()
        stopped = self._taker.on_read(at_s, data)
        if stopped is not None:
            self.stop(stopped)

    def on_end(self) -> None:
        self._end(time.perf_counter())

    def on_broken(self, error: PeerError) -> None:
        self.error = error
        self.broken = str(error)
        self._end(time.perf_counter())

    def stop(self, reason: str) -> None:
        """Want no more of it."""
        self.stopped = reason
        self._leave(time.perf_counter())

    def give_up(self, waited_s: float) -> None:
        """Wait no longer for it."""
        self.waited_s = waited_s
        self.broken = f"nothing came for {waited_s:g} s; --timeout waits longer"
        self._leave(time.perf_counter())

    def _leave(self, at_s: float) -> None:
        self._stream.abort()
        self._end(at_s)

    def _end(self, at_s: float) -> None:
        self.ended_s = at_s
        self.over.set()


def _no_answer(receiver: _Receiver, url: str) -> str:
    if receiver.stopped is not None:
        return f"no answer by then: {receiver.stopped}"
    if receiver.error is None:
        return (
            f"no answer within {receiver.waited_s:g} s: connected, sent the"
            " request, and waited for the response's head; --timeout waits longer"
        )
    other = "; does it want https?" if url.startswith("http:") else ""
    match receiver.error.fault:
        case "not-http":
            return f"what came is not HTTP{other}"
        case "cut-short":
            return f"the connection was closed before an answer came{other}"
    return str(receiver.error)
