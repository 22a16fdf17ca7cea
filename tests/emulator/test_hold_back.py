"""Streams that are held back at the emulator's front, as people have measured it on Lambda.

A write of the function is released by the test, and seen inside the emulator, before the next one
is: nothing here depends on how long anything takes.
"""

from __future__ import annotations

import asyncio
import gc
import json
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.gate import Gate
from tests.emulator.harness import Harness, request, wait_until
from tests.emulator.url_client import INTEGRATION, STREAM, ask, asking, prelude, serve
from tests.fakes import Broken

from tailrace import limits
from tailrace.config import HoldBackConfig
from tailrace.emulator.outlet import Outlet
from tailrace.wire.event_stream import MessageDecoder

HELD = HoldBackConfig(shaping=False)
BEGIN = {"stream": INTEGRATION}
END: dict[str, Any] = {"end": None}


class Script:
    """A function that writes its chunks one by one, when the test says so."""

    def __init__(self, directory: Path, *chunks: str, head: bool = True) -> None:
        self._directory = directory
        self.steps: list[dict[str, Any]] = [BEGIN, prelude()] if head else [{"stream": None}]
        for number, chunk in enumerate(chunks):
            self.steps += [self._wait(str(number)), {"chunk": chunk}]
        self.steps += [self._wait("end"), END]
        self._written = 0

    def _wait(self, name: str) -> dict[str, str]:
        return {"wait": str(self._directory / name)}

    async def write(self) -> None:
        """Let the next chunk be written; return when the emulator has it."""
        (self._directory / str(self._written)).touch()
        self._written += 1
        await wait_until(
            lambda: max((o.write_count for o in outlets()), default=0) == self._written
        )

    def end(self) -> None:
        """Let the response end."""
        (self._directory / "end").touch()


def outlets() -> list[Outlet]:
    # From inside: no socket tells what is held.
    return [found for found in gc.get_objects() if isinstance(found, Outlet)]


def the_outlet() -> Outlet:
    (outlet,) = [outlet for outlet in outlets() if outlet.write_count]
    return outlet


def test_two_lines_arrive_with_the_third_and_each_later_one_with_the_next(tmp_path: Path) -> None:
    script = Script(tmp_path, "1", "2", "3", "4")

    async def story(emulator: Harness) -> None:
        async with asking(emulator, *script.steps) as client:
            await script.write()
            await script.write()
            assert await client.is_silent()  # not even the head
            await script.write()
            answer = await client.read_head()
            assert answer.status == 200
            assert await client.read_chunk() == b"12"
            assert await client.is_silent()
            await script.write()
            assert await client.read_chunk() == b"3"
            assert await client.is_silent()
            script.end()
            assert await client.read_body(answer) == b"4"

    serve(story, tmp_path, STREAM, hold_back=HELD)


@pytest.mark.parametrize(("padding", "is_on_time"), [(100_000, True), (10_000, False)])
def test_padding_helps_when_it_is_large_enough(
    tmp_path: Path, padding: int, is_on_time: bool
) -> None:
    first = "1" + " " * (padding - 1)
    script = Script(tmp_path, first, "2")

    async def story(emulator: Harness) -> None:
        async with asking(emulator, *script.steps) as client:
            await wait_until(lambda: outlets())
            (tmp_path / "0").touch()
            if is_on_time:
                answer = await client.read_head()
                body = b""
                while len(body) < padding:
                    body += await client.read_chunk()
                assert body == first.encode()
            else:
                await wait_until(lambda: sum(o.held_bytes for o in outlets()) == padding)
                assert await client.is_silent()
            (tmp_path / "1").touch()
            script.end()
            if is_on_time:
                assert await client.read_body(answer) == b"2"
            else:
                assert (await client.read_response()).body == first.encode() + b"2"

    serve(story, tmp_path, STREAM, hold_back=HELD)


def test_off_is_on_time(tmp_path: Path) -> None:
    script = Script(tmp_path, "1", "2")

    async def story(emulator: Harness) -> None:
        async with asking(emulator, *script.steps) as client:
            answer = await client.read_head()
            for number, line in enumerate((b"1", b"2")):
                (tmp_path / str(number)).touch()
                assert await client.read_chunk() == line
            script.end()
            assert await client.read_body(answer) == b""

    serve(story, tmp_path, STREAM)


def test_a_hold_time_lets_bytes_go_that_no_write_follows(tmp_path: Path) -> None:
    script = Script(tmp_path, "1")

    async def story(emulator: Harness) -> None:
        async with asking(emulator, *script.steps) as client:
            await script.write()
            answer = await client.read_head()  # although nothing else is written
            assert await client.read_chunk() == b"1"
            script.end()
            assert await client.read_body(answer) == b""

    serve(story, tmp_path, STREAM, hold_back=HoldBackConfig(hold_s=0.2))


def test_the_events_of_an_sdk_are_held_back_as_well(tmp_path: Path) -> None:
    script = Script(tmp_path, "1", "2", "3", head=False)

    async def story(emulator: Harness) -> None:
        body = json.dumps({"play": script.steps}).encode()
        path = "/2021-11-15/functions/f/response-streaming-invocations"
        call = asyncio.create_task(request(emulator.port, "POST", path, body))
        for _ in range(3):
            await script.write()
        assert the_outlet().held_bytes == 1
        script.end()
        decoder = MessageDecoder()
        messages = decoder.feed(unchunked((await call).body))
        payloads = [message.payload for message in messages]
        assert payloads == [b"12", b"3", b"{}"]

    serve(story, tmp_path, None, hold_back=HELD)


def unchunked(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        whole += rest[: int(size, 16)]
        body = rest[int(size, 16) + 2 :]
    return whole


def test_what_was_held_arrives_before_a_failure_does(tmp_path: Path) -> None:
    async def story(emulator: Harness) -> None:
        async with asking(emulator, BEGIN, prelude(), {"chunk": "held"}, {"exit": 1}) as client:
            answer = await client.read_head()
            assert await client.read_chunk() == b"held"
            with pytest.raises(Broken):
                await client.read_body(answer)

    serve(story, tmp_path, STREAM, hold_back=HELD)


def test_a_client_that_leaves_leaves_nothing_behind(tmp_path: Path) -> None:
    script = Script(tmp_path, "1", "2", "3")

    async def story(emulator: Harness) -> None:
        async with asking(emulator, *script.steps) as client:
            await script.write()
            outlet = the_outlet()
            client.reset()
            await wait_until(lambda: outlet.held_bytes == 0)
        for name in ("1", "2", "end"):
            (tmp_path / name).touch()
        await wait_until(lambda: "REPORT RequestId" in emulator.log)

    serve(story, tmp_path, STREAM, hold_back=HoldBackConfig(hold_s=900.0))


def test_statuses_without_a_body_and_empty_bodies_end_at_once(tmp_path: Path) -> None:
    async def story(emulator: Harness) -> None:
        for status, chunks in ((204, ["x"]), (200, [])):
            steps = [BEGIN, prelude(status), *({"chunk": chunk} for chunk in chunks), END]
            answer = await ask(emulator, *steps)
            assert (answer.status, answer.body) == (status, b"")

    serve(story, tmp_path, STREAM, hold_back=HELD)


def test_the_burst_leaves_at_once_and_what_follows_at_its_rate(tmp_path: Path) -> None:
    """The function waits meanwhile: not all of its bytes are in the emulator."""

    async def story(emulator: Harness) -> None:
        gate, count = Gate(), 112  # chunks of 64 KiB: 1 MiB more than the burst
        steps = [{"gate": gate.port}, BEGIN, prelude(), {"flood": count}, END]
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        async with asking(emulator, *steps) as client:
            answer = await client.read_head()
            body = await client.read_body(answer)
        took_s = loop.time() - begun_s
        gate.close()
        assert body == b"".join(n.to_bytes(4, "big") * 16_384 for n in range(count))
        # What is over the burst takes so long at the least; a busy machine takes longer.
        over = len(body) - limits.STREAM_BURST_BYTES
        assert took_s > over / limits.STREAM_RATE_BYTES_PER_S - 2 * limits.STREAM_REFILL_S

    serve(story, tmp_path, STREAM, hold_back=HoldBackConfig())
