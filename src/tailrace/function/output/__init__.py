"""The output of a response: an encoder, flushes, and a transport.

    transport   `UploadTransport`: a callback, or a native stream; `ResultTransport`: a result
    encoder     `RAW`, `PRELUDE`, `FRAMES`
    flushes     `Flushes` where Lambda holds small writes back; None elsewhere

`invocation` composes one of each for an event. To add a transport or an encoder, implement its
protocol and compose it there; nothing else changes.
"""

from __future__ import annotations

from tailrace.records import Protocol

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

    from tailrace.function.failure import Failure
    from tailrace.function.flush.flusher import Flusher
    from tailrace.function.flush.policy import FlushPolicy
    from tailrace.function.output.encoder import Encoder
    from tailrace.function.output.flushes import Flushes
    from tailrace.function.output.upload import UploadTransport
    from tailrace.wire.integration import Head


class OutputTransport(Protocol):
    """Carries one response. Only `drain` blocks; every method may raise ClientDisconnected."""

    @property
    def peer(self) -> UploadTransport | None:
        """The transport itself if it sends while the handler runs; None if it collects."""

    @property
    def has_unsent(self) -> bool:
        """Whether bytes wait to be sent."""

    def keep_result(self, result: object) -> bool:
        """Keep a plain result unchanged; return False if it must be written as a response."""

    def start(self, head: Head, media_type: str) -> None:
        """Start the response; `media_type` is that of the encoded response."""

    def send(self, data: bytes) -> None:
        """Send encoded bytes."""

    def push(self) -> None:
        """Send what is queued; no bytes follow it now."""

    def look(self) -> None:
        """Check whether the client has left."""

    def drain(self) -> None:
        """Block until there is room for more."""

    def end(self) -> None:
        """End the response: it is complete."""

    def abort(self) -> None:
        """Abort the response: it is visibly incomplete."""


class Output:
    """Writes one response: one head, then body bytes, then the end.

    Nothing blocks but `drain`. Every method may raise ClientDisconnected.
    """

    __slots__ = ("_encoder", "abort", "body_bytes", "drain", "flushes", "look", "transport")

    def __init__(
        self, transport: OutputTransport, encoder: Encoder, flushes: Flushes | None = None
    ) -> None:
        self.transport: Final = transport
        self.flushes: Final = flushes
        self.body_bytes = 0
        self._encoder = encoder
        # Bound directly, to save a call for each chunk.
        self.look: Final = transport.look
        self.drain: Final = transport.drain
        self.abort: Final = transport.abort

    def start(self, head: Head, data: bytes) -> None:
        """Send the head, and the first body bytes with it."""
        pieces, encoder = self._encoder.start(head, data)
        self._encoder = encoder
        self.body_bytes = len(data)
        self.transport.start(head, encoder.media_type(head))
        for piece in pieces:
            self.transport.send(piece)
        if not pieces:
            self.transport.push()
        if self.flushes is not None:
            # After the first bytes were sent: imports and scanning must not delay them.
            self._send_padding(self.flushes.start(head, data, is_framed=encoder.is_framed))
            if self.flushes.on_held is not None:
                self.flushes.on_held()

    def write(self, data: bytes) -> None:
        """Send body bytes."""
        self.body_bytes += len(data)
        flushes = self.flushes
        flusher = None if flushes is None else flushes.flusher
        if flushes is not None and flusher is not None and flusher.is_pending:
            self._send_split(flusher.split(data, flushes.now_s()))
        else:
            for piece in self._encoder.data(data):
                self.transport.send(piece)
            if flushes is None or flusher is None:
                return
            padding = flusher.note(data, flushes.now_s())
            if padding:
                self._send_padding(padding)
        if flushes.on_held is not None:
            flushes.on_held()

    def set_flush_policy(self, policy: FlushPolicy | None) -> None:
        """Set, before the head, when held bytes are flushed; None is "explicit"."""
        if self.flushes is not None:
            self.flushes.policy = policy

    def flush(self) -> None:
        """Flush what is held back between here and the client.

        Raises:
            FlushError: no padding may be added to this response.
        """
        if self._flusher is not None:
            self._send_padding(self._flusher.flush())

    def expire(self, now_s: float) -> None:
        """Flush what is held back, if nothing was written for the policy's quiet time."""
        if self._flusher is not None:
            is_blocked = self.transport.has_unsent
            self._send_padding(self._flusher.expire(now_s, is_blocked=is_blocked))

    @property
    def flush_counts(self) -> tuple[int, int, int]:
        """Flushes, those of them that had to wait for a place, and bytes of padding."""
        return (0, 0, 0) if self._flusher is None else self._flusher.counts

    def write_error(self, failure: Failure) -> None:
        """Write the reason why the response is aborted, if the encoding has a place for it."""
        error = self._encoder.error(failure)
        if error:
            self.transport.send(error)

    def end(self) -> None:
        """End the response: it is complete."""
        last = self._encoder.end(self.body_bytes)
        if last:
            self.transport.send(last)
        if self._flusher is not None:
            self._flusher.end()
        self.transport.end()

    @property
    def _flusher(self) -> Flusher | None:
        """What decides on padding, from the head on."""
        return None if self.flushes is None else self.flushes.flusher

    def _send_padding(self, padding: bytes) -> None:
        if padding:
            self.transport.send(self._encoder.padding(padding))

    def _send_split(self, pieces: Iterable[bytes]) -> None:
        """Send pieces that are body bytes and padding in turn."""
        for number, piece in enumerate(pieces):
            if number % 2:
                self._send_padding(piece)
                continue
            for encoded in self._encoder.data(piece):
                self.transport.send(encoded)
