"""Responses that leave as they are made: by callback to the gateway, or to the Runtime API."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Final

from tailrace.errors import (
    AnsweredEarlyError,
    CallbackRefusedError,
    ClientDisconnected,
    FlushError,
    PeerError,
)
from tailrace.function.callback_hosts import check_callback
from tailrace.function.mode import NativeResponse
from tailrace.function.sink import FlushClock
from tailrace.net.blocking.answer import HttpAnswer
from tailrace.net.blocking.upload import Upload, open_upload
from tailrace.wire.capability import EXCHANGE_FIELD, redact
from tailrace.wire.integration import MEDIA_TYPE, Head, encode_prelude

if TYPE_CHECKING:
    from tailrace.function.failure import Failure
    from tailrace.function.flush.flusher import Flusher
    from tailrace.function.flush.policy import FlushPolicy
    from tailrace.function.flush.scanners import Scanner

logger = logging.getLogger("tailrace.function")

_GONE: Final = 410
_PROMISES: Final = frozenset(
    (
        "content-digest",
        "content-encoding",
        "content-length",
        "content-md5",
        "content-range",
        "digest",
        "repr-digest",
    )
)
_UNFLUSHABLE: Final = (
    "the response cannot be flushed on Lambda's native streaming, where that takes padding: {}"
)
_REMEDY: Final = (
    "through the gateway any type can be flushed, by callback or in frames"
    ' (transport = "response-stream")'
)
_TEXT_REMEDY: Final = "FlushPolicy(pads_text=True) pads it with spaces"
_NOT_THE_GATEWAY: Final = (
    "something between here and the gateway answers in its place: end TLS there at layer 4, with no"
    " HTTP proxy"
)


class UploadSink:
    """Sends the response to a peer as it is made.

    `loss` says, from then on, why nobody takes the response any more; `on_loss` is called once.
    """

    def __init__(self, upload: Upload) -> None:
        self.upload = upload
        self.loss: str | None = None
        self.on_loss: Callable[[], None] | None = None
        self._is_ended = False

    def keep_result(self, result: object) -> bool:
        return False

    def put_head(self, head: Head, data: bytes) -> None:
        UploadSink.put(self, encode_prelude(head) + data)

    def put(self, data: bytes) -> None:
        self._raise_if_lost()
        try:
            self.upload.put(data)
        except PeerError as error:
            raise self.lose(error) from error

    def push(self) -> None:
        """Let out what is queued."""
        try:
            self.upload.push()
        except PeerError as error:
            raise self.lose(error) from error

    def set_flush_policy(self, policy: FlushPolicy | None) -> None: ...

    def flush(self) -> None:
        """Nothing to do: where nothing is held back, all that was put is on its way."""

    @property
    def flush_counts(self) -> tuple[int, int, int]:
        return 0, 0, 0

    def put_end(self) -> None:
        self._raise_if_lost()
        try:
            self.upload.put_end()
        except PeerError as error:
            raise self.lose(error) from error
        self._is_ended = True

    def look(self) -> None:
        self._raise_if_lost()
        try:
            self.upload.look()
        except PeerError as error:
            raise self.lose(error) from error

    def drain(self) -> None:
        try:
            self.upload.drain()
        except PeerError as error:
            raise self.lose(error) from error

    def abort(self) -> None:
        if self._is_ended and not self.upload.has_unsent:
            self.upload.close()  # it is complete; a reset could still take bytes from the peer
            return
        self.upload.abort()

    def lose(self, error: PeerError) -> ClientDisconnected:
        """Note that nobody takes the response any more; return what a writer is told."""
        if self.loss is None:
            self.loss = f"nobody takes the response any more: {error}"
            if self.on_loss is not None:
                self.on_loss()
            level = logging.INFO if _is_client_gone(error) else logging.WARNING
            logger.log(level, "the response was cut short: %s", redact(str(error)))
        return ClientDisconnected(self.loss)

    def _raise_if_lost(self) -> None:
        if self.loss is not None:
            raise ClientDisconnected(self.loss)


class CallbackSink(UploadSink):
    """To the gateway, which holds the client's response."""

    def __init__(self, upload: Upload) -> None:
        super().__init__(upload)
        self._body_bytes = 0

    @classmethod
    def open(cls, url: str) -> CallbackSink:
        """Open the callback; return when the exchange is ours.

        Raises:
            CallbackRefusedError: the gateway does not want this callback, or it is unreachable, or
                a server in its place has answered (`status` is then 502), or its host is not one
                that may be called (403). The message has no secret.
        """
        check_callback(url)
        base = url.rpartition("/")[0]  # the secret is the last part of the URL
        try:
            upload = open_upload(url, [("content-type", MEDIA_TYPE)])
            if upload.continue_headers.get(EXCHANGE_FIELD) != base.rpartition("/")[2]:
                upload.abort()
                raise PeerError(_NOT_THE_GATEWAY)
        except PeerError as error:
            shown = f"{error}; callback {base}/…"
            raise CallbackRefusedError(error.status, redact(shown)) from error
        return cls(upload)

    def put_head(self, head: Head, data: bytes) -> None:
        self._body_bytes += len(data)
        super().put_head(head, data)

    def put(self, data: bytes) -> None:
        self._body_bytes += len(data)
        super().put(data)

    def finish(self, timeout_s: float) -> None:
        """Wait for the gateway's last word, if one is due, and close the callback."""
        if self._is_ended and self.loss is None:
            try:
                self._check(self.upload.wait_answer(timeout_s))
            except PeerError as error:
                logger.warning("the response may not have arrived whole: %s", redact(str(error)))
        self.upload.close()

    def _check(self, answer: HttpAnswer) -> None:
        text = answer.body[:200].decode("utf-8", "replace").strip()
        if answer.status == _GONE:
            logger.info("the client left before it had the whole response: %s", text)
        elif answer.status != 200:
            logger.warning("the gateway did not take the response: %d %s", answer.status, text)
        else:
            taken = _byte_count(answer.body)
            if taken is not None and taken < self._body_bytes:
                logger.warning(
                    "the gateway took %d of %d bytes of the response", taken, self._body_bytes
                )


class NativeSink(UploadSink):
    """To the Runtime API, which passes it on; the runtime reports failures and hears the answer.

    An HTTP event's response has a prelude. Any other event's is the body alone, of the content
    type that its head says; and a plain result is returned, for the runtime to send it as ever.

    Lambda holds back what is small, so a flush sends padding. How body and padding are written is
    `_send` and `_send_padding`, where padding may stand `_scanner`: for a subclass to say.

    `on_held` is called at the end of each write after which `expire` will be due, at `quiet_due_s`.
    """

    def __init__(
        self,
        native: NativeResponse,
        *,
        is_http: bool,
        policy: FlushPolicy | None = None,
        clock: FlushClock | None = None,
    ) -> None:
        super().__init__(native.upload)
        self._native = native
        self._is_http = is_http
        self.clock = clock if clock is not None else FlushClock()
        self._now_s = self.clock.now_s
        self._policy = policy
        self._flushing: Flusher | None = None  # from the head to the end
        self.has_begun = False
        self.result: object = None
        self.on_held: Callable[[], None] | None = None

    def keep_result(self, result: object) -> bool:
        if self._is_http:
            return False
        self.result = result
        return True

    def put_head(self, head: Head, data: bytes) -> None:
        self._send_head(head, data)
        self._begin_flushing(head, data)

    def put(self, data: bytes) -> None:
        flushing = self._flushing
        if flushing is None:
            self._send(data)
        elif flushing.is_pending:
            self._send_split(flushing.split(data, self._now_s()))
        else:
            self._send(data)
            padding = flushing.note(data, self._now_s())
            if padding:
                self._send_padding(padding)
        if self.on_held is not None:
            self.on_held()

    def set_flush_policy(self, policy: FlushPolicy | None) -> None:
        self._policy = policy

    def flush(self) -> None:
        if self._flushing is None:
            return
        padding = self._flushing.flush()
        if padding:
            self._send_padding(padding)

    @property
    def is_adaptive(self) -> bool:
        """Whether somebody has to watch `quiet_due_s`."""
        return self._policy is not None and self._policy.when == "adaptive"

    @property
    def quiet_due_s(self) -> float:
        """When `expire` has something to do, by `clock`; else infinite."""
        return inf if self._flushing is None else self._flushing.due_s

    def expire(self, now_s: float) -> None:
        """Let out what is held if the response has been quiet for long enough.

        Raises:
            ClientDisconnected: nobody takes the response any more.
        """
        if self._flushing is None:
            return
        padding = self._flushing.expire(now_s, is_blocked=self.upload.has_unsent)
        if padding:
            self._send_padding(padding)

    @property
    def flush_counts(self) -> tuple[int, int, int]:
        return (0, 0, 0) if self._flushing is None else self._flushing.counts

    def put_end(self) -> None:
        if self._flushing is not None:
            self._flushing.end()
        super().put_end()

    def fail(self, failure: Failure) -> None:
        """End the response, once it has begun, by an error, unless it has ended."""
        self._native.fail(failure)

    def _send_head(self, head: Head, data: bytes) -> None:
        prelude = encode_prelude(head) if self._is_http else b""
        media_type = head.get("content-type") or "application/octet-stream"
        self._native.begin(MEDIA_TYPE if self._is_http else media_type)
        self.has_begun = True
        UploadSink.put(self, prelude + data)
        if not prelude and not data:
            self.push()

    def _send(self, data: bytes) -> None:
        UploadSink.put(self, data)

    def _send_padding(self, padding: bytes) -> None:
        UploadSink.put(self, padding)

    def _scanner(self, head: Head, policy: FlushPolicy) -> Scanner:
        """Return what finds places for padding. Raises FlushError: there are none."""
        from tailrace.function.flush.scanners import scanner_for

        for name, value in head.headers:
            if name.lower() in _PROMISES and value.lower() != "identity":
                reason = f"its {name} promises what its bytes are; leave that out"
                raise FlushError(_UNFLUSHABLE.format(reason))
        content_type = head.get("content-type")
        if content_type is None:
            raise FlushError(_UNFLUSHABLE.format("it has no content type; set one"))
        scanner = scanner_for(content_type, pads_text=policy.pads_text)
        if scanner is None:
            is_text = content_type.partition(";")[0].strip().lower() == "text/plain"
            remedy = _TEXT_REMEDY if is_text else _REMEDY
            reason = f"{content_type} has no padding; {remedy}"
            raise FlushError(_UNFLUSHABLE.format(reason))
        return scanner

    def _begin_flushing(self, head: Head, data: bytes) -> None:
        """After the first bytes have gone: imports and scanning must not keep them waiting."""
        from tailrace.function.flush.flusher import Flusher
        from tailrace.function.flush.policy import FlushPolicy

        policy = self._policy or FlushPolicy()
        flushing = Flusher(policy, lambda: self._scanner(head, policy))
        self._flushing = flushing
        padding = flushing.start(data, self._now_s())
        if padding:
            self._send_padding(padding)
        if policy.when != "explicit" and flushing.obstacle is not None:
            logger.warning('no "%s" flush: %s', policy.when, flushing.obstacle)
        if policy.when != "adaptive" or flushing.obstacle is not None:
            self.on_held = None
        if self.on_held is not None:
            self.on_held()

    def _send_split(self, pieces: tuple[bytes, ...]) -> None:
        """Send body and padding by turns."""
        for number, piece in enumerate(pieces):
            if number % 2:
                self._send_padding(piece)
            else:
                self._send(piece)


def _is_client_gone(error: PeerError) -> bool:
    return isinstance(error, AnsweredEarlyError) and error.status == _GONE


def _byte_count(body: bytes) -> int | None:
    try:
        count = json.loads(body)["bytes"]
    except (ValueError, TypeError, KeyError):
        return None
    return count if type(count) is int else None
