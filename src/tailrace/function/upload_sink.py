"""Responses that leave as they are made: by callback to the gateway, or to the Runtime API."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Final

from tailrace.errors import (
    AnsweredEarlyError,
    CallbackRefusedError,
    ClientDisconnected,
    PeerError,
)
from tailrace.function.mode import NativeResponse
from tailrace.net.http_answer import Answer
from tailrace.net.http_client import Upload, open_upload
from tailrace.wire.capability import EXCHANGE_FIELD, redact
from tailrace.wire.integration import MEDIA_TYPE, Head, encode_prelude

logger = logging.getLogger("tailrace.function")

_GONE: Final = 410
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
                somebody else has answered (`status` is then 502). The message has no secret.
        """
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

    def _check(self, answer: Answer) -> None:
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
    """

    def __init__(self, native: NativeResponse, *, is_http: bool) -> None:
        super().__init__(native.upload)
        self._native = native
        self._is_http = is_http
        self.has_begun = False
        self.result: object = None

    def keep_result(self, result: object) -> bool:
        if self._is_http:
            return False
        self.result = result
        return True

    def put_head(self, head: Head, data: bytes) -> None:
        prelude = encode_prelude(head) if self._is_http else b""
        media_type = head.get("content-type") or "application/octet-stream"
        self._native.begin(MEDIA_TYPE if self._is_http else media_type)
        self.has_begun = True
        self.put(prelude + data)
        if not prelude and not data:
            self.push()


def _is_client_gone(error: PeerError) -> bool:
    return isinstance(error, AnsweredEarlyError) and error.status == _GONE


def _byte_count(body: bytes) -> int | None:
    try:
        count = json.loads(body)["bytes"]
    except (ValueError, TypeError, KeyError):
        return None
    return count if type(count) is int else None
