"""When padding is sent, and where: in the test's own time, against the model of the hold-back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain, cycle, islice
from math import inf
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.config import HoldBackConfig
from tailrace.emulator.function_urls.hold_back import HoldBack
from tailrace.errors import FlushError
from tailrace.function.flush.flusher import Flusher
from tailrace.function.flush.policy import FlushCounts, FlushPolicy
from tailrace.limits import FLUSH_UNSCANNED_BYTES_MAX

if TYPE_CHECKING:
    from tailrace.function.flush.policy import When

QUIET_S = 0.05
PAD_BYTES = 100


class Dots:
    """A format in which padding may stand behind each dot, and at the start if so."""

    def __init__(self, *, allows: bool = True) -> None:
        self.allows = allows
        self.fed = b""

    def feed(self, data: bytes) -> None:
        self.fed += data
        if data:
            self.allows = data.endswith(b".")

    def find(self, data: bytes) -> int:
        place = data.find(b".") + 1 or -1
        self.feed(data[:place] if place > 0 else data)
        return place

    def padding(self, size: int) -> bytes:
        return b" " * size


class Anywhere(Dots):
    """A format in which padding may stand everywhere."""

    def feed(self, data: bytes) -> None:
        self.fed += data


class Response:
    """One response whose time is the test's: what is sent, when it is, and when it has left."""

    def __init__(
        self,
        policy: FlushPolicy,
        scanner: Dots | None = None,
        rule: HoldBackConfig | None = None,
    ) -> None:
        self.scanner = scanner or Anywhere()
        self.flusher = Flusher(policy, lambda: self.scanner)
        self.now_s = 0.0
        self.body = b""
        self.paddings: list[int] = []  # the place of each in the body
        self.written_s: list[float] = []  # of each byte of the body
        self.left_s: list[float] = []  # of each byte that has left
        self._hold_back = None if rule is None else HoldBack(rule)
        self._is_padding: list[bool] = []  # of each byte that is held

    def begin(self, data: bytes = b"") -> None:
        """The head has gone, and data with it."""
        self._send(data)
        self._pad(self.flusher.start(data, self.now_s))

    def write(self, data: bytes) -> None:
        """As the sink does it."""
        if not self.flusher.is_pending:
            self._send(data)
            self._pad(self.flusher.note(data, self.now_s))
            return
        for number, piece in enumerate(self.flusher.split(data, self.now_s)):
            if number % 2:
                self._pad(piece)
            else:
                self._send(piece)

    def flush(self) -> None:
        self._pad(self.flusher.flush())

    def wait(self, wait_s: float) -> None:
        """Let time pass; who waits for a flush that is due looks a little late."""
        end_s = self.now_s + wait_s
        while self.flusher.due_s <= end_s:
            self.now_s = self.flusher.due_s
            self._pad(self.flusher.expire(self.now_s))
        self.now_s = end_s

    def end(self) -> None:
        self.flusher.end()
        if self._hold_back is not None:
            self._leave(self._hold_back.end())
        assert self.flusher.due_s == inf

    def _send(self, data: bytes) -> None:
        self.body += data
        self.written_s += [self.now_s] * len(data)
        self._hold(data, is_padding=False)

    def _pad(self, padding: bytes) -> None:
        if padding:
            self.paddings.append(len(self.body))
            self._hold(padding, is_padding=True)

    def _hold(self, data: bytes, *, is_padding: bool) -> None:
        if self._hold_back is not None:
            self._is_padding += [is_padding] * len(data)
            self._leave(self._hold_back.write(data, self.now_s))

    def _leave(self, released: bytes) -> None:
        count = len(released)
        is_padding, self._is_padding = self._is_padding[:count], self._is_padding[count:]
        self.left_s += [self.now_s] * is_padding.count(False)


# --- adaptive, over random timings ---------------------------------------------------------------

GAPS_S = st.one_of(
    st.floats(0.0, 2 * QUIET_S),
    st.sampled_from([0.0, QUIET_S, 0.999 * QUIET_S, 1.001 * QUIET_S, 10.0]),
)
WRITES = st.lists(st.tuples(st.binary(min_size=1, max_size=4), GAPS_S), max_size=40)
ADAPTIVE = FlushPolicy("adaptive", PAD_BYTES, QUIET_S)


@given(st.booleans(), WRITES, st.integers(1, 3), st.sampled_from([PAD_BYTES, 16, 4]))
def test_no_byte_stays_held_longer_than_the_quiet_time_plus_one_write(
    has_head: bool, writes: list[tuple[bytes, float]], first_writes: int, threshold_bytes: int
) -> None:
    """Whoever writes on pushes out what was written before; who pauses is flushed."""
    response = Response(
        ADAPTIVE, rule=HoldBackConfig(first_writes=first_writes, threshold_bytes=threshold_bytes)
    )
    bounds_s: list[float] = []  # of each byte: how long it may be held
    if has_head:
        response.begin()
        response.wait(0.01)
    for number, (data, gap_s) in enumerate(writes):
        if number or has_head:
            response.write(data)
        else:
            response.begin(data)
        next_write_s = gap_s if gap_s <= QUIET_S and number + 1 < len(writes) else 0.0
        bounds_s += [QUIET_S + next_write_s] * len(data)
        response.wait(gap_s)
    response.end()

    assert len(response.left_s) == len(response.body)
    for written_s, left_s, bound_s in zip(
        response.written_s, response.left_s, bounds_s, strict=True
    ):
        assert left_s - written_s <= bound_s + 1e-9
    pauses = sum(gap_s >= QUIET_S - 1e-9 for _, gap_s in writes)
    assert response.flusher.counts.padded_bytes <= PAD_BYTES * pauses


TEXTS = st.text("ab.", min_size=1, max_size=6).map(str.encode)


@given(st.lists(st.tuples(TEXTS, GAPS_S), min_size=1, max_size=30), st.booleans())
def test_a_pause_is_padded_once_at_the_first_place_from_there_on(
    writes: list[tuple[bytes, float]], is_allowed_at_start: bool
) -> None:
    response = Response(ADAPTIVE, Dots(allows=is_allowed_at_start))
    pauses: list[int] = []  # how much was written before each
    response.begin()
    for data, gap_s in writes:
        response.write(data)
        if response.now_s + QUIET_S <= response.now_s + gap_s:  # to the last bit
            pauses.append(len(response.body))
        response.wait(gap_s)
    response.end()

    assert response.body == b"".join(data for data, _ in writes)
    assert response.paddings == places_of(response.body, pauses)
    counts = response.flusher.counts
    assert counts.padded_bytes == PAD_BYTES * len(response.paddings)
    assert counts.deferred <= counts.flushes <= len(pauses)


@given(st.lists(st.tuples(TEXTS, st.booleans()), min_size=1, max_size=30))
def test_a_flush_is_padded_once_at_the_first_place_from_there_on(
    writes: list[tuple[bytes, bool]],
) -> None:
    response = Response(FlushPolicy(), Dots(allows=False))
    asked: list[int] = []
    response.begin()
    for data, is_flushed in writes:
        response.write(data)
        if is_flushed:
            asked.append(len(response.body))
            response.flush()
        assert response.flusher.due_s == inf
    response.end()

    assert response.body == b"".join(data for data, _ in writes)
    assert response.paddings == places_of(response.body, asked)


@given(st.lists(TEXTS, min_size=1, max_size=30))
def test_every_write_is_padded_once_at_the_last_place_that_lets_it_out(
    writes: list[bytes],
) -> None:
    """Where a write has several places, a flush that waited is done with the write's own."""
    response = Response(FlushPolicy("every-write"), Dots(allows=True))
    response.begin()
    for data in writes:
        response.write(data)
    response.end()

    ends = list(accumulate(len(data) for data in writes))
    assert response.body == b"".join(writes)
    assert len(response.paddings) <= len(writes) + 1
    for end in ends:
        let_out = max(place for place in response.paddings if place <= end)
        waiting = [asked for asked in ends if let_out < asked <= end]
        assert all(place > end for place in places_of(response.body, waiting))


def places_of(body: bytes, asked: Sequence[int]) -> list[int]:
    """Where flushes that were asked for behind so many bytes are done."""
    found = {position: position for position in asked if body[:position].endswith(b".")}
    for position in set(asked) - found.keys():
        found[position] = body.find(b".", position) + 1
    return sorted({place for place in found.values() if place})


# --- what it costs -------------------------------------------------------------------------------


class Burst(NamedTuple):
    """Tokens that follow each other fast, and the silence behind them."""

    tokens: int
    pause_s: float


CHAT_WITH_TOOLS = [
    Burst(34, 0.9),  # "Let me look that up", and a search
    Burst(12, 0.35),
    Burst(58, 0.12),  # two paragraphs with a hitch between
    Burst(41, 2.4),  # a slow tool
    Burst(10, 0.08),
    Burst(76, 0.3),
    Burst(23, 0.0),  # the last words, and the end
]
"""An assistant that answers with tools: how many tokens come in a row, and what is between them."""
TOKEN_GAPS_S = [0.008, 0.021, 0.013, 0.034, 0.009, 0.047, 0.016]


def padded_bytes(when: When, bursts: Sequence[Burst], first_token_s: float = 0.6) -> int:
    """What a policy pads of a stream of tokens whose head goes first."""
    response = Response(FlushPolicy(when, 100_000, QUIET_S))
    response.begin()
    response.wait(first_token_s)
    gaps_s = cycle(TOKEN_GAPS_S)
    for burst in bursts:
        for gap_s in chain(islice(gaps_s, burst.tokens - 1), [burst.pause_s]):
            response.write(b"data: token\n\n")
            response.wait(gap_s)
    response.end()
    return response.flusher.counts.padded_bytes


def test_adaptive_flush_pads_a_chat_with_tools_36_times_less_than_every_write() -> None:
    """The figures of docs/reference/sdk.md."""
    every_write = padded_bytes("every-write", CHAT_WITH_TOOLS)
    adaptive = padded_bytes("adaptive", CHAT_WITH_TOOLS)

    assert sum(burst.tokens for burst in CHAT_WITH_TOOLS) == 254
    assert every_write == 25_500_000  # each token, and the head
    assert adaptive == 700_000  # the head, and six pauses
    assert padded_bytes("explicit", CHAT_WITH_TOOLS) == 0


BURSTS = st.lists(
    st.builds(Burst, st.integers(10, 30), st.floats(QUIET_S, 5.0)), min_size=1, max_size=6
)


@given(BURSTS)
def test_bursts_of_ten_tokens_and_more_cost_a_tenth_of_every_write_at_the_most(
    bursts: list[Burst],
) -> None:
    at_once = 0.0  # the head is followed by the first token
    every_write = padded_bytes("every-write", bursts, at_once)

    assert 10 * padded_bytes("adaptive", bursts, at_once) <= every_write


# --- the rest ------------------------------------------------------------------------------------


def test_bytes_that_wait_to_be_sent_are_not_padded_on_top() -> None:
    flusher = Flusher(ADAPTIVE, Anywhere)
    flusher.start(b"x", 1.0)

    assert flusher.expire(1.0 + QUIET_S, is_blocked=True) == b""
    assert flusher.due_s == 1.0 + 2 * QUIET_S  # the quiet time begins anew
    assert flusher.expire(1.0 + 1.5 * QUIET_S) == b""
    assert len(flusher.expire(1.0 + 2 * QUIET_S)) == PAD_BYTES
    assert flusher.due_s == inf


@pytest.mark.parametrize("when", ["explicit", "every-write", "adaptive"])
def test_with_nothing_written_since_the_last_flush_nothing_is_padded(when: When) -> None:
    response = Response(FlushPolicy(when, 10))
    response.flush()
    assert response.paddings == []  # not even the head has gone

    response.begin(b"x")
    for _ in range(3):
        response.flush()
        response.wait(10)

    assert response.paddings == [1]
    assert response.flusher.counts == FlushCounts(1, 0, 10)


def test_a_policy_does_not_keep_the_handler_from_asking() -> None:
    response = Response(ADAPTIVE)
    response.begin(b"x")
    response.flush()
    response.wait(10)
    response.write(b"y")
    response.flush()

    assert response.paddings == [1, 2]


def test_the_end_lets_all_out() -> None:
    response = Response(ADAPTIVE, Dots())
    response.begin(b"x")
    response.wait(10)
    assert response.flusher.is_pending
    response.end()

    assert not response.flusher.is_pending
    assert response.flusher.flush() == b""
    assert response.flusher.counts == FlushCounts(1, 1, 0)


def test_a_scanner_is_looked_for_when_it_matters() -> None:
    """A handler that never flushes has none while its response is small."""
    found: list[Dots] = []

    def find() -> Dots:
        found.append(Dots())
        return found[-1]

    flusher = Flusher(FlushPolicy(pad_bytes=3), find)
    half = b"x" * (FLUSH_UNSCANNED_BYTES_MAX // 2 - 64)
    flusher.start(half, 0.0)
    flusher.note(half, 0.0)
    assert found == []
    flusher.note(b"y.", 0.0)
    assert [scanner.fed for scanner in found] == [half + half + b"y."]
    flusher.note(b"z.", 0.0)
    assert found[0].fed.endswith(b"y.")

    assert flusher.flush() == b"   "
    assert found[0].fed.endswith(b"y.z.")
    assert len(found) == 1


def test_what_is_kept_of_tiny_writes_is_bounded() -> None:
    scanner = Dots()
    flusher = Flusher(FlushPolicy(), lambda: scanner)
    for _ in range(10_000):
        flusher.note(b"x", 0.0)

    assert len(scanner.fed) > 8_000


class Searches:
    """Finds that nothing may be added, and counts how often it was asked."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> Dots:
        self.count += 1
        raise FlushError("it is an image")


def test_what_cannot_be_padded_is_told_to_who_asks_and_costs_nothing_else() -> None:
    search = Searches()
    flusher = Flusher(FlushPolicy(), search)
    flusher.start(b"", 0.0)
    assert flusher.flush() == b""  # a head alone
    assert flusher.note(b"x", 0.0) == b""
    for _ in range(2):
        with pytest.raises(FlushError, match="it is an image"):
            flusher.flush()
    flusher.note(b"x" * FLUSH_UNSCANNED_BYTES_MAX, 0.0)
    flusher.note(b"x" * FLUSH_UNSCANNED_BYTES_MAX, 0.0)

    assert flusher.obstacle == "it is an image"
    assert flusher.counts == FlushCounts()
    assert search.count == 1


@pytest.mark.parametrize("when", ["every-write", "adaptive"])
def test_a_policy_that_can_do_nothing_says_so_with_the_head(when: When) -> None:
    flusher = Flusher(FlushPolicy(when), Searches())

    assert flusher.start(b"", 0.0) == b""
    assert flusher.obstacle == "it is an image"
    assert flusher.note(b"x", 0.0) == b""
    assert flusher.due_s == inf
    with pytest.raises(FlushError):
        flusher.flush()


def test_large_writes_without_a_flush_are_found_out_to_be_unpaddable_once() -> None:
    search = Searches()
    flusher = Flusher(FlushPolicy(), search)
    for _ in range(9):
        flusher.note(b"x" * FLUSH_UNSCANNED_BYTES_MAX, 0.0)

    assert search.count == 1
