"""The hold-back model: the published experiment, its variants, and what always holds."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.config import HoldBackConfig
from tailrace.emulator.function_urls.hold_back import (
    HoldBack,
    PreludeEnd,
    Shaper,
    ShapingRule,
)
from tailrace.limits import KIB, MIB, PRELUDE_BYTES_MAX, WITHHELD_BYTES_MAX

LINES = (b"1", b"2", b"3", b"4")


def arrivals(
    writes: list[tuple[float, bytes]], end_s: float, rule: HoldBackConfig
) -> list[tuple[float, bytes]]:
    """When which bytes leave; a hold time is met to the moment."""
    held = HoldBack(rule)
    seen: list[tuple[float, bytes]] = []
    for at_s, data in [*writes, (end_s, None)]:
        due_s = held.due_s
        if due_s <= at_s:
            seen.append((due_s, held.expire(due_s)))
        seen.append((at_s, held.end() if data is None else held.write(data, at_s)))
    return [(at_s, data) for at_s, data in seen if data]


def every_second(*lines: bytes) -> list[tuple[float, bytes]]:
    return [(float(second), line) for second, line in enumerate(lines)]


def test_the_published_experiment_whose_end_comes_a_second_later() -> None:
    """1 and 2 arrive together at 2 s, 3 at 3 s, 4 at 4 s."""
    assert arrivals(every_second(*LINES), 4.0, HoldBackConfig()) == [
        (2.0, b"12"),
        (3.0, b"3"),
        (4.0, b"4"),
    ]


def test_the_published_experiment_whose_end_comes_at_once() -> None:
    """1 and 2 arrive together at 2 s, 3 and 4 at 3 s."""
    seen = arrivals(every_second(*LINES), 3.0, HoldBackConfig())

    assert seen == [(2.0, b"12"), (3.0, b"3"), (3.0, b"4")]


@pytest.mark.parametrize(("padding", "is_on_time"), [(100_000, True), (10_000, False)])
def test_padding_helps_when_it_is_large_enough(padding: int, is_on_time: bool) -> None:
    lines = [line + b" " * (padding - 1) for line in LINES]
    seen = arrivals(every_second(*lines), 3.0, HoldBackConfig())

    assert (seen == every_second(*lines)) is is_on_time
    assert b"".join(data for _, data in seen) == b"".join(lines)


def test_two_writes_leave_with_the_end() -> None:
    assert arrivals(every_second(b"1", b"2"), 9.0, HoldBackConfig()) == [(9.0, b"12")]


def test_the_threshold_counts_what_is_held_together() -> None:
    rule = HoldBackConfig(threshold_bytes=15 * KIB)
    half = bytes(8 * KIB)

    assert arrivals(every_second(half, half), 9.0, rule) == [(1.0, half + half)]


def test_after_the_threshold_each_write_releases_those_before_it() -> None:
    rule = HoldBackConfig(threshold_bytes=10)

    assert arrivals(every_second(b"x" * 10, b"1", b"2"), 9.0, rule) == [
        (0.0, b"x" * 10),
        (2.0, b"1"),
        (9.0, b"2"),
    ]


def test_a_large_write_may_come_in_two_pieces() -> None:
    """A line of 100 KB leaves whole, however it was read."""
    held = HoldBack(HoldBackConfig())
    for second in range(3):
        assert held.write(bytes(65_536), second) == b""
        assert len(held.write(bytes(34_464), second)) == 100_000


def test_a_buffer_of_a_fixed_size() -> None:
    rule = HoldBackConfig(first_writes=0, threshold_bytes=4)

    assert arrivals(every_second(b"1", b"2", b"345", b"6", b"7"), 9.0, rule) == [
        (2.0, b"12345"),
        (9.0, b"67"),
    ]


def test_a_hold_time_releases_what_no_write_follows() -> None:
    rule = HoldBackConfig(hold_s=1.5)

    assert arrivals([(0.0, b"1"), (1.0, b"2"), (8.0, b"3")], 20.0, rule) == [
        (1.5, b"12"),
        (9.5, b"3"),
    ]


def test_nothing_is_due_while_nothing_is_held() -> None:
    held = HoldBack(HoldBackConfig(hold_s=1.0))
    assert held.due_s == inf
    held.write(b"1", 5.0)
    assert held.due_s == 6.0
    assert (held.expire(5.9), held.expire(6.0), held.due_s) == (b"", b"1", inf)


@given(
    st.lists(st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=4), max_size=9),
    st.integers(0, 4),
    st.integers(1, 30),
    st.booleans(),
)
def test_a_write_is_one_however_it_is_read(
    writes: list[list[bytes]], first_writes: int, threshold_bytes: int, is_joined: bool
) -> None:
    rule = HoldBackConfig(
        first_writes=first_writes, threshold_bytes=threshold_bytes, withhold_joined=is_joined
    )
    whole, in_parts = HoldBack(rule), HoldBack(rule)

    for held in (whole, in_parts):
        assert held.begin(0.0, b"head", is_joined=is_joined) in (b"", b"head")
    for parts in writes:
        released = whole.write(b"".join(parts), 1.0)
        read = [in_parts.write(part, 1.0, is_rest=n > 0) for n, part in enumerate(parts)]

        assert b"".join(read) == released

    assert in_parts.end() == whole.end()
    assert in_parts.write_count == whole.write_count


def test_what_comes_first_of_a_body_is_a_write_though_its_prelude_was_read_before() -> None:
    held = HoldBack(HoldBackConfig(first_writes=2))

    assert held.write(b"1", 0.0, is_rest=True) == b""
    assert held.write(b"2", 0.0) == b"1"


def test_an_empty_write_is_none() -> None:
    held = HoldBack(HoldBackConfig())
    for _ in range(9):
        assert held.write(b"", 0.0) == b""
    assert held.write(b"1", 0.0) == b""


def test_a_head_leaves_with_the_first_bytes_and_is_no_write() -> None:
    held = HoldBack(HoldBackConfig())
    assert held.begin(0.0, b"head ") == b""
    assert (held.write_count, held.held_bytes, held.is_head_held) == (0, 0, True)

    seen = [held.write(line, second) for second, line in enumerate(LINES, 1)]

    assert seen == [b"", b"", b"head 12", b"3"]
    assert not held.is_head_held


def test_a_head_alone_leaves_with_the_end() -> None:
    held = HoldBack(HoldBackConfig())
    held.begin(0.0, b"head")

    assert held.end() == b"head"


def test_a_head_does_not_count_towards_the_threshold() -> None:
    held = HoldBack(HoldBackConfig(first_writes=0, threshold_bytes=8))
    held.begin(0.0, b"a head of many bytes ")

    assert held.write(b"1234567", 1.0) == b""
    assert held.write(b"8", 2.0) == b"a head of many bytes 12345678"


def test_a_head_waits_for_the_first_write_that_is_released() -> None:
    held = HoldBack(HoldBackConfig(first_writes=1))
    held.begin(0.0, b"head ")

    assert (held.write(b"1", 1.0), held.write(b"2", 2.0)) == (b"", b"head 1")


def test_a_hold_time_counts_from_the_head() -> None:
    held = HoldBack(HoldBackConfig(hold_s=2.0))
    held.begin(1.0, b"head ")
    held.write(b"1", 2.5)
    assert held.due_s == 3.0
    assert held.expire(3.0) == b"head 1"

    held.write(b"2", 7.0)
    assert held.due_s == 9.0


def test_a_head_that_its_caller_keeps() -> None:
    held = HoldBack(HoldBackConfig(hold_s=2.0))
    held.begin(1.0)
    assert held.is_head_held

    assert held.expire(3.0) == b""  # although no byte leaves, it may go
    assert (held.is_head_held, held.due_s) == (False, inf)


def test_nothing_is_held_with_a_threshold_of_one_byte() -> None:
    held = HoldBack(HoldBackConfig(threshold_bytes=1))

    assert held.begin(0.0, b"head") == b"head"
    assert [held.write(line, 0.0) for line in LINES] == list(LINES)


def test_a_response_that_began_with_its_prelude_is_withheld_whole() -> None:
    held = HoldBack(HoldBackConfig(withhold_joined=True))
    assert held.begin(0.0, b"head ", is_joined=True) == b""
    big = bytes(100_000)

    assert [held.write(data, 1.0) for data in (*LINES, big)] == [b""] * 5
    assert held.end() == b"head 1234" + big


@pytest.mark.parametrize(("rule", "is_joined"), [(True, False), (False, True)])
def test_no_other_response_is_withheld_whole(rule: bool, is_joined: bool) -> None:
    held = HoldBack(HoldBackConfig(withhold_joined=rule))
    held.begin(0.0, b"head ", is_joined=is_joined)

    assert [held.write(line, 1.0) for line in LINES] == [b"", b"", b"head 12", b"3"]


def test_a_withheld_response_goes_first_of_all_when_nothing_else_is_held() -> None:
    held = HoldBack(HoldBackConfig(threshold_bytes=1, withhold_joined=True))
    held.begin(0.0, b"head ", is_joined=True)

    assert [held.write(line, 1.0) for line in LINES] == [b""] * 4
    assert held.end() == b"head 1234"


def test_a_withheld_response_has_a_bound() -> None:
    held = HoldBack(HoldBackConfig(withhold_joined=True))
    held.begin(0.0, is_joined=True)
    assert held.write(bytes(WITHHELD_BYTES_MAX - 1), 1.0) == b""

    assert len(held.write(b"1", 2.0)) == WITHHELD_BYTES_MAX
    assert [held.write(line, 3.0) for line in LINES] == [b"", b"1", b"2", b"3"]


def test_a_hold_time_releases_a_withheld_response() -> None:
    held = HoldBack(HoldBackConfig(withhold_joined=True, hold_s=2.0))
    held.begin(0.0, b"head ", is_joined=True)
    held.write(b"1", 1.0)
    assert held.expire(2.0) == b"head 1"

    for _ in range(3):
        assert held.write(b"2", 3.0) == b""
    assert held.expire(5.0) == b"222"


PRELUDE = b'{"statusCode": 200}' + bytes(8)


@pytest.mark.parametrize("body", [b"", b"body", bytes(9), PRELUDE])
@pytest.mark.parametrize("step", [1, 7, 8, 20, 1000])
def test_the_end_of_a_prelude_is_found(step: int, body: bytes) -> None:
    whole = PRELUDE + body
    prelude = PreludeEnd()
    found = None
    for start in range(0, len(whole), step):
        if found is None:
            found = prelude.feed(whole[start : start + step])
            rest = whole[start + step :]

    assert found == PRELUDE
    assert prelude.body + rest == body


def test_a_prelude_that_is_none_is_body() -> None:
    prelude = PreludeEnd()
    assert prelude.feed(b"x" * (PRELUDE_BYTES_MAX - 1)) is None

    assert prelude.feed(b"yz") == b""
    assert prelude.body == b"x" * (PRELUDE_BYTES_MAX - 1) + b"yz"


def test_a_prelude_that_does_not_end() -> None:
    prelude = PreludeEnd()
    for data in (b"{", bytes(7)):
        assert prelude.feed(data) is None

    assert prelude.finish() == b"{" + bytes(7)


WRITES = st.lists(st.tuples(st.floats(0, 5), st.binary(max_size=40)), max_size=30)
RULES = st.builds(
    HoldBackConfig,
    first_writes=st.integers(0, 5),
    threshold_bytes=st.integers(1, 200),
    hold_s=st.one_of(st.just(inf), st.floats(0.01, 10)),
    withhold_joined=st.booleans(),
)


@given(WRITES, RULES)
def test_bytes_keep_their_order_and_none_is_lost(
    steps: list[tuple[float, bytes]], rule: HoldBackConfig
) -> None:
    at_s = 0.0
    writes = []
    for pause_s, data in steps:
        at_s += pause_s
        writes.append((at_s, data))
    seen = arrivals(writes, at_s, rule)

    assert b"".join(data for _, data in seen) == b"".join(data for _, data in writes)


@given(WRITES, RULES, st.binary(max_size=9), st.booleans())
def test_a_head_comes_first_and_what_follows_as_without_it(
    steps: list[tuple[float, bytes]], rule: HoldBackConfig, head: bytes, is_joined: bool
) -> None:
    held = HoldBack(rule)
    at_s = 0.0
    seen = held.begin(at_s, head, is_joined=is_joined)
    for pause_s, data in steps:
        at_s += pause_s
        seen += held.expire(at_s)
        seen += held.write(data, at_s)
        assert held.is_head_held or seen.startswith(head)
        assert not held.held_bytes or held.due_s <= at_s + rule.hold_s
    seen += held.end()

    assert seen == head + b"".join(data for _, data in steps)
    assert (held.is_head_held, held.held_bytes, held.due_s) == (False, 0, inf)


@given(WRITES, RULES)
def test_what_is_held_is_bounded_by_the_threshold(
    steps: list[tuple[float, bytes]], rule: HoldBackConfig
) -> None:
    held = HoldBack(rule)
    for at_s, data in steps:
        held.write(data, at_s)
        assert held.held_bytes < rule.threshold_bytes


def test_the_burst_leaves_at_once_and_the_rest_step_by_step() -> None:
    shaper = Shaper(ShapingRule(), 10.0)

    assert shaper.take(7 * MIB, 10.0) == 6 * MIB
    assert shaper.take(MIB, 10.124) == 0
    assert shaper.refill_s == 10.125
    assert shaper.take(MIB, 10.125) == 256 * KIB
    assert shaper.take(MIB, 10.375) == 512 * KIB


def test_the_bucket_is_never_fuller_than_at_the_beginning() -> None:
    shaper = Shaper(ShapingRule(), 0.0)

    assert shaper.take(100 * MIB, 3_600.0) == 6 * MIB
    assert shaper.take(1, 3_600.0) == 0


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(0, 8 * MIB)), max_size=40))
def test_no_more_leaves_than_burst_and_rate_allow(steps: list[tuple[float, int]]) -> None:
    rule = ShapingRule()
    shaper = Shaper(rule, 0.0)
    now_s, gone = 0.0, 0
    for pause_s, wanted in steps:
        now_s += pause_s
        granted = shaper.take(wanted, now_s)
        assert 0 <= granted <= wanted
        gone += granted
        assert gone <= rule.burst_bytes + rule.rate_bytes_per_s * now_s
