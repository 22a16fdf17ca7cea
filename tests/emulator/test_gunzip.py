"""Bodies that are decompressed in turns of the event loop, at the client's pace."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
import uvloop

from tailrace import limits
from tailrace.emulator.gunzip import Gunzip
from tailrace.errors import ResultError

TURN_BYTES = limits.GZIP_STEPS_PER_TURN * limits.GZIP_STEP_BYTES


@dataclass
class Seen:
    """The calls to a body's receiver, and after how many turns of the event loop they come."""

    turns: int = 0
    pieces: list[tuple[int, bytes, bool]] = field(default_factory=list)
    behind: list[bool] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    drained: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def body(self) -> bytes:
        """All that was sent."""
        return b"".join(piece for _, piece, _ in self.pieces)

    def open(self) -> Gunzip:
        """A body that calls this, and the turns that are counted."""
        self.gunzip = Gunzip(
            send=lambda data, is_rest: self.pieces.append((self.turns, data, is_rest)),
            on_behind=self.behind.append,
            on_error=lambda error: self.errors.append(str(error)),
        )
        asyncio.get_running_loop().call_soon(self._tick)
        return self.gunzip

    def _tick(self) -> None:
        self.turns += 1
        if not self.drained.is_set():
            asyncio.get_running_loop().call_soon(self._tick)


def play(story: Callable[[Seen], Awaitable[None]]) -> None:
    async def run() -> None:
        seen = Seen()
        await story(seen)
        seen.drained.set()

    uvloop.run(run())


@pytest.mark.parametrize("member", [b"", b"word"])
def test_very_many_members_take_many_turns(member: bytes) -> None:
    """In each of them another stream may move."""
    one = gzip.compress(member)
    data = one * (20 * TURN_BYTES // len(one))

    async def story(seen: Seen) -> None:
        gunzip = seen.open()
        gunzip.feed(data, is_rest=False)
        assert seen.behind == [True]
        gunzip.drain(seen.drained.set)
        await seen.drained.wait()

        gunzip.finish()
        assert seen.body == member * (len(data) // len(one))
        assert seen.turns >= 19
        assert seen.behind == [True, False]

    play(story)


def test_a_bomb_takes_many_turns_and_is_refused_at_its_bound() -> None:
    data = gzip.compress(bytes(limits.STREAM_RESPONSE_BYTES_MAX + 1), 1)

    async def story(seen: Seen) -> None:
        gunzip = seen.open()
        gunzip.feed(data, is_rest=False)
        while not seen.errors:
            seen.pieces.clear()
            await asyncio.sleep(0)
            assert len(seen.body) <= 2 * limits.READ_BYTES_MAX

        assert seen.errors == ["the body is over 209715200 bytes, decompressed"]
        assert seen.turns >= limits.STREAM_RESPONSE_BYTES_MAX // limits.READ_BYTES_MAX
        seen.pieces.clear()
        gunzip.feed(b"more", is_rest=False)
        gunzip.drain(lambda: seen.errors.append("drained"))
        await asyncio.sleep(0)
        assert (seen.pieces, len(seen.errors)) == ([], 1)

    play(story)


def test_what_is_little_is_sent_at_once() -> None:
    async def story(seen: Seen) -> None:
        gunzip = seen.open()
        data = gzip.compress(b"hello")
        gunzip.feed(data[:15], is_rest=False)
        gunzip.feed(data[15:], is_rest=True)
        gunzip.drain(seen.drained.set)

        assert seen.drained.is_set()
        assert seen.body == b"hello"
        assert seen.behind == []

    play(story)


def test_a_client_that_reads_slowly_holds_it_back() -> None:
    data = gzip.compress(bytes(10 * limits.READ_BYTES_MAX), 1)

    async def story(seen: Seen) -> None:
        gunzip = seen.open()
        gunzip.feed(data, is_rest=False)
        gunzip.pause("client")
        gunzip.pause("rate")
        gunzip.drain(seen.drained.set)
        count = len(seen.pieces)
        for reason in ("client", "rate"):
            for _ in range(20):
                await asyncio.sleep(0)
            assert len(seen.pieces) == count
            gunzip.resume(reason)
        await seen.drained.wait()

        assert len(seen.body) == 10 * limits.READ_BYTES_MAX

    play(story)


def test_only_the_first_piece_of_a_write_begins_one() -> None:
    data = gzip.compress(bytes(3 * limits.READ_BYTES_MAX), 1)

    async def story(seen: Seen) -> None:
        gunzip = seen.open()
        gunzip.feed(data, is_rest=False)
        gunzip.feed(data, is_rest=False)
        gunzip.feed(data[:10], is_rest=True)
        gunzip.drain(seen.drained.set)
        await seen.drained.wait()

        assert [is_rest for _, _, is_rest in seen.pieces].count(False) == 2
        with pytest.raises(ResultError, match="ends inside"):
            gunzip.finish()

    play(story)


def test_nothing_comes_of_one_that_is_closed() -> None:
    async def story(seen: Seen) -> None:
        gunzip = seen.open()
        gunzip.feed(gzip.compress(bytes(10 * limits.READ_BYTES_MAX), 1), is_rest=False)
        gunzip.drain(seen.drained.set)
        gunzip.close()
        count = len(seen.pieces)
        for _ in range(20):
            await asyncio.sleep(0)

        assert (len(seen.pieces), seen.drained.is_set()) == (count, False)

    play(story)
