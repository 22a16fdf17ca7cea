"""What a measured response says about its way, in words.

The words keep apart what was seen (how chunks came), what such a pattern is typical of, and what
the response's own head says. Who held a chunk back cannot be seen from the ends of the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from tailrace.probe.pattern import Kind, find_pattern
from tailrace.probe.quantity import duration, exact_size
from tailrace.probe.record import Reading
from tailrace.probe.signs import Hop, find_signs

__all__ = ["Diagnosis", "Kind", "diagnose"]

_Figures = Mapping[str, float]
BUFFER_BYTES_USUAL: Final = 128 * 1024
"""Larger than the buffers that hops usually have."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a response shows."""

    kind: Kind
    findings: str
    """Sentences for people: what was seen, and what it is typical of."""
    evidence: tuple[str, ...] = ()
    """What the response's head says, a sentence for each header."""
    advice: tuple[str, ...] = ()
    """What to change or to measure next."""
    figures: _Figures = field(default_factory=dict)
    """The pattern's figures by name, each with its unit: `held_s`, `buffer_bytes_min` …"""
    trouble: str | None = None
    """That the response broke off, and how; one sentence."""

    @property
    def words(self) -> str:
        """The trouble and the findings."""
        return self.findings if self.trouble is None else f"{self.trouble} {self.findings}"


def diagnose(reading: Reading) -> Diagnosis:
    """Say what a response shows, and what it cannot show."""
    pattern = find_pattern(reading)
    signs = find_signs(reading)
    kind, figures = pattern.kind, pattern.figures
    broken, sentences = reading.broken, []
    if kind == "cannot-tell":
        sentences.append(f"No pattern can be named: {pattern.reason}.")
    elif any(chunk.written_s is not None for chunk in reading.chunks):
        typical = _TYPICAL.get(kind, "")
        if kind == "held-at-first" and reading.padded_bytes:
            typical = _PADDED_AT_FIRST
        sentences += [_WITH_COMPANION[kind](reading, figures), typical]
    else:
        sentences += [_WITHOUT[kind](reading, figures), _WEAKER[kind]]
        sentences.append(_UNKNOWN if reading.environment is None else _UNUSABLE)
    return Diagnosis(
        kind,
        " ".join(sentence for sentence in sentences if sentence),
        tuple(f"{sign.text}." for sign in signs),
        tuple(_advice(reading, kind, figures, [sign.hop for sign in signs if sign.hop])),
        figures,
        trouble=None if broken is None else f"The response broke off: {broken}.",
    )


# --- what was seen -----------------------------------------------------------------------------


def _on_time(reading: Reading, figures: _Figures) -> str:
    late = sorted(_late(reading))
    usual = late[int(0.7 * (len(late) - 1))]
    if late[-1] > 3 * usual and late[-1] > 0.35 * (reading.interval_s or 0.0):
        return (
            f"The chunks were on time: most of them took {duration(usual)} or less. "
            f"Now and then one took longer, up to {duration(late[-1])}, in no pattern."
        )
    return (
        f"Every chunk was on time: half of them took {duration(median(late))} or less, "
        f"the slowest {duration(late[-1])}."
    )


def _next_write(reading: Reading, figures: _Figures) -> str:
    text = "Each chunk was held until the next one was written"
    first = int(figures["first_writes"])
    if first > 2:
        text += f", and the first {first - 1} until write {first}"
    return f"{text}." if reading.stopped is not None else f"{text}; the last one came with the end."


def _for_a_time(reading: Reading, figures: _Figures) -> str:
    clock = reading.clock
    if figures["held_s"] < (reading.interval_s or 0.0) and clock and clock.round_trip_s:
        return (
            f"Each chunk came about {duration(figures['held_s'])} after it was written, where a "
            f"round trip takes {duration(clock.round_trip_s)}: something held it for that time."
        )
    return (
        f"Bytes were held for about {duration(figures['held_s'])}, whatever was written meanwhile; "
        "what was written in that time came together."
    )


def _at_first(reading: Reading, figures: _Figures) -> str:
    count = int(figures["chunks"])
    what = "The first chunk was" if count == 1 else f"The first {count} chunks were"
    return (
        f"{what} held for {duration(figures['held_s'])} ({exact_size(figures['bytes'])}); "
        "those after that were on time."
    )


def _fixed_buffer(reading: Reading, figures: _Figures) -> str:
    low, high = figures["buffer_bytes_min"], figures["buffer_bytes_max"]
    size = exact_size(high)
    if low != high:
        size = f"between {exact_size(low)} and {size}"
    text = f"Bytes came in groups, each when so much had been written as fills a buffer of {size}"
    if reading.stopped is not None:
        return f"{text}."
    return f"{text}; what did not fill it came with the end."


def _blocks(reading: Reading, figures: _Figures) -> str:
    size = exact_size(figures["buffer_bytes_max"])
    return f"The body came in blocks of {size}, which does not go by what it consists of."


def _at_the_end(reading: Reading, figures: _Figures) -> str:
    late_s = max(_late(reading))
    return (
        f"All {len(reading.chunks)} chunks came together, {duration(late_s)} after the first of "
        "them was written: when the response ended."
    )


def _at_once(reading: Reading, figures: _Figures) -> str:
    count, first_s = len(reading.chunks), reading.chunks[0].arrived_s
    is_whole = reading.unit == "read" or count == 1
    what = (
        "The whole body came at once" if is_whole else f"All {count} {reading.unit}s came together"
    )
    text = f"{what}, {duration(first_s)} after the request"
    if reading.head_s < 0.5 * first_s:
        text += f"; the head had come {duration(first_s - reading.head_s)} before"
    return f"{text}."


def _irregular(reading: Reading, figures: _Figures) -> str:
    return (
        f"{int(figures['chunks'])} chunks, written one by one, came in {int(figures['groups'])} "
        "groups. Neither sizes nor times explain them."
    )


def _compression(reading: Reading, figures: _Figures) -> str:
    return "The chunks came together, and the body was compressed."


def _bandwidth(reading: Reading, figures: _Figures) -> str:
    text = f"Bytes came at a steady {exact_size(figures['rate_bytes_per_s'])} a second"
    if figures["burst_bytes"] >= 0.05 * reading.size:
        text += f", after about {exact_size(figures['burst_bytes'])} that came faster"
    return f"{text}: less than was to be written."


def _bandwidth_unasked(reading: Reading, figures: _Figures) -> str:
    return (
        f"About {exact_size(figures['burst_bytes'])} came fast, the rest at a steady "
        f"{exact_size(figures['rate_bytes_per_s'])} a second."
    )


def _one_by_one(reading: Reading, figures: _Figures) -> str:
    chunks, groups = int(figures["chunks"]), int(figures["groups"])
    text = f"{chunks} {reading.unit}s came at {groups} different moments"
    if groups < chunks:
        return f"{text}. Those that came together may have been written so, or held until then."
    return f"{text}: no sign that anything was held back."


def _merged(reading: Reading, figures: _Figures) -> str:
    return f"{int(figures['chunks'])} {reading.unit}s came in {int(figures['groups'])} groups."


_Seen = Callable[[Reading, _Figures], str]
_WITH_COMPANION: Final[dict[Kind, _Seen]] = {
    "on-time": _on_time,
    "held-until-next-write": _next_write,
    "held-for-a-time": _for_a_time,
    "held-at-first": _at_first,
    "fixed-buffer": _fixed_buffer,
    "at-the-end": _at_the_end,
    "compression": _compression,
    "bandwidth": _bandwidth,
    "merged": _irregular,
}
_WITHOUT: Final[dict[Kind, _Seen]] = {
    "at-the-end": _at_once,
    "fixed-buffer": _blocks,
    "compression": _compression,
    "bandwidth": _bandwidth_unasked,
    "one-by-one": _one_by_one,
    "merged": _merged,
}

# --- what it is typical of ---------------------------------------------------------------------

_TYPICAL: Final[dict[Kind, str]] = {
    "held-until-next-write": (
        "Such a pattern has been reported of Lambda's own response streams, where small writes "
        "wait for the next one; anything that looks at what it holds only when more comes in "
        "would show it too."
    ),
    "held-for-a-time": (
        "Such a pattern is typical of a flush interval, or of TCP: about 200 ms is how long Linux "
        "keeps a corked or incomplete segment, as HAProxy leaves it without `option "
        "http-no-delay`; about 40 ms is Nagle's algorithm waiting for a delayed acknowledgement."
    ),
    "held-at-first": (
        "Such a pattern is typical of a hop that looks at the beginning of a response before it "
        "passes it on (to scan it, to guess its type, to decide on compression), and of a slow "
        "start behind the function."
    ),
    "fixed-buffer": (
        "Such a pattern is typical of a proxy that fills a buffer before it passes it on: nginx "
        "with `proxy_buffering on` and an HTTP/1.0 upstream, a WSGI or FastCGI server, a pipe."
    ),
    "at-the-end": (
        "Such a pattern is typical of a hop that takes the whole response before it sends any: an "
        "ALB or API Gateway without streaming before Lambda, a Function URL in BUFFERED mode, "
        "Caddy's `buffer_responses`, nginx with `proxy_buffering on` and an HTTP/1.0 upstream. A "
        "buffer larger than this body would show the same."
    ),
    "merged": (
        "Such a pattern is typical of several hops that hold back, each in its own way, and of a "
        "machine or a network that stalls."
    ),
    "compression": (
        "A compressor holds bytes until it has enough of them, or is told to flush; nginx's "
        "`gzip on` is one. Whether it was the compressor, a measurement without compression tells."
    ),
    "bandwidth": (
        "Such a pattern is typical of a rate limit, or of a slow link. Lambda lets the first 6 MB "
        "of a stream through and then 2 MB a second."
    ),
}
_PADDED_AT_FIRST: Final = (
    "Each padding is a write, too. So it may be a hop where some writes must have come before the "
    "first one leaves, as has been reported of Lambda: too little padding then counts as one more."
)
_WEAKER: Final[dict[Kind, str]] = {
    "at-the-end": (
        "Either all was written at once, or something on the way held it until the end."
    ),
    "fixed-buffer": "That is typical of a buffer of this size on the way.",
    "compression": _TYPICAL["compression"],
    "bandwidth": _TYPICAL["bandwidth"],
    "merged": "They may have been written so, or something on the way may have held them back.",
    "one-by-one": "A delay of all of them alike would look the same.",
}
_UNKNOWN: Final = "What was written when, only a companion could tell."
_UNUSABLE: Final = "What was written when is not known: the companion's times could not be used."

# --- what to do --------------------------------------------------------------------------------

_HOLDING: Final = ("fixed-buffer", "at-the-end", "compression", "merged", "held-at-first")
_OF_HOPS: Final[dict[Hop, str]] = {
    "nginx": (
        "nginx: `proxy_buffering off;` and `proxy_http_version 1.1;`, or send "
        "`X-Accel-Buffering: no`; no `gzip` for this type."
    ),
    "Caddy": (
        "Caddy: no `buffer_responses` (or `response_buffers`), no `encode` for this type; where "
        "the length is known in advance, `flush_interval -1`."
    ),
    "Envoy": "Envoy: look for filters that hold responses (`file_system_buffer`, Lua, ext_proc).",
    "Apache": (
        "Apache: no `mod_deflate` for this type; `flushpackets=on` where it speaks FastCGI or AJP."
    ),
    "Varnish": "Varnish: `beresp.do_stream` must be true; no gzip or ESI for this type.",
    "CloudFront": "CloudFront passes chunks on as they come: look at what is behind it first.",
    "Cloudflare": (
        "Cloudflare holds what it can cache, and everything where Response Buffering is on: let "
        "it be neither."
    ),
    "ALB": "An ALB does not stream from a Lambda target: let it stand before the gateway instead.",
}


def _advice(reading: Reading, kind: Kind, figures: _Figures, hops: list[Hop]) -> Iterator[str]:
    if kind in _HOLDING:
        yield from (_OF_HOPS[hop] for hop in hops if hop in _OF_HOPS)
    if kind == "held-until-next-write":
        yield (
            "In the function: `flush()` where the reader should see something, or a flush policy; "
            "or let it answer through the callback gateway, which holds nothing back."
        )
        yield "`--sweep` finds how large a chunk must be to leave at once."
    if kind == "held-for-a-time":
        yield (
            "Look for a flush interval or latency in the settings of each hop, and for TCP_NODELAY "
            "(HAProxy: `option http-no-delay`)."
        )
    if kind == "compression":
        yield "Measure again without `--compressed`, if it was given."
    if kind in ("at-the-end", "fixed-buffer") and reading.unit == "chunk":
        size = -(-2 * BUFFER_BYTES_USUAL // max(1, len(reading.chunks)))
        if kind == "at-the-end" and reading.size < BUFFER_BYTES_USUAL:
            yield (
                f"Measure with larger chunks (`--size {size}`): if some then come earlier, it is a "
                "buffer of a fixed size that holds them."
            )
        else:
            yield "`--sweep` finds how large a chunk must be to leave at once."
    if reading.padded_bytes and kind in ("held-at-first", "held-until-next-write", "fixed-buffer"):
        yield (
            f"Flushes with {exact_size(reading.padded_bytes)} of padding did not push everything "
            "out: try more (`--pad`)."
        )
    is_joined = figures.get("groups", 0) < figures.get("chunks", 0)
    asks = kind in ("at-the-end", "fixed-buffer", "merged") or (kind == "one-by-one" and is_joined)
    if asks and reading.environment is None:
        yield (
            "Measure the companion (`tailrace.probe.handler`) on the same way: it says when it "
            "wrote what."
        )
    if kind == "cannot-tell" and reading.interval_s is not None:
        yield "Measure with more chunks and longer pauses (`--count`, `--interval`)."


# --- figures -----------------------------------------------------------------------------------


def _late(reading: Reading) -> list[float]:
    # Below zero they are because the clock is not known any better.
    return [max(0.0, chunk.late_s) for chunk in reading.chunks if chunk.late_s is not None]
