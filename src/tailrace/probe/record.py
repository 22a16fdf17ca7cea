"""What one measured response was: plain records, filled by `measure`, read by everything else.

All times are in seconds on the client's clock, counted from the moment its request was sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Unit: TypeAlias = Literal["chunk", "event", "line", "read"]
"""What a response was cut into: chunks of the companion, SSE events, NDJSON lines, or reads."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The function's clock beside the client's."""

    offset_s: float
    """Function's clock minus client's, in the middle of what is possible."""
    uncertainty_s: float
    """The true offset is within so much of it, at every moment of the response."""
    sample_count: int
    """Round trips to the environment that streamed which were of use; 0: causality alone."""
    round_trip_s: float | None
    """The smallest of them."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One read of the body."""

    at_s: float
    size: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """A unit of the body: when the last byte of it was there."""

    index: int
    size: int
    arrived_s: float
    written_s: float | None = None
    """When the function began to write it; unknown without the companion."""

    @property
    def late_s(self) -> float | None:
        """How long it was on its way, as exact as the clock is."""
        return None if self.written_s is None else self.arrived_s - self.written_s


@dataclass(frozen=True, slots=True)
class Reading:
    """One response, measured."""

    url: str
    status: int
    http_version: str
    headers: tuple[tuple[str, str], ...]
    """In order, names in lower case."""
    unit: Unit
    head_s: float
    """When the head was there."""
    ended_s: float
    """When the response was complete, or broke off."""
    size: int
    """Bytes of the body, as they came (before any decompression)."""
    arrivals: tuple[Arrival, ...]
    chunks: tuple[Chunk, ...]
    started_s: float | None = None
    """When the companion's handler was entered."""
    environment: str | None = None
    """The execution environment's name for itself."""
    clock: Clock | None = None
    interval_s: float | None = None
    """The pause between writes that was asked for."""
    broken: str | None = None
    """How it broke off; None when it is complete."""
    lacks_chunks: bool = False
    """Whether it ended cleanly before all chunks came that were asked for; `broken` says so."""
    padded_bytes: int = 0
    """Padding that was asked for, per chunk."""
    stopped: str | None = None
    """Why the probe did not want the rest of it; None when it was measured to its end."""
    redirects: tuple[str, ...] = ()
    """Where the URL sent us on to, in order; the last one is what was measured."""
    clock_words: str | None = None
    """What the bound of the clock rests upon, in a sentence; also why there is none."""

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return next((value for key, value in self.headers if key == name), None)
