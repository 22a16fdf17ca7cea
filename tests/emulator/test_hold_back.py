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
import uvloop
from tests.clock import ManualClock
from tests.e2e.gate import Gate
from tests.emulator.harness import Answer, Harness, playing, request, running, wait_until
from tests.emulator.url_client import INTEGRATION, STREAM, ask, asking, prelude, serve
from tests.fakes import Broken, Client

from tailrace import limits
from tailrace.config import HoldBackConfig, UrlConfig
from tailrace.emulator.outlet import Outlet
from tailrace.net.server.listener import Connection, Phase
from tailrace.wire.event_stream import MessageDecoder

HELD = HoldBackConfig(shaping=False)
WITHHELD = HoldBackConfig(threshold_bytes=1, withhold_joined=True, shaping=False)
BEGIN = {"stream": INTEGRATION}
PRELUDE = prelude()["chunk"]
END: dict[str, Any] = {"end": None}
FAIL = {"fail": {"errorType": "TypeError", "errorMessage": "m", "stackTrace": []}}
PATH = "/2021-11-15/functions/f/response-streaming-invocations"


class Script:
    """A function that writes its chunks one by one, when the test says so."""

    def __init__(
        self, directory: Path, *chunks: str, head: bool = True, media_type: str | None = None
    ) -> None:
        self._directory = directory
        self.steps: list[dict[str, Any]] = [BEGIN, prelude()] if head else [{"stream": media_type}]
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
    return [found for found in gc.get_objects() if issubclass(type(found), Outlet)]


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


def test_a_write_that_takes_many_reads_leaves_whole(tmp_path: Path) -> None:
    """What is read of it after the threshold is not held for the write behind it."""
    size = 1_000_003
    script = Script(tmp_path, "1" * size, "2")

    async def story(emulator: Harness) -> None:
        async with asking(emulator, *script.steps) as client:
            (tmp_path / "0").touch()
            answer = await client.read_head()
            body = b""
            while len(body) < size:
                body += await client.read_chunk()
            assert the_outlet().write_count == 1
            (tmp_path / "1").touch()
            script.end()
            assert await client.read_body(answer) == b"2"

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
        call = calling(emulator, script)
        for _ in range(3):
            await script.write()
        assert the_outlet().held_bytes == 1
        script.end()
        assert await payloads(call) == [b"12", b"3", b"{}"]

    serve(story, tmp_path, None, hold_back=HELD)


def test_a_prelude_is_no_write_to_an_sdk_either(tmp_path: Path) -> None:
    script = Script(tmp_path, "1", "2", "3")

    async def story(emulator: Harness) -> None:
        call = calling(emulator, script)
        for _ in range(3):
            await script.write()
        assert (the_outlet().write_count, the_outlet().held_bytes) == (3, 1)
        script.end()
        assert await payloads(call) == [PRELUDE.encode() + b"12", b"3", b"{}"]

    serve(story, tmp_path, None, hold_back=HELD)


@pytest.mark.parametrize("chunk", ["", '{"statusCode"', "x" * limits.PRELUDE_BYTES_MAX])
def test_a_prelude_that_is_none_is_passed_on_as_it_is(tmp_path: Path, chunk: str) -> None:
    """As without the model: whoever calls has to read it."""
    steps = [BEGIN, *([{"chunk": chunk}] if chunk else []), END]

    async def story(emulator: Harness) -> None:
        body = json.dumps({"play": steps}).encode()
        call = asyncio.create_task(request(emulator.port, "POST", PATH, body))
        assert b"".join(await payloads(call)) == chunk.encode() + b"{}"

    serve(story, tmp_path, None, hold_back=HELD)


def calling(emulator: Harness, script: Script) -> asyncio.Task[Answer]:
    """A call of an SDK that is on its way."""
    body = json.dumps({"play": script.steps}).encode()
    return asyncio.create_task(request(emulator.port, "POST", PATH, body))


async def payloads(call: asyncio.Task[Answer]) -> list[bytes]:
    """The payloads of a whole answer's events."""
    messages = MessageDecoder().feed(unchunked((await call).body))
    return [message.payload for message in messages]


def unchunked(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        whole += rest[: int(size, 16)]
        body = rest[int(size, 16) + 2 :]
    return whole


# --- a body that begins with the prelude ------------------------------------------------------


def test_a_response_that_began_with_its_prelude_is_withheld_whole(tmp_path: Path) -> None:
    script = Script(tmp_path, PRELUDE + "1", "2", "3", head=False, media_type=INTEGRATION)

    async def story(emulator: Harness) -> None:
        async with asking(emulator, *script.steps) as client:
            for _ in range(3):
                await script.write()
            assert await client.is_silent()  # not even the head
            assert the_outlet().held_bytes == 3
            script.end()
            answer = await client.read_response()
            assert (answer.status, answer.body) == (200, b"123")

    serve(story, tmp_path, STREAM, hold_back=WITHHELD)


def test_a_response_whose_prelude_came_alone_is_not(tmp_path: Path) -> None:
    script = Script(tmp_path, "1", "2")

    async def story(emulator: Harness) -> None:
        async with asking(emulator, *script.steps) as client:
            answer = await client.read_head()
            for line in (b"1", b"2"):
                await script.write()
                assert await client.read_chunk() == line
            script.end()
            assert await client.read_body(answer) == b""

    serve(story, tmp_path, STREAM, hold_back=WITHHELD)


def test_it_is_withheld_from_an_sdk_as_well(tmp_path: Path) -> None:
    script = Script(tmp_path, PRELUDE + "1", "2", "3", head=False, media_type=INTEGRATION)

    async def story(emulator: Harness) -> None:
        call = calling(emulator, script)
        for _ in range(3):
            await script.write()
        assert the_outlet().held_bytes == 3
        script.end()
        assert await payloads(call) == [PRELUDE.encode() + b"123", b"{}"]

    serve(story, tmp_path, None, hold_back=WITHHELD)


def test_it_is_not_when_an_sdk_has_had_the_prelude(tmp_path: Path) -> None:
    script = Script(tmp_path, "1", "2")

    async def story(emulator: Harness) -> None:
        client = await Client.connect(f"http://127.0.0.1:{emulator.port}")
        await client.request("POST", PATH, [], json.dumps({"play": script.steps}).encode())
        answer = await client.read_head()
        decoder = MessageDecoder()
        (first,) = decoder.feed(await client.read_chunk())
        assert first.payload == PRELUDE.encode()
        for line in (b"1", b"2"):
            await script.write()
            (event,) = decoder.feed(await client.read_chunk())
            assert event.payload == line
        script.end()
        await client.read_body(answer)
        client.close()

    serve(story, tmp_path, None, hold_back=WITHHELD)


# --- ends, failures, clients that leave -------------------------------------------------------


@pytest.mark.parametrize("step", [{"exit": 1}, {"cut": None}, {"wait": "/never"}])
def test_what_was_held_arrives_before_a_failure_does(tmp_path: Path, step: dict[str, Any]) -> None:
    """The process ends, its connection breaks, its time is over."""

    async def story(emulator: Harness) -> None:
        reached = tmp_path / "reached"
        note = {"append": [str(reached), "it"]}
        steps = [BEGIN, prelude(), {"chunk": "held"}, note, step, {"wait": "/never"}]
        pending = asyncio.create_task(ask(emulator, *steps))
        await wait_until(reached.exists)
        if "exit" not in step:
            emulator.advance(30.0)
        with pytest.raises(Broken) as broken:
            await pending
        assert broken.value.received == b"held"

    serve(story, tmp_path, STREAM, hold_back=HELD, timeout_s=30, clock=ManualClock())


@pytest.mark.parametrize("is_aborted", [False, True])
def test_what_was_held_arrives_when_an_error_is_reported(tmp_path: Path, is_aborted: bool) -> None:
    url = UrlConfig(invoke_mode="RESPONSE_STREAM", abort_on_error=is_aborted)

    async def story(emulator: Harness) -> None:
        steps = [BEGIN, prelude(), {"chunk": "held"}, FAIL]
        if not is_aborted:
            assert (await ask(emulator, *steps)).body == b"held"
            return
        with pytest.raises(Broken) as broken:
            await ask(emulator, *steps)
        assert broken.value.received == b"held"

    serve(story, tmp_path, url, hold_back=HELD)


def test_a_head_that_nothing_follows_leaves_after_the_hold_time(tmp_path: Path) -> None:
    script = Script(tmp_path)

    async def story(emulator: Harness) -> None:
        async with asking(emulator, *script.steps) as client:
            answer = await client.read_head()  # although nothing is written
            script.end()
            assert await client.read_body(answer) == b""

    serve(story, tmp_path, STREAM, hold_back=HoldBackConfig(hold_s=0.1))


def test_head_requests_get_their_head_at_once(tmp_path: Path) -> None:
    script = Script(tmp_path, "1")

    async def story(emulator: Harness) -> None:
        async with asking(emulator, *script.steps, method="HEAD") as client:
            answer = await client.read_response("HEAD")
            assert (answer.status, answer.body) == (200, b"")
            (tmp_path / "0").touch()
            script.end()
            await wait_until(lambda: "REPORT RequestId" in emulator.log)

    serve(story, tmp_path, STREAM, hold_back=WITHHELD)


def is_watched(connection: Connection) -> bool:
    """Whether its peer may stall."""
    return connection.phase is Phase.ANSWER and connection.is_answered


def test_a_client_that_fell_behind_at_the_end_is_not_watched_any_more(tmp_path: Path) -> None:
    """It may have the next request on its connection when the watch would cut it."""

    async def run() -> None:
        gate, go, block = Gate(), tmp_path / "go", 65_536
        most = limits.SYNC_INVOKE_BYTES_MAX  # 96 blocks, which leave as soon as they are there
        rules = HoldBackConfig(first_writes=0, threshold_bytes=most, shaping=False)
        function = playing(path=tmp_path, url=STREAM, hold_back=rules)
        flood: list[dict[str, Any]] = [{"flood": 96}, {"wait": str(go)}, {"flood": 90}]
        async with (
            running(function) as emulator,
            asking(
                emulator,
                {"gate": gate.port},
                BEGIN,
                prelude(),
                *flood,
                END,
                receive_bytes=4 * block,
            ) as client,
        ):
            answer = await client.read_head()
            size = 0
            while size < most:
                size += len(await client.read_chunk())
            assert size == most
            go.touch()  # what leaves with the end is more than the kernel takes
            assert len(await client.read_body(answer)) == 90 * block
            # From inside: it would be seen a minute later.
            connections = [
                found for found in gc.get_objects() if issubclass(type(found), Connection)
            ]
            assert [each for each in connections if is_watched(each)] == []
        gate.close()

    uvloop.run(run())
    gc.collect()  # the next test looks for outlets as well


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


@pytest.mark.parametrize("is_url", [True, False])
def test_whoever_leaves_what_waits_for_the_rate_does_not_hold_the_function(
    tmp_path: Path, is_url: bool
) -> None:
    """It would wait for its time-out otherwise: nobody tells it any more that there is room."""

    async def story(emulator: Harness) -> None:
        gate, done = Gate(), tmp_path / "done"
        steps: list[dict[str, Any]] = [{"gate": gate.port}, BEGIN, prelude(), {"flood": 200}, END]
        steps.append({"append": [str(done), "done"]})
        url = emulator.service.function_urls["f"] if is_url else emulator.service.url
        client = await Client.connect(url)
        body = json.dumps({"play": steps}).encode()
        fields = [("content-type", "application/json")]
        await client.request("POST", "/" if is_url else PATH, fields, body)
        await client.read_head()
        size = 0
        while size < limits.STREAM_BURST_BYTES:
            size += len(await client.read_chunk())
        assert not done.exists()  # it waits
        client.reset()
        await wait_until(done.exists)
        assert [outlet for outlet in outlets() if outlet.held_bytes] == []
        client.close()
        gate.close()

    serve(story, tmp_path, STREAM, hold_back=HoldBackConfig(), timeout_s=900)
