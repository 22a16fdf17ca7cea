"""Where a response goes: a callback to the gateway, or the function's own result.

The third way, Lambda's native streaming, will be one more sink.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any, Final, Protocol

from tailrace.errors import (
    AnsweredEarlyError,
    CallbackRefusedError,
    ClientDisconnected,
    PeerError,
    ResponseTooLargeError,
)
from tailrace.limits import BUFFERED_RESPONSE_BYTES_MAX
from tailrace.net.http_answer import Answer
from tailrace.net.http_client import Upload, open_upload
from tailrace.wire.capability import EXCHANGE_FIELD, redact
from tailrace.wire.http_event import result_from_response
from tailrace.wire.integration import MEDIA_TYPE, Head, encode_prelude

logger = logging.getLogger("tailrace.function")

_GONE: Final = 410
_NOT_THE_GATEWAY: Final = (
    "something between here and the gateway answers in its place: end TLS there at layer 4, with no"
    " HTTP proxy"
)


class Sink(Protocol):
    """Takes one head, then body bytes, then the end; nothing of it blocks but `drain`.

    All of it may raise `ClientDisconnected`.
    """

    def keep_result(self, result: object) -> bool:
        """Take a plain result as it is; False when it must be sent as a response."""

    def put_head(self, head: Head, data: bytes) -> None:
        """Take the head, and the first body bytes with it."""

    def put(self, data: bytes) -> None:
        """Take body bytes."""

    def put_end(self) -> None:
        """The response is complete."""

    def look(self) -> None:
        """See whether the client is still there."""

    def drain(self) -> None:
        """Block until there is room again."""

    def abort(self) -> None:
        """Make it visible that the response will never be complete."""


class CallbackSink:
    """Sends the response to the gateway as it is made.

    `loss` says, from then on, why nobody takes the response any more; `on_loss` is called once.
    """

    def __init__(self, upload: Upload) -> None:
        self.upload = upload
        self.loss: str | None = None
        self.on_loss: Callable[[], None] | None = None
        self._body_bytes = 0
        self._is_ended = self._is_aborted = False

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

    def keep_result(self, result: object) -> bool:
        return False

    def put_head(self, head: Head, data: bytes) -> None:
        self._put(encode_prelude(head) + data, len(data))

    def put(self, data: bytes) -> None:
        self._put(data, len(data))

    def _put(self, data: bytes, body_bytes: int) -> None:
        self._raise_if_lost()
        self._body_bytes += body_bytes
        try:
            self.upload.put(data)
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
            self.upload.close()  # it is complete; a reset could still take bytes from the gateway
            return
        self._is_aborted = True
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

    def finish(self, timeout_s: float) -> None:
        """Wait for the gateway's last word, if one is due, and close the callback."""
        if self._is_ended and self.loss is None and not self._is_aborted:
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


class BufferedSink:
    """Collects the response, to be returned from the function."""

    def __init__(self, *, is_http: bool) -> None:
        self._is_http = is_http
        self._head = Head()
        self._pieces: list[bytes] = []
        self._size = 0
        self._result: object = None
        self._has_result = False

    def keep_result(self, result: object) -> bool:
        self._result = result
        self._has_result = True
        return True

    def put_head(self, head: Head, data: bytes) -> None:
        self._head = head
        self.put(data)

    def put(self, data: bytes) -> None:
        self._size += len(data)
        _check_size(self._size)
        self._pieces.append(data)

    def put_end(self) -> None: ...

    def look(self) -> None: ...

    def drain(self) -> None: ...

    def abort(self) -> None: ...

    def result(self, *, is_text: bool) -> Any:
        """Return what the function returns.

        For an HTTP event a result of format 2.0. For any other event the body itself: str when
        all chunks were str, otherwise bytes, which Lambda's Python runtimes hand out as they are.

        Raises:
            ResponseTooLargeError: in base64 it is over Lambda's limit.
        """
        if self._has_result:
            return self._result
        body = b"".join(self._pieces)
        if not self._is_http:
            return body.decode("utf-8") if is_text else body
        result = result_from_response(self._head, body)
        _check_size(len(result["body"]))
        return result


def _check_size(size: int) -> None:
    if size > BUFFERED_RESPONSE_BYTES_MAX:
        raise ResponseTooLargeError(
            f"the response is over {BUFFERED_RESPONSE_BYTES_MAX} bytes, all that Lambda returns"
            " from a buffered invocation; a streamed one has no such limit"
        )


def _is_client_gone(error: PeerError) -> bool:
    return isinstance(error, AnsweredEarlyError) and error.status == _GONE


def _byte_count(body: bytes) -> int | None:
    try:
        count = json.loads(body)["bytes"]
    except (ValueError, TypeError, KeyError):
        return None
    return count if type(count) is int else None
