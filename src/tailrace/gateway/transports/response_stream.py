"""The response-stream transport: the response is in Lambda's answer to the invocation.

Facts: InvokeWithResponseStream 2021-11-15 (Lambda API reference), and the clients in botocore and
the AWS SDK for JavaScript, read 2026-11. Both treat a stream that ends without `InvokeComplete` as
a success; the gateway treats it as broken.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

from tailrace import limits
from tailrace.errors import (
    EventStreamError,
    FrameError,
    InvokeTimeoutError,
    PeerError,
    ResponseFormatError,
)
from tailrace.gateway.aws.endpoint import AwsEndpoint
from tailrace.gateway.aws.refusals import REQUEST_ID, refusal, too_large, unreachable
from tailrace.gateway.aws.signing import AwsSigner
from tailrace.gateway.exchange.live import Held, PendingInvocation
from tailrace.gateway.exchange.state import (
    FunctionFailed,
    ResponseMalformed,
    SourceBroken,
    SourceOpened,
)
from tailrace.gateway.transports.protocol import OnOutcome
from tailrace.gateway.transports.stream_head import HeadFinder, StreamForm
from tailrace.gateway.transports.stream_messages import (
    FormWarnings,
    failure_in,
    shortened,
    split,
)
from tailrace.net.client.connection import ClientConnection
from tailrace.net.client.pool import HttpPool
from tailrace.net.client.request import EncodedRequest, PoolAnswer
from tailrace.net.clock import LoopClock, TimerClock
from tailrace.net.json_text import response_from_envelope
from tailrace.wire.event_stream import Message, MessageDecoder
from tailrace.wire.integration import Head
from tailrace.wire.mark import keys_for_stream
from tailrace.wire.stream_frames import FrameDecoder

logger = logging.getLogger(__name__)


class StreamTransport:
    """Sends events by `InvokeWithResponseStream`; none is sent a second time.

    If the connection breaks, the function may have run, and would run twice. So the client is
    answered 502.
    """

    request_bytes_max = limits.STREAM_REQUEST_BODY_BYTES_MAX

    def __init__(
        self,
        endpoint: AwsEndpoint,
        *,
        signer: AwsSigner | None = None,
        connect_timeout_s: float = limits.CONNECT_TIMEOUT_S,
        clock: TimerClock | None = None,
    ) -> None:
        clock = clock if clock is not None else LoopClock()
        self._signer = signer or AwsSigner(endpoint, clock=clock)
        self._streams = HttpPool(
            self._signer.origin, connect_timeout_s=connect_timeout_s, clock=clock
        )
        self._post_to = self._signer.posts_to(
            "/2021-11-15/functions/{}/response-streaming-invocations", {}
        )
        self._form_warnings = FormWarnings(clock)

    @property
    def stream_count(self) -> int:
        """The number of streams that are open."""
        return len(self._streams)

    async def start(self) -> None:
        """Find the credentials. Raises ConfigError if there are none."""
        await self._signer.start()
        self._streams.start()

    def keys(self, url: str, target: str, exchange_id: str) -> dict[str, Any]:
        """See `Transport.keys`: these are the same for each exchange."""
        return keys_for_stream()

    def dispatch(self, held: Held, payload: bytes, on_outcome: OnOutcome) -> PendingInvocation:
        """See `Transport.dispatch`; the answer becomes the source of `held`.

        The event is accepted when Lambda has started the stream. If the invocation is cancelled
        before, the connection is aborted.
        """
        if len(payload) > limits.SYNC_INVOKE_BYTES_MAX:
            raise too_large(payload, limits.SYNC_INVOKE_BYTES_MAX)
        answer = _Answer(held, on_outcome, self._form_warnings)
        message = self._post_to(held.route.function).encode(payload)
        stream = self._streams.take_kept() if isinstance(message, bytes) else None
        if isinstance(message, bytes) and stream is not None and not stream.is_closing:
            answer.send(stream, message)
        else:
            answer.opening = self._streams.tasks.spawn(self._open(answer, message), "open a stream")
        return answer

    async def _open(self, answer: _Answer, message: EncodedRequest) -> None:
        """Send an event that must wait for keys or for a connection."""
        try:
            if not isinstance(message, bytes):
                message = await message()
            stream = await self._streams.connect()
        except Exception as error:
            answer.fail(error)
        else:
            answer.send(stream, message)

    async def close(self) -> None:
        """Close all connections."""
        await self._signer.close()
        await self._streams.close()


class _Answer:
    """Receives Lambda's answer to one invocation, and is the source of its exchange."""

    __slots__ = (
        "_body",
        "_decoder",
        "_form_warnings",
        "_frames",
        "_held",
        "_is_paused",
        "_last",
        "_on_outcome",
        "_refused",
        "opening",
        "stream",
    )

    stream: ClientConnection

    def __init__(self, held: Held, on_outcome: OnOutcome, form_warnings: FormWarnings) -> None:
        self._held = held
        self._on_outcome: OnOutcome | None = on_outcome  # None once the outcome is known
        self.opening: asyncio.Task[None] | None = None  # while the event waits to be sent
        self._form_warnings = form_warnings
        self._decoder = MessageDecoder(payload_bytes_max=limits.STREAM_FRAME_BYTES_MAX)
        self._body: HeadFinder | None  # None once the head is known
        self._body = HeadFinder(response_from_envelope)
        self._frames: FrameDecoder | None = None  # set if the head announces frames
        self._is_paused = False  # by back-pressure from the client
        self._last: Message | None = None  # received, but frames before it are not relayed yet
        self._refused: PoolAnswer | None = None

    def send(self, stream: ClientConnection, message: bytes) -> None:
        """Send the event."""
        self.opening = None
        self.stream = stream
        stream.send_request(message, self)

    def fail(self, error: Exception) -> None:
        """Report why Lambda has not started the stream."""
        failure: Exception = error
        if isinstance(error, TimeoutError):
            failure = InvokeTimeoutError("the Lambda endpoint did not answer in time")
        elif isinstance(error, PeerError):
            failure = unreachable("the Lambda endpoint", error)
        if failure is not error:
            failure.__cause__ = error
        self._settle(failure)

    def _settle(self, failure: Exception | None) -> None:
        on_outcome, self._on_outcome = self._on_outcome, None
        if on_outcome is not None:
            on_outcome(self._held, failure)

    # --- the invocation of an exchange ----------------------------------------------------------

    def cancel(self) -> None:
        """See `PendingInvocation`; called before Lambda has started the stream."""
        self._on_outcome = None
        if self.opening is not None:
            self.opening.cancel()
        else:
            self.stream.abort()

    # --- the receiver of an HTTP answer ---------------------------------------------------------

    def on_head(self, status: int, fields: dict[str, str]) -> None:
        """Open the source with a 200; collect the body of a refusal."""
        held = self._held
        held.request_id = fields.get(REQUEST_ID)
        if not held.is_waiting:
            self.stream.abort()  # the exchange has ended without cancelling this
        elif status != 200:
            self._refused = PoolAnswer(status, fields, b"")
        else:
            self._settle(None)
            held.source = self
            held.apply(SourceOpened())

    def on_body(self, data: bytes) -> None:
        """The data path: one call per read, one write to the client."""
        if self._refused is not None:
            self._collect(self._refused, data)
            return
        try:
            self._relay(self._decoder.read(data))
        except FrameError as error:
            self._reject_frames(error)
        except (EventStreamError, ResponseFormatError) as error:
            self._held.apply(ResponseMalformed(str(error)))

    def _reject_frames(self, error: FrameError) -> None:
        """Log the error, because the client's response has started; then abort it."""
        self._log("was cut short: %s", error)
        self._held.apply(ResponseMalformed(str(error)))

    def on_end(self) -> None:
        """The HTTP answer is complete: expected for a refusal, too early for a stream.

        A stream is complete with the message `InvokeComplete`, which `_end` handles before this.
        """
        if self._refused is not None:
            self._settle(refusal(self._refused))
        else:
            self.on_broken(PeerError("the stream ended without InvokeComplete"))

    def on_broken(self, error: PeerError) -> None:
        """The connection broke before the answer was complete."""
        held = self._held
        if held.source is not self:
            self.fail(error)
            return
        self._log("broke off: %s", error)
        held.source = None
        held.apply(SourceBroken("stream"))

    def _collect(self, refused: PoolAnswer, data: bytes) -> None:
        self._refused = refused = refused._replace(body=refused.body + data)
        if len(refused.body) > limits.POOL_ANSWER_BYTES_MAX:
            self.stream.abort()
            self._settle(refusal(refused))

    # --- the messages ---------------------------------------------------------------------------

    def _relay(self, messages: Iterator[Message]) -> None:
        payloads, last = split(messages)
        data = payloads[0] if len(payloads) == 1 else b"".join(payloads)
        held = self._held
        if last is None and self._body is None:
            self._pass_on(data)
            return
        held.seat.cork()  # bytes of one read are sent in one write
        if self._body is None:
            self._pass_on(data)
        elif data and (head := self._body.feed(data)) is not None:
            self._start_response(head, self._body)
        if last is not None and held.source is self:
            if self._is_behind:
                self._last = last
                self.stream.release()  # it may carry another request now
            else:
                self._end(last)
        held.seat.uncork()

    def _start_response(self, head: Head, body: HeadFinder) -> None:
        """Start the client's response: the head is known."""
        self._body = None
        if body.form is not StreamForm.PRELUDE:
            self._form_warnings.note(self._held.route.function, body.form)
        elif body.is_framed:
            self._frames = FrameDecoder()
        self._held.head_arrived(head)
        self._pass_on(body.rest)

    def _pass_on(self, data: bytes) -> None:
        """Relay bytes of the body; of frames, only their data."""
        frames = self._frames
        if frames is None:
            self._held.relay(data)
        else:
            self._pass_on_frames(frames, data)

    def _pass_on_frames(self, frames: FrameDecoder, data: bytes | None) -> None:
        """Relay the data of the next frames; of those left over from before if `data` is None."""
        held = self._held
        try:
            clean = frames.feed_rest() if data is None else frames.feed(data)
        finally:
            held.bytes_padded = frames.padded_bytes
        held.relay(clean)
        if frames.error is not None:
            self._abort()
            self._fail(shortened(frames.error.decode("utf-8", "replace")))
        elif frames.rest:
            if self._last is None:
                self.stream.pause_reading()
            asyncio.get_running_loop().call_soon(self._catch_up, frames)

    @property
    def _is_behind(self) -> bool:
        """Whether received frames wait for the next turn of the event loop."""
        return self._frames is not None and len(self._frames.rest) > 0

    def _catch_up(self, frames: FrameDecoder) -> None:
        """Decode more of the frames that were received, in another turn of the event loop."""
        if self._held.source is not self:
            return  # the exchange has ended meanwhile
        try:
            self._pass_on_frames(frames, None)
            if frames.rest or self._held.source is not self:
                return
            if self._last is not None:
                self._end(self._last)
            elif not self._is_paused:
                self.stream.resume_reading()
        except FrameError as error:
            self._reject_frames(error)
        except (EventStreamError, ResponseFormatError) as error:
            self._held.apply(ResponseMalformed(str(error)))

    def _fail(self, failure: str) -> None:
        """End the exchange: the stream reports that the function has failed."""
        self._log("failed: %a", failure)
        self._held.source = None
        self._held.apply(FunctionFailed())

    def _end(self, last: Message) -> None:
        """Handle the message that ends the stream: `InvokeComplete`, or an exception."""
        held = self._held
        headers = last.headers
        if headers.get(":message-type") != "event":
            name = headers.get(":error-code") or headers.get(":exception-type") or "no name"
            message = headers.get(":error-message") or last.payload.decode("utf-8", "replace")
            self._log("was broken off by Lambda: %a", shortened(f"{name}: {message}"))
            self._abort()
            held.source = None
            held.apply(SourceBroken("stream"))
            return
        if self._last is None:
            self.stream.release()
        failure = failure_in(last.payload)
        if failure is not None:
            self._fail(failure)
            return
        if self._body is not None:
            body = self._body
            self._start_response(body.finish(), body)
        if self._frames is not None:
            self._frames.finish()
        held.body_ended()

    def _abort(self) -> None:
        """Abort the connection, unless it was released to the pool."""
        if self._last is None:
            self.stream.abort()

    def _log(self, what: str, detail: object) -> None:
        held = self._held
        prefix = "exchange=%s function=%s "
        logger.warning(prefix + what, held.capability.exchange_id, held.route.function, detail)

    # --- the source of a held exchange ----------------------------------------------------------

    def pause_reading(self) -> None:
        """See `Source`."""
        self._is_paused = True
        if self._last is None:
            self.stream.pause_reading()

    def resume_reading(self) -> None:
        """See `Source`."""
        self._is_paused = False
        if not self._is_behind and self._last is None:
            self.stream.resume_reading()

    def answer(self, status: int, detail: str, count: int) -> None:
        """See `Source`. Lambda takes no answer: the function runs on, and is billed."""
        if status == 200:
            return
        self._abort()
        if self._body is not None and self._body.held_bytes:
            self._log(
                "began a response whose head was not known yet: %s; let the function write a"
                " prelude first, or end",
                f"{self._body.held_bytes} bytes of a JSON object",
            )
