"""One URL, measured: with the companion at its other end, or as any response.

The first request is a ping. An answer without the companion's field is what this URL says to
anybody: then that answer is the measured one, and the only request.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from dataclasses import dataclass
from typing import Final

from tailrace.errors import ProbeError
from tailrace.probe import limits
from tailrace.probe.client import Answer, Client, Patience, Stop
from tailrace.probe.clock import Ping, clock_bound
from tailrace.probe.options import MeasureOptions
from tailrace.probe.protocol import FIELD
from tailrace.probe.record import Arrival, Chunk, Reading
from tailrace.probe.recorder import Progress, Recorder
from tailrace.probe.request import check, shown

_TOO_MANY: Final = 429


async def measure(
    url: str,
    options: MeasureOptions | None = None,
    *,
    on_progress: Progress | None = None,
    stop: Stop | None = None,
) -> Reading:
    """Measure a URL; `on_progress` is told of each chunk as it arrives, without its write time.

    `stop` ends a response early: what came by then is the reading. Cancelling is safe.

    Raises:
        ProbeError: there is nothing to measure: no connection, no answer, no HTTP.
    """
    options = options or MeasureOptions()
    check(url)
    patience = Patience(silence_s=options.timeout_s, duration_s=options.duration_s)
    client = Client(
        headers=options.headers, patience=patience, is_verified=options.is_verified, stop=stop
    )
    async with client:
        measuring = _Companion(client, url, options)
        if options.pings == 0:
            return await measuring.stream(on_progress)
        recorder = Recorder(on_progress)
        answer = await client.get(url, recorder, headers=measuring.fields("ping"))
        if not recorder.is_companion:
            return _reading(url, answer, recorder)
        if recorder.is_unasked:
            raise _unasked(url)
        measuring.note_ping(answer, recorder)
        await measuring.ping_on(options.pings - 1)
        return await measuring.stream(on_progress)


@dataclass(frozen=True, slots=True)
class _Pong:
    """A round trip to the companion; the client's times are of `perf_counter`."""

    environment: str
    sent_s: float
    answered_s: float
    received_ns: int
    sent_ns: int


class _Companion:
    """Measures a URL that has the companion at its other end."""

    def __init__(self, client: Client, url: str, options: MeasureOptions) -> None:
        self._client = client
        self._url = url
        self._redirects: tuple[str, ...] = ()
        self._target = url  # behind all redirects
        self._options = options
        self._pongs: list[_Pong] = []

    def fields(self, word: str) -> tuple[tuple[str, str], ...]:
        """The header fields of the probe's own that ask for something."""
        coding = "gzip" if self._options.compressed else "identity"
        return ((FIELD, word), ("accept-encoding", coding))

    def note_ping(self, answer: Answer, recorder: Recorder) -> None:
        """Keep a round trip, if it is one."""
        try:
            said = json.loads(recorder.text)
            received_ns, sent_ns = said["received_ns"], said["sent_ns"]
            environment = str(said["environment"])
        except (ValueError, TypeError, KeyError, RecursionError):
            return
        if not (_is_moment(received_ns) and _is_moment(sent_ns)):
            return
        pong = _Pong(environment, answer.sent_s, recorder.last_s, received_ns, sent_ns)
        self._pongs.append(pong)
        self._follow(answer)

    def _follow(self, answer: Answer) -> None:
        """Ask where the answer came from, from now on."""
        self._redirects += answer.redirects
        self._target = answer.url

    async def stream(self, on_progress: Progress | None) -> Reading:
        """Measure the stream, and ping again."""
        answer, recorder = await self._ask(self._asked(), on_progress, is_ping=False)
        self._follow(answer)
        if recorder.is_companion and answer.head.status == 400:
            reason = recorder.text.decode("utf-8", "replace").strip()[:200]
            raise ProbeError(f"{shown(self._url)}: the companion refuses that: {reason}")
        environment = recorder.said.get("environment")
        if environment is not None and answer.broken is None and answer.stopped is None:
            await self._ping_again(environment)
        return self._read(answer, recorder)

    async def ping_on(self, count: int) -> bool:
        """Ping so often, or until nobody answers: what the clock's bound lacks, it says itself."""
        try:
            for _ in range(count):
                await self._ping()
        except ProbeError:
            return False
        return True

    async def _ping_again(self, environment: str) -> None:
        """Ping until the environment that streamed has answered often enough, or won't."""
        wanted = self._options.pings
        for _ in range(2 * wanted):
            count = len(self._pongs)
            if wanted == 0 or not await self.ping_on(1):
                return
            wanted -= any(pong.environment == environment for pong in self._pongs[count:])

    async def _ping(self) -> None:
        answer, recorder = await self._ask("ping", None, is_ping=True)
        if recorder.is_companion:
            self.note_ping(answer, recorder)

    async def _ask(
        self, word: str, on_progress: Progress | None, *, is_ping: bool
    ) -> tuple[Answer, Recorder]:
        """Ask the companion, again if its only environment may not be done with a ping yet."""
        is_known = bool(self._pongs)
        pauses_s = iter(limits.PROBE_BUSY_PAUSES_S if is_known else ())
        while True:
            recorder = Recorder(on_progress, is_ping=is_ping, is_for_companion=is_known)
            answer = await self._client.get(self._target, recorder, headers=self.fields(word))
            pause_s = next(pauses_s, None)
            if answer.head.status != _TOO_MANY or pause_s is None:
                return answer, recorder
            await asyncio.sleep(pause_s)

    def _asked(self) -> str:
        options = self._options
        return (
            f"stream; count={options.count}; size={options.size};"
            f" interval_ms={round(options.interval_s * 1000)}; type={options.content_type};"
            f" pad={options.pad_bytes}"
        )

    def _read(self, answer: Answer, recorder: Recorder) -> Reading:
        """Put together what was said and what was seen."""
        reading = _reading(self._url, answer, recorder)
        reading = dataclasses.replace(reading, redirects=self._redirects)
        started = recorder.said.get("started_ns", "")
        is_number = started.isascii() and started.isdigit() and len(started) <= 20
        started_ns = int(started) if is_number else -1
        if not _is_moment(started_ns) or answer.head.status != 200:
            return reading
        options = self._options
        reading = dataclasses.replace(
            reading,
            environment=recorder.said.get("environment"),
            interval_s=options.interval_s,
            padded_bytes=options.pad_bytes,
        )
        if reading.unit != "chunk":
            return dataclasses.replace(reading, clock_words=_UNREADABLE)
        count = len(reading.chunks)
        if count > options.count:
            raise _unasked(self._url)
        if reading.broken is None and reading.stopped is None and count < options.count:
            text = f"{count} of {options.count} chunks came, and then a clean end"
            reading = dataclasses.replace(reading, broken=text, lacks_chunks=True)
        chunks = _without_padding(reading.chunks, options)
        reading = dataclasses.replace(reading, chunks=chunks)
        return _with_clock(reading, self._pongs, answer, recorder, started_ns)


_UNREADABLE: Final = (
    "what the companion wrote when cannot be read: by its content type or content coding, "
    "something on the way has changed the body"
)


def _unasked(url: str) -> ProbeError:
    return ProbeError(
        f"{shown(url)}: the companion answers, but not what it was asked: something on the way"
        f" takes the header `{FIELD}` out of requests; it must be let through"
    )


def _is_moment(at_ns: object) -> bool:
    """Whether it can be a clock's time in nanoseconds."""
    return isinstance(at_ns, int) and 0 <= at_ns < 2**64


def _reading(url: str, answer: Answer, recorder: Recorder) -> Reading:
    """What the client saw."""
    if answer.broken is None and answer.stopped is None:
        recorder.finish()
    sent_s = answer.sent_s
    ends = [0, *(cut.end for _, cut in recorder.cuts)]
    chunks = tuple(
        Chunk(cut.index, cut.end - before, at_s - sent_s)
        for (at_s, cut), before in zip(recorder.cuts, ends, strict=False)
    )
    return Reading(
        url=shown(url),
        status=answer.head.status,
        http_version=answer.head.http_version,
        headers=tuple(answer.head.fields.items()),
        unit=recorder.unit,
        head_s=answer.head.at_s - sent_s,
        ended_s=answer.ended_s - sent_s,
        size=recorder.size,
        arrivals=tuple(Arrival(at_s - sent_s, size) for at_s, size in recorder.reads),
        chunks=chunks,
        broken=answer.broken,
        stopped=answer.stopped,
        redirects=answer.redirects,
    )


def _without_padding(chunks: tuple[Chunk, ...], options: MeasureOptions) -> tuple[Chunk, ...]:
    """Padding comes behind a chunk: what was cut off as the next one begins with it."""
    if not options.pad_bytes or not chunks:
        return chunks
    size_max = max(options.size, chunks[0].size)
    return tuple(dataclasses.replace(chunk, size=min(chunk.size, size_max)) for chunk in chunks)


def _with_clock(
    reading: Reading, pongs: list[_Pong], answer: Answer, recorder: Recorder, started_ns: int
) -> Reading:
    """Put the function's times on the client's clock, as well as that can be known."""
    sent_s, epoch_ns = answer.sent_s, answer.sent_wall_ns

    def function_s(at_ns: int) -> float:
        return (at_ns - epoch_ns) / 1e9

    pings = [
        Ping(
            pong.sent_s - sent_s,
            pong.answered_s - sent_s,
            function_s(pong.received_ns),
            function_s(pong.sent_ns),
        )
        for pong in pongs
        if pong.environment == reading.environment
    ]
    started_s = function_s(started_ns)
    written = [function_s(cut.written_ns or 0) for _, cut in recorder.cuts]
    arrived = [chunk.arrived_s for chunk in reading.chunks]
    bound = clock_bound(
        pings,
        request_sent_s=0.0,
        started_s=started_s,
        written=[(started_s, reading.head_s), *zip(written, arrived, strict=True)],
    )
    reading = dataclasses.replace(reading, clock_words=bound.words)
    clock = bound.clock()
    if clock is None:
        return reading
    return dataclasses.replace(
        reading,
        clock=clock,
        started_s=bound.written_at(started_s).middle_s,
        chunks=tuple(
            dataclasses.replace(chunk, written_s=bound.written_at(at_s).middle_s)
            for chunk, at_s in zip(reading.chunks, written, strict=True)
        ),
    )
