"""The transport of responses that are sent while the handler runs."""

from __future__ import annotations

import logging

from tailrace.errors import ClientDisconnected, PeerError

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from tailrace.net.blocking.upload import Upload
    from tailrace.wire.integration import Head

logger = logging.getLogger("tailrace.function")

GONE: Final = 410
"""The status of the gateway's answer after the client has left."""


class UploadTransport:
    """Sends a response as the body of an upload: to the gateway's callback, or to the Runtime API.

    `start_upload`, if given, is called with the content type before the first bytes, and queues the
    request's head. `keeps_results`: a plain result is stored in `result`, and not uploaded.

    `loss` is the reason why no more can be sent, None until then. `on_loss` is called once, when
    `loss` is set.
    """

    __slots__ = (
        "_keeps_results",
        "_start_upload",
        "has_started",
        "is_ended",
        "loss",
        "on_loss",
        "result",
        "upload",
    )

    def __init__(
        self,
        upload: Upload,
        start_upload: Callable[[str], None] | None = None,
        *,
        keeps_results: bool = False,
    ) -> None:
        self.upload: Final = upload
        self.loss: str | None = None
        self.on_loss: Callable[[], None] | None = None
        self.has_started = False
        self.is_ended = False
        self.result: object = None
        self._start_upload = start_upload
        self._keeps_results = keeps_results

    @property
    def peer(self) -> UploadTransport:
        return self

    @property
    def has_unsent(self) -> bool:
        return self.upload.has_unsent

    def keep_result(self, result: object) -> bool:
        if self._keeps_results:
            self.result = result
        return self._keeps_results

    def start(self, head: Head, media_type: str) -> None:
        if self._start_upload is not None:
            self._start_upload(media_type)
        self.has_started = True

    def send(self, data: bytes) -> None:
        if self.loss is not None:
            raise ClientDisconnected(self.loss)
        try:
            self.upload.put(data)
        except PeerError as error:
            raise self.lose(error) from error

    def push(self) -> None:
        if self.loss is not None:
            raise ClientDisconnected(self.loss)
        try:
            self.upload.push()
        except PeerError as error:
            raise self.lose(error) from error

    def look(self) -> None:
        if self.loss is not None:
            raise ClientDisconnected(self.loss)
        try:
            self.upload.look()
        except PeerError as error:
            raise self.lose(error) from error

    def drain(self) -> None:
        try:
            self.upload.drain()
        except PeerError as error:
            raise self.lose(error) from error

    def end(self) -> None:
        if self.loss is not None:
            raise ClientDisconnected(self.loss)
        try:
            self.upload.put_end()
        except PeerError as error:
            raise self.lose(error) from error
        self.is_ended = True

    def abort(self) -> None:
        if self.is_ended and not self.upload.has_unsent:
            self.upload.close()  # it is complete; a reset could discard bytes that the peer needs
            return
        self.upload.abort()

    def lose(self, error: PeerError) -> ClientDisconnected:
        """Set `loss`, because the peer reads no more; return the exception for the writer."""
        if self.loss is None:
            self.loss = f"nobody takes the response any more: {error}"
            if self.on_loss is not None:
                self.on_loss()
            # Imported here: few responses are aborted.
            from tailrace.wire.capability import redact

            level = logging.INFO if error.status == GONE else logging.WARNING
            logger.log(level, "the response was cut short: %s", redact(str(error)))
        return ClientDisconnected(self.loss)
