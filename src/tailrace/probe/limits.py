"""Bounds and time-outs of the probe and its companion: see `tailrace.limits`."""

from __future__ import annotations

from tailrace.limits import (
    FLUSH_PAD_BYTES_MAX,
    KIB,
    MIB,
    STREAM_BURST_BYTES,
    STREAM_RESPONSE_BYTES_MAX,
)

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final

# --- the probe's clock and sweep ---------------------------------------------------------------

CLOCK_DRIFT_PPM: Final = 500.0
"""How fast the function's clock may move against the client's: as fast as a clock runs while NTP
corrects it (MAXFREQ of RFC 5905, and of Linux in timex.h). Left alone, a crystal is off by 50 to
100 ppm. chrony may correct faster; that counts as a clock that was set."""
CLOCK_TICK_S: Final = 1e-6
"""Contradictions between samples up to this are rounding: of clocks that count microseconds, and of
an epoch in a float."""
PROBE_SWEEP_LOW_BYTES: Final = 256
"""The smallest chunk of a sweep: twice what a chunk of the companion takes to name its time."""
PROBE_SWEEP_HIGH_BYTES: Final = MIB
"""The largest: ten times the largest threshold that was reported of Lambda."""
PROBE_SWEEP_STEP: Final = 4
"""By so much each chunk is larger than the last until one gets through. Upwards from below: above
a threshold what is left over of a chunk may be held, too."""
PROBE_SWEEP_TOLERANCE: Final = 0.01
"""How exactly a sweep finds the threshold."""
PROBE_SWEEP_REQUESTS_MAX: Final = 19
"""Responses that a sweep measures at the most: 7 to get through, 8 to halve a factor of 4 down to
1 %, 2 to look again, 2 to spare."""
PROBE_SWEEP_INTERVAL_S: Final = 0.1
"""The shortest pause between the two chunks of such a response: longer than a busy machine stalls.
It is 4 times what the path and the clock's bound take, if that is more."""
PROBE_SWEEP_INTERVAL_S_MAX: Final = 5.0
"""The longest such pause."""
PROBE_SWEEP_UNCLEAR_MAX: Final = 4
"""Answers one after another that decide nothing; then the sweep gives up."""

# --- the probe's measurement -------------------------------------------------------------------

PROBE_COUNT_MAX: Final = 10_000
"""Chunks that the companion writes for one request."""
PROBE_SIZE_BYTES_MAX: Final = STREAM_BURST_BYTES
"""Size of such a chunk: beyond it the rate of the path is measured, not its delay."""
PROBE_INTERVAL_MS_MAX: Final = 900_000
"""Longest pause between two of them: as long as a function runs."""
PROBE_PAD_BYTES_MAX: Final = FLUSH_PAD_BYTES_MAX
"""Padding behind such a chunk."""
PROBE_STREAM_BYTES_MAX: Final = STREAM_RESPONSE_BYTES_MAX
"""All chunks and padding that the companion writes for one request: more than Lambda streams is no
use, and strangers may ask."""
PROBE_PINGS: Final = 8
"""Round trips before a stream, and as many after it: the quickest of them counts most."""
PROBE_BUSY_PAUSES_S: Final = (0.1, 0.5)
"""Pauses before a ping or the stream is asked for again, where the function's only environment is
not quite done with the ping before (429)."""
PROBE_TIMEOUT_S: Final = 30.0
"""How long the probe waits for a connection, for a head, and for the next byte."""
PROBE_DURATION_S: Final = 900.0
"""How long one response is measured: as long as a function runs. Some streams have no end."""
PROBE_BODY_BYTES_MAX: Final = 4 * 1024 * MIB
"""How much of one response is measured."""
PROBE_RECORDED_MAX: Final = 100_000
"""Reads, and chunks, of one response that are recorded one by one: 20 MB of records. The rest of
the response is counted."""
PROBE_READ_S_MAX: Final = 2.0
"""Work on what a single read says when it is decompressed; what takes longer cannot be timed."""
PROBE_ANSWER_BYTES_MAX: Final = 64 * KIB
"""Answer to a ping; more cannot be one."""
PROBE_REDIRECTS_MAX: Final = 10
"""Redirects that are followed, as many as browsers' half (Fetch, HTTP-redirect: 20)."""
PROBE_APART_S: Final = 0.01
"""Chunks that were written so far apart are meant to arrive one by one."""
PROBE_TOGETHER_S: Final = 0.001
"""What arrives within so short a time arrived together, be it in one read or in two."""
