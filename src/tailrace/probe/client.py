"""GET requests whose answers are timed: every read has its moment, taken before anything else.

Concurrency law: protocol callbacks and one coroutine of one event loop; one request at a time.
"""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol, Self
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from tailrace import __version__, limits
from tailrace.errors import PeerError, ProbeError
from tailrace.net.http_pool import Origin
from tailrace.net.http_stream import HttpStream, HttpStreams
from tailrace.probe.connecting import UnverifiedOrigin, explain

_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
_PRIVATE: Final = frozenset(("authorization", "cookie", "proxy-authorization"))


@dataclass(frozen=True, slots=True)
class Head:
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

    def on_head(self, head: Head) -> None:
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
    head: Head
    ended_s: float
    broken: str | None
    """How it broke off."""
    stopped: str | None
    """Why the rest was not wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long is waited for what."""

    silence_s: float = limits.PROBE_TIMEOUT_S
    """For a connection, for the head, for the next byte."""
    duration_s: float = limits.PROBE_DURATION_S
    """For a whole answer; the rest is not wanted then."""


class Client:
    """Sends GET requests while it is entered; connections are kept between them.

    `headers` are sent with each. `is_verified=False` takes any certificate.
    """

    def __init__(
        self,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        patience: Patience | None = None,
        is_verified: bool = True,
    ) -> None:
        self._headers = headers
        self._patience = patience or Patience()
        self._is_verified = is_verified
        self._origins: dict[Origin, HttpStreams] = {}
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

        An answer that breaks off is an answer; cancelling cuts it.

        Raises:
            ProbeError: there is no answer, or not in time.
        """
        redirects: list[str] = []
        target = url
        while True:
            sent = (*self._headers_for(target), *headers)
            answer, location = await self._ask(target, sent, taker, tuple(redirects))
            if location is None:
                return answer
            if len(redirects) == limits.PROBE_REDIRECTS_MAX:
                raise ProbeError(
                    f"{shown(url)}: more than {limits.PROBE_REDIRECTS_MAX} redirects, the last one"
                    f" to {shown(location)}; is it a loop?"
                )
            check(location, f"{shown(target)}: redirected to")
            target = location
            redirects.append(shown(target))

    def _headers_for(self, url: str) -> tuple[tuple[str, str], ...]:
        """What is secret goes to the origin of the first URL only, not where that sends us."""
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
        stream = await self._connect(url)
        receiver = _Receiver(taker, stream)
        message = encode_get(url, headers)
        sent_wall_ns, sent_s = time.time_ns(), time.perf_counter()
        taker.on_sent(sent_s)
        stream.ask(message, receiver)
        try:
            stopped = await self._wait(receiver, sent_s)
        finally:
            if not receiver.is_over:
                stream.abort()
        head = receiver.head
        if head is None:
            raise ProbeError(f"{shown(url)}: {_no_answer(receiver, self._patience, url)}")
        location = receiver.location
        answer = Answer(
            url=url,
            redirects=redirects,
            sent_s=sent_s,
            sent_wall_ns=sent_wall_ns,
            head=head,
            ended_s=receiver.ended_s or time.perf_counter(),
            broken=receiver.broken,
            stopped=stopped,
        )
        return answer, None if location is None else urljoin(url, location)

    async def _connect(self, url: str) -> HttpStream:
        origin = Origin.of(url) if self._is_verified else UnverifiedOrigin.of(url)
        streams = self._origins.get(origin)
        if streams is None:
            streams = HttpStreams(origin, connect_timeout_s=self._patience.silence_s)
            streams.start()
            self._origins[origin] = streams
        try:
            return await streams.connect()
        except TimeoutError:
            waited = f"{self._patience.silence_s:g} s"
            raise ProbeError(
                f"{shown(url)}: no connection to {origin.host}:{origin.port} within {waited};"
                " is a firewall in between, or the address wrong?"
            ) from None
        except PeerError as error:
            raise ProbeError(f"{shown(url)}: {explain(error, origin)}") from error

    async def _wait(self, receiver: _Receiver, sent_s: float) -> str | None:
        """Wait for the end; return why the rest is not wanted."""
        patience = self._patience
        while not receiver.is_over:
            now_s = time.perf_counter()
            silent_s = receiver.heard_s or sent_s
            silence_end_s, end_s = silent_s + patience.silence_s, sent_s + patience.duration_s
            if now_s >= end_s and receiver.head is not None:
                return f"measured for {patience.duration_s:g} s"
            if now_s >= silence_end_s:
                if receiver.head is not None:
                    receiver.broken = f"nothing came for {patience.silence_s:g} s"
                return None
            try:
                async with asyncio.timeout(min(silence_end_s, end_s) - now_s):
                    await receiver.over.wait()
            except TimeoutError:
                pass  # it may have heard something in between
        return receiver.stopped


class _Receiver:
    """Times what a connection gets; decides whether it is the answer, or a way there."""

    def __init__(self, taker: Taker, stream: HttpStream) -> None:
        self._taker = taker
        self._stream = stream
        self.over = asyncio.Event()
        self.head: Head | None = None
        self.heard_s = 0.0
        self.ended_s = 0.0
        self.location: str | None = None
        self.broken: str | None = None
        self.stopped: str | None = None
        self.error: PeerError | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes."""
        return self.over.is_set()

    def on_head(self, status: int, fields: dict[str, str]) -> None:
        self.heard_s = at_s = time.perf_counter()
        self.head = Head(at_s, status, self._stream.http_version, fields)
        if status in _REDIRECTS and "location" in fields:
            self.location = fields["location"]
            self._stop(at_s)
        else:
            self._taker.on_head(self.head)

    def on_body(self, data: bytes) -> None:
        self.heard_s = at_s = time.perf_counter()
        self.stopped = self._taker.on_read(at_s, data)
        if self.stopped is not None:
            self._stop(at_s)

    def on_end(self) -> None:
        self._end(time.perf_counter())

    def on_broken(self, error: PeerError) -> None:
        self.error = error
        self.broken = str(error)
        self._end(time.perf_counter())

    def _stop(self, at_s: float) -> None:
        self._stream.abort()
        self._end(at_s)

    def _end(self, at_s: float) -> None:
        self.ended_s = at_s
        self.over.set()


def _no_answer(receiver: _Receiver, patience: Patience, url: str) -> str:
    if receiver.error is None:
        return (
            f"no answer within {patience.silence_s:g} s: connected, sent the request, and waited"
            " for the response's head; --timeout waits longer"
        )
    if str(receiver.error) == "the answer is not HTTP":
        other = "; does it want https?" if url.startswith("http:") else ""
        return f"what came is not HTTP{other}"
    if "broke before" in str(receiver.error):
        return "the connection was closed before an answer came"
    return str(receiver.error)


# --- URLs ----------------------------------------------------------------------------------------


def check(url: str, what: str = "") -> None:
    """Refuse what is no URL that can be asked.

    Raises:
        ProbeError: it is none.
    """
    before = f"{what} " if what else ""
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        is_good = False
    if is_good and not any(each <= " " or each == "\x7f" for each in url):
        return
    hint = "" if "://" in url else f"; try http://{url}"
    raise ProbeError(f"{before}{url[:200]!r} is not an http(s) URL{hint}")


def shown(url: str) -> str:
    """A URL without a user's name and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def encode_get(url: str, headers: tuple[tuple[str, str], ...]) -> bytes:
    """A GET request as bytes. Headers of our own give way to those that are given."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    path = quote(parts.path or "/", safe="%/:=&~!$+,;'@()*[]")
    query = quote(parts.query, safe="%/:=&~!$+,;'@()*[]?")
    fields = {"host": host.encode("idna").decode() if not host.isascii() else host}
    fields["user-agent"] = f"tailrace-probe/{__version__}"
    fields["accept"] = "*/*"
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        fields["authorization"] = "Basic " + b64encode(user.encode()).decode()
    given = {name.lower() for name, _ in headers}
    pairs = [pair for pair in fields.items() if pair[0] not in given] + list(headers)
    lines = [f"GET {path}{'?' if query else ''}{query} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in pairs]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
