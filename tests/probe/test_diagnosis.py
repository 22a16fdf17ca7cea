"""What is said of a response: the pattern, what it is typical of, and nothing that is not known."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest
from tests.probe.hop_models import (
    LAMBDA,
    WAYS,
    Hop,
    Way,
    at_end,
    blocks,
    buffer,
    looked_at_first,
    measured,
    nothing,
    timer,
)

from tailrace.probe.diagnosis import Kind, diagnose
from tailrace.probe.record import Reading

NGINX = (("server", "nginx/1.22.1"), ("content-type", "text/plain"))
HELD = [name for name, way in WAYS.items() if way.kind != "on-time"]


@pytest.mark.parametrize("name", HELD)
def test_who_did_it_is_not_claimed(name: str) -> None:
    """From the ends of a way nobody sees who in its middle held a chunk."""
    way = WAYS[name]
    said = diagnose(measured(way.hop, **way.options, headers=NGINX))

    assert said.kind == way.kind
    assert "typical of" in said.words or "has been reported of" in said.words
    assert "`server: nginx/1.22.1` is a mark of nginx." in said.evidence


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_words_are_sentences(way: Way) -> None:
    for has_companion in (True, False):
        reading = measured(way.hop, **way.options, has_companion=has_companion)
        said = diagnose(reading)

        for text in (said.words, *said.advice):
            assert re.fullmatch(r"[A-Z0-9`].*[.]", text), text
            assert not re.search(r"  |\.\.|None|nan|inf\b|\d{6}", text), text


def test_on_time_is_said_with_figures() -> None:
    said = diagnose(measured(nothing))

    assert said.words == (
        "Every chunk was on time: half of them took 2 ms or less, the slowest 2 ms."
    )
    assert said.advice == ()


def test_a_single_late_chunk_is_no_pattern() -> None:
    said = diagnose(measured(nothing, hiccups=[0, 0, 0, 0.08]))

    assert said.kind == "on-time"
    assert said.words == (
        "The chunks were on time: most of them took 2 ms or less. "
        "Now and then one took longer, up to 82 ms, in no pattern."
    )


def test_lambdas_hold_back_is_described_with_its_cures() -> None:
    said = diagnose(measured(LAMBDA))

    assert said.words.startswith(
        "Each chunk was held until the next one was written, and the first 2 until write 3; "
        "the last one came with the end. Such a pattern has been reported of Lambda's own"
    )
    assert "`flush()`" in said.advice[0] and "callback gateway" in said.advice[0]
    assert "`--sweep`" in said.advice[1]


@pytest.mark.parametrize("hop", [LAMBDA, buffer(15_000)])
def test_nothing_is_said_of_an_end_that_was_not_seen(hop: Hop) -> None:
    reading = measured(hop, size=4_000, count=20)

    assert "came with the end" in diagnose(reading).words
    stopped = diagnose(dataclasses.replace(reading, stopped="it was interrupted"))
    assert stopped.kind == diagnose(reading).kind
    assert "the end" not in stopped.words


def test_padding_that_was_too_little_is_named() -> None:
    reading = measured(looked_at_first(3))

    assert not any("--pad" in text for text in diagnose(reading).advice)
    padded = diagnose(dataclasses.replace(reading, padded_bytes=10_000))
    assert padded.advice[-1] == (
        "Flushes with 10,000 bytes of padding did not push everything out: try more (`--pad`)."
    )
    assert "Each padding is a write, too." in padded.words
    assert "to scan it" not in padded.words


def test_a_buffers_size_is_said() -> None:
    exact = diagnose(measured(blocks(4096), size=700, count=24))
    between = diagnose(measured(buffer(15_000), size=4_000, count=20))

    assert "fills a buffer of 4,096 bytes;" in exact.words
    assert "a buffer of between 12,001 bytes and 16,000 bytes;" in between.words


def test_a_time_is_said() -> None:
    said = diagnose(measured(timer(0.25)))

    assert said.words.startswith("Bytes were held for about 252 ms, whatever was written")


def test_a_time_shorter_than_a_pause_is_set_beside_a_round_trip() -> None:
    said = diagnose(measured(timer(0.2), interval_s=0.5))

    assert said.words.startswith(
        "Each chunk came about 202 ms after it was written, where a round trip takes 5 ms: "
        "something held it for that time."
    )


def test_nothing_takes_less_than_no_time() -> None:
    """A clock that is not exact makes chunks come before they were written."""
    said = diagnose(measured(nothing, path_s=0, skew_s=0.004, uncertainty_s=0.005))

    assert "took 0 ms or less, the slowest 0 ms" in said.words


def test_a_beginning_that_was_looked_at_is_said() -> None:
    said = diagnose(measured(looked_at_first(3)))

    assert said.words.startswith(
        "The first 3 chunks were held for 202 ms (192 bytes); those after that were on time."
    )


def test_advice_at_the_end_tells_a_buffer_apart() -> None:
    """Whoever follows it sees the buffer, which a small body did not fill."""
    options = {"count": 12}
    said = diagnose(measured(blocks(4096), **options))
    assert said.kind == "at-the-end"
    (size,) = (int(match[1]) for text in said.advice if (match := re.search(r"--size (\d+)", text)))

    again = diagnose(measured(blocks(4096), **options, size=size))

    assert again.kind == "fixed-buffer"
    assert diagnose(measured(at_end, **options, size=size)).kind == "at-the-end"


def test_advice_is_about_whoever_left_a_mark() -> None:
    hops = {
        "nginx": (("server", "nginx"),),
        "Caddy": (("server", "Caddy"),),
        "Envoy": (("server", "envoy"),),
        "Apache": (("server", "Apache/2.4.62"),),
        "Varnish": (("via", "1.1 varnish"),),
        "CloudFront": (("x-amz-cf-id", "Zg=="),),
        "Cloudflare": (("cf-ray", "8f1"),),
        "An ALB": (("server", "awselb/2.0"),),
    }
    for name, headers in hops.items():
        assert diagnose(measured(at_end, headers=headers)).advice[0].startswith(name)
        assert diagnose(measured(nothing, headers=headers)).advice == ()


def test_compression_is_suspected_not_convicted() -> None:
    said = diagnose(measured(at_end, headers=(*NGINX, ("content-encoding", "gzip"))))

    assert "Whether it was the compressor, a measurement without compression tells." in said.words
    assert "`content-encoding: gzip`: somebody compressed the body." in said.evidence
    assert "Measure again without `--compressed`, if it was given." in said.advice


def irregular(writes: Sequence[tuple[float, int]], end_s: float) -> list[tuple[float, int]]:
    """Groups of two, five, one and four chunks, at moments of their own."""
    sizes = [size for _, size in writes]
    starts, ends = (0, 2, 7, 8), (2, 7, 8, 12)
    moments = (0.35, 0.77, 1.02, 1.24)
    return [(at, sum(sizes[a:b])) for at, a, b in zip(moments, starts, ends, strict=True)]


def test_groups_without_a_rule_are_called_so_or_compression() -> None:
    plain = diagnose(measured(irregular, count=12, size=3_000))
    coded = diagnose(
        measured(irregular, count=12, size=3_000, headers=(("content-encoding", "gzip"),))
    )

    assert plain.words.startswith("12 chunks, written one by one, came in 4 groups. Neither")
    assert (plain.kind, coded.kind) == ("merged", "compression")


def test_a_broken_response_is_called_so_first() -> None:
    reading = dataclasses.replace(measured(nothing), broken="the connection was closed")

    said = diagnose(reading)

    assert said.words.startswith("The response broke off: the connection was closed. Every chunk")


def test_an_unsure_clock_makes_for_other_advice() -> None:
    said = diagnose(measured(nothing, uncertainty_s=0.3, skew_s=0.2))

    assert said.words == (
        "No pattern can be named: the function's clock is known to within 300 ms only, and the "
        "pauses between writes were 100 ms; the chunks came one by one."
    )
    assert said.advice == ("Measure with more chunks and longer pauses (`--count`, `--interval`).",)


# --- without the companion ---------------------------------------------------------------------


def without(reading: Reading) -> Reading:
    return dataclasses.replace(
        reading,
        unit="event",
        clock=None,
        interval_s=None,
        environment=None,
        chunks=tuple(dataclasses.replace(chunk, written_s=None) for chunk in reading.chunks),
    )


@pytest.mark.parametrize("name", list(WAYS))
def test_without_a_companion_nothing_is_said_of_lateness(name: str) -> None:
    way = WAYS[name]
    said = diagnose(without(measured(way.hop, **way.options)))

    assert "What was written when, only a companion could tell." in said.words
    assert "late" not in said.words and "on time" not in said.words


def test_merged_events_may_have_been_written_so() -> None:
    said = diagnose(without(measured(timer(0.25))))

    assert said.words == (
        "10 events came in 4 groups. They may have been written so, or something on the way may "
        "have held them back. What was written when, only a companion could tell."
    )


def test_a_few_that_came_together_are_no_proof_that_nothing_was_held() -> None:
    alone, held = diagnose(without(measured(nothing))), diagnose(without(measured(LAMBDA)))

    assert alone.kind == held.kind == "one-by-one"
    assert "no sign that anything was held back" in alone.words and not alone.advice
    assert "no sign" not in held.words
    assert "Those that came together may have been written so, or held until then." in held.words


def test_without_a_companion_one_is_advised_where_it_would_tell_more() -> None:
    for hop in (at_end, timer(0.25), LAMBDA):
        assert "Measure the companion" in diagnose(without(measured(hop))).advice[-1]
        assert not any("companion" in text for text in diagnose(measured(hop)).advice)


def test_a_page_that_is_there_at_once_is_said_to_be() -> None:
    page = dataclasses.replace(without(measured(nothing)), unit="read", head_s=0.052)
    (*_, last) = page.chunks
    page = dataclasses.replace(page, chunks=(last,), ended_s=last.arrived_s)

    assert diagnose(page).words.startswith(
        "The whole body came at once, 952 ms after the request; the head had come 900 ms before. "
    )


def test_a_head_that_came_long_before_its_body_is_told() -> None:
    said = diagnose(without(measured(at_end)))

    assert said.words.startswith(
        "All 10 events came together, 1.1 s after the request; the head had come 1.0 s before."
    )


def test_times_of_a_companion_that_could_not_be_used_are_not_asked_for_again() -> None:
    reading = dataclasses.replace(without(measured(nothing)), unit="chunk", environment="e1")

    assert diagnose(reading).words.endswith("the companion's times could not be used.")


def test_every_kind_is_met() -> None:
    """So that none is without words."""
    met = {diagnose(measured(way.hop, **way.options)).kind for way in WAYS.values()}
    met |= {diagnose(without(measured(hop))).kind for hop in (nothing, at_end, timer(0.25))}
    met.add(diagnose(measured(at_end, headers=(("content-encoding", "br"),))).kind)
    met.add(diagnose(measured(nothing, count=2)).kind)

    assert met == set(get_args(Kind))


def test_the_documentation_explains_every_kind() -> None:
    page = Path(__file__).parents[2] / "docs" / "how-to" / "why-is-my-stream-late.md"

    rows = re.findall(r"^\| `([a-z-]+)` \| \w", page.read_text(), re.MULTILINE)

    assert sorted(rows) == sorted(get_args(Kind))
