"""What came of one answer: times and sizes of its reads, and where its units end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

from tailrace.probe import limits
from tailrace.probe.client import AnswerHead
from tailrace.probe.messages import Cut, Cutter, Decoder, cutter_for, decoder_for
from tailrace.probe.protocol import FIELD, VERSION, parse_parameters
from tailrace.probe.record import Chunk, Unit

Progress: TypeAlias = Callable[[Chunk], None]


class Recorder:
    """Takes one answer: times and sizes of its reads, ends of its units.

    Of the companion's answer to a ping, and of a refusal, `text` is the body. There is no progress
    when an answer that is for the companion turns out not to be its own.
    """

    def __init__(
        self,
        on_progress: Progress | None = None,
        *,
        is_ping: bool = True,
        is_for_companion: bool = False,
    ) -> None:
        self._on_progress = on_progress
        self._is_for_companion = is_for_companion
        self._is_ping = is_ping  # unless it turns out to come from something else
        self.is_companion = False
        self.is_unasked = False
        """Whether the companion streams where a ping was asked for."""
        self.said: dict[str, str] = {}
        self.text = b""
        self.reads: list[tuple[float, int]] = []  # perf_counter, bytes
        self.last_s = 0.0
        self.size = 0
        self.cuts: list[tuple[float, Cut]] = []
        self._sent_s = 0.0
        self._cut_bytes = 0  # up to the end of the last unit
        self._cutter: Cutter
        self._decoder: Decoder | None

    @property
    def unit(self) -> Unit:
        """What the body is cut into."""
        return self._cutter.unit

    def on_sent(self, sent_s: float) -> None:
        """The request goes out: what progress is counted from."""
        self._sent_s = sent_s

    def on_head(self, head: AnswerHead) -> None:
        field = head.fields.get(FIELD)
        self.said = {} if field is None else parse_parameters(field)
        self.is_companion = self.said.get("v") == str(VERSION)
        if self._is_for_companion and not self.is_companion:
            self._on_progress = None
        given_type = head.fields.get("content-type")
        self._is_ping = (self._is_ping or head.status >= 400) and self.is_companion
        is_stream = given_type is not None and "json" not in given_type.lower()
        self.is_unasked = self._is_ping and head.status == 200 and is_stream
        self._decoder = decoder_for(head.fields.get("content-encoding"))
        content_type = given_type if self._decoder is not None else None
        self._cutter = cutter_for(content_type, is_companion=self.is_companion)

    def on_read(self, at_s: float, data: bytes) -> str | None:
        """Called with the moment of a read; returns why no more is wanted."""
        self.last_s = at_s
        self.size += len(data)
        if len(self.reads) < limits.PROBE_RECORDED_MAX:
            self.reads.append((at_s, len(data)))
        if self._is_ping:
            self._take_text(data)
            is_long = self.is_unasked or len(self.text) > limits.PROBE_ANSWER_BYTES_MAX
            return "it is no answer to a ping" if is_long else None
        if not self._cut(at_s, data):
            return "its compressed body takes more time to read than to come"
        if self.size >= limits.PROBE_BODY_BYTES_MAX:
            return f"{limits.PROBE_BODY_BYTES_MAX} bytes were measured"
        return None

    def finish(self) -> None:
        """The body is complete."""
        if not self._is_ping:
            self._note(self.last_s, self._cutter.finish())

    def _take_text(self, data: bytes) -> None:
        if self._decoder is None:
            return
        try:
            for piece in self._decoder.feed(data):
                self.text += piece
                if len(self.text) > limits.PROBE_ANSWER_BYTES_MAX:
                    return
        except ValueError:
            self._decoder = None

    def _cut(self, at_s: float, data: bytes) -> bool:
        """Find what ends in these bytes; False when that takes so long that nothing can be timed.

        A few bytes may be gigabytes of tiny events.
        """
        if self._decoder is None or self._cutter.unit == "read":
            self._note(at_s, self._cutter.feed(data) if self._cutter.unit == "read" else [])
            return True
        end_s = time.thread_time() + limits.PROBE_READ_S_MAX
        try:
            for piece in self._decoder.feed(data):
                if time.thread_time() > end_s:
                    return False
                self._note(at_s, self._cutter.feed(piece))
        except ValueError:
            self._decoder = None  # what follows cannot be read either
        return True

    def _note(self, at_s: float, cuts: list[Cut]) -> None:
        for cut in cuts:
            if len(self.cuts) < limits.PROBE_RECORDED_MAX:
                self.cuts.append((at_s, cut))
            if self._on_progress is not None:
                size = cut.end - self._cut_bytes
                self._on_progress(Chunk(cut.index, size, at_s - self._sent_s))
            self._cut_bytes = cut.end
