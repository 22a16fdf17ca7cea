"""Environments that are started ahead of the first invocation."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import uvloop
from tests.emulator.harness import Harness, config, playing, running, wait_until

from tailrace.emulator.functions import FunctionStatistics


def counts(emulator: Harness) -> FunctionStatistics:
    return emulator.service.statistics().functions["f"]


def init_steps(*steps: dict[str, Any]) -> dict[str, str]:
    return {"PLAY_INIT": json.dumps(steps)}


def test_the_first_invocation_finds_a_warm_environment(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(playing(path=tmp_path)) as emulator:
            await emulator.service.warm()

            assert counts(emulator).idle == 1
            (pid,) = emulator.service.pids()
            await emulator.play({"return": 1})
            assert emulator.service.pids() == [pid]
            assert "Init Duration" not in emulator.log
            await emulator.service.warm()  # there is one
            assert emulator.service.pids() == [pid]

    uvloop.run(run())


def test_a_function_that_cannot_start_says_so_before_anybody_asks(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(playing(path=tmp_path, environment=init_steps({"exit": 3}))) as emulator:
            await emulator.service.warm()

            assert "cannot start: Runtime.ExitError: Runtime exited with" in (emulator.log)
            assert "; the next invocation tries again" in emulator.log
            assert emulator.service.pids() == []
            answer = await emulator.play({"return": 1})
            assert "exit status 3" in answer.body.decode()

    uvloop.run(run())


def test_a_program_that_is_not_there_says_so_before_anybody_asks(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(playing(path=tmp_path)) as emulator:
            os.rename(tmp_path, tmp_path.with_name("moved"))
            try:
                await emulator.service.warm()
                assert "cannot start: Runtime.InvalidWorkingDir" in emulator.log
            finally:
                os.rename(tmp_path.with_name("moved"), tmp_path)

    uvloop.run(run())


def test_an_invocation_that_comes_meanwhile_waits_for_it(tmp_path: Path) -> None:
    """One start, not two; and within the concurrency."""

    async def run() -> None:
        gate, notes = tmp_path / "gate", tmp_path / "notes"
        steps = init_steps({"append": [str(notes), "started"]}, {"wait": str(gate)})
        function = playing(path=tmp_path, environment=steps, concurrency=1)
        async with running(function) as emulator:
            warming = asyncio.create_task(emulator.service.warm())
            await wait_until(notes.exists)
            assert counts(emulator).starting == 1
            first = asyncio.create_task(emulator.play({"return": 7}))
            await wait_until(lambda: emulator.service._functions["f"]._pool._taker is not None)
            refused = await emulator.play({"return": 8})
            gate.touch()

            assert (await first).body == b"7"
            await warming
            assert refused.status == 429
            assert notes.read_text() == "started\n"

    uvloop.run(run())


def test_a_reload_and_a_stop_end_what_is_being_started(tmp_path: Path) -> None:
    async def run() -> None:
        notes = tmp_path / "notes"
        steps = init_steps({"append": [str(notes), "started"]}, {"wait": "/nowhere"})
        function = playing(path=tmp_path, environment=steps)
        async with running(function) as emulator:
            warming = asyncio.create_task(emulator.service.warm())
            await wait_until(notes.exists)

            await emulator.service.reload(config(function))

            await warming
            await wait_until(lambda: emulator.service.pids() == [])
            assert "cannot start" not in emulator.log
            assert "Error" not in emulator.log  # it did not fail: it was not needed any more
            notes.unlink()
            again = asyncio.create_task(emulator.service.warm())
            await wait_until(notes.exists)
            waiting = asyncio.create_task(emulator.play({"return": 1}))
            await wait_until(lambda: emulator.service._functions["f"]._pool._taker is not None)
            await emulator.service.stop()
            await again
            await asyncio.gather(waiting, return_exceptions=True)  # it is cut off

    uvloop.run(run())
