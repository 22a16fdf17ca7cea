"""The emulator's life: reload and stop."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop
from tests.emulator.harness import Harness, config, is_running, playing, running, wait_until

from tailrace.emulator.functions import FunctionStatistics
from tailrace.emulator.log import EmulatorLog
from tailrace.emulator.service import Emulator


def counts(emulator: Harness, name: str = "f") -> FunctionStatistics:
    return emulator.service.statistics().functions[name]


def test_a_reload_lets_what_runs_finish_and_serves_from_new_environments(tmp_path: Path) -> None:
    async def run() -> None:
        go = tmp_path / "go"
        function = playing(path=tmp_path, concurrency=2)
        async with running(function) as emulator:
            held = asyncio.create_task(emulator.play({"wait": str(go)}, {"return": "old"}))
            await wait_until(lambda: counts(emulator).busy == 1)
            (busy,) = emulator.service.pids()
            await emulator.invoke()
            await wait_until(lambda: counts(emulator).idle == 1)
            (idle,) = set(emulator.service.pids()) - {busy}

            await emulator.service.reload(config(function), {"f"})
            await wait_until(lambda: not is_running(idle))
            assert is_running(busy)
            await wait_until(lambda: counts(emulator).retiring == 1)
            new = await asyncio.gather(*(emulator.play({"return": "new"}) for _ in range(2)))
            assert [answer.json() for answer in new] == ["new", "new"]
            go.touch()

            assert (await held).json() == "old"
            await wait_until(lambda: counts(emulator).retiring == 0)
            assert not is_running(busy)
            await wait_until(lambda: counts(emulator).idle == 2)

    uvloop.run(run())


def test_a_reload_touches_only_what_has_changed(tmp_path: Path) -> None:
    async def run() -> None:
        f, g = playing("f", path=tmp_path), playing("g", path=tmp_path)
        async with running(f, g) as emulator:
            await emulator.invoke(name="f")
            (f_pid,) = emulator.service.pids()
            await emulator.invoke(name="g")
            (g_pid,) = set(emulator.service.pids()) - {f_pid}
            await wait_until(lambda: counts(emulator, "g").idle == 1)

            await emulator.service.reload(config(f, g), set())
            assert set(emulator.service.pids()) == {f_pid, g_pid}
            await emulator.service.reload(config(f, replace(g, memory_mb=256)), set())
            await wait_until(lambda: emulator.service.pids() == [f_pid])
            assert not is_running(g_pid)
            await emulator.service.reload(config(f, g))
            await wait_until(lambda: not is_running(f_pid))

    uvloop.run(run())


def test_a_reload_adds_and_removes_functions(tmp_path: Path) -> None:
    async def run() -> None:
        go = tmp_path / "go"
        f, g = playing("f", path=tmp_path, concurrency=1), playing("g", path=tmp_path)
        async with running(f) as emulator:
            held = asyncio.create_task(emulator.play({"wait": str(go)}, {"return": "old"}))
            await wait_until(lambda: counts(emulator).busy == 1)
            (busy,) = emulator.service.pids()
            await emulator.invoke({}, kind="Event")

            await emulator.service.reload(config(g))
            await wait_until(lambda: "belongs to a function that was removed" in emulator.log)
            assert (await emulator.invoke({}, name="f")).status == 404
            assert (await emulator.invoke({"a": 1}, name="g")).json() == {"a": 1}
            assert emulator.service.statistics().removed == 1
            go.touch()

            assert (await held).json() == "old"
            await wait_until(lambda: emulator.service.statistics().removed == 0)
            assert not is_running(busy)

    uvloop.run(run())


def test_queued_events_run_after_a_reload(tmp_path: Path) -> None:
    async def run() -> None:
        done = tmp_path / "done"
        stuck = playing(path=tmp_path, concurrency=1)
        async with running(stuck) as emulator:
            await emulator.play({"wait": "/nowhere"}, kind="Event")
            await wait_until(lambda: counts(emulator).busy == 1)
            await emulator.play({"append": [str(done), "ran"]}, {"return": 1}, kind="Event")
            assert counts(emulator).queued == 1

            await emulator.service.reload(config(stuck), {"f"})

            await wait_until(done.exists)
            await wait_until(lambda: counts(emulator).retiring == 1)

    uvloop.run(run())


def test_a_reload_takes_up_a_scale_of_retries_alone(tmp_path: Path) -> None:
    """Without new environments: they know nothing of it."""

    async def run() -> None:
        function = playing(path=tmp_path, retries=1)
        async with running(function, retry_delay_scale=1.0) as emulator:
            await emulator.invoke()
            pids = emulator.service.pids()

            await emulator.service.reload(config(function, retry_delay_scale=0.5), set())

            assert emulator.service.pids() == pids
            await emulator.play({"exit": 1}, kind="Event")
            await wait_until(lambda: "next attempt in 30 s" in emulator.log)

    uvloop.run(run())


def test_stop_ends_everything_at_any_moment(tmp_path: Path) -> None:
    """What is left is checked by `running`: processes, tasks, sockets and pipes."""

    async def run() -> None:
        child, go = tmp_path / "child", tmp_path / "go"
        function = playing(path=tmp_path, concurrency=3)
        starting = playing("slow", path=tmp_path, environment={"PLAY_INIT": '[{"wait": "/no"}]'})
        async with running(function, starting) as emulator:
            idle = asyncio.create_task(emulator.play({"wait": str(go)}, {"return": 1}))
            busy = asyncio.create_task(emulator.play({"spawn": str(child)}, {"wait": "/nowhere"}))
            cold = asyncio.create_task(emulator.invoke(name="slow"))
            await wait_until(lambda: counts(emulator).busy == 2)
            await wait_until(child.exists)
            go.touch()
            await idle
            await wait_until(lambda: counts(emulator).idle == 1)
            await wait_until(lambda: counts(emulator, "slow").starting == 1)
            await emulator.play({"wait": "/nowhere"}, kind="Event")
            await emulator.play({"exit": 1}, kind="Event")
            await emulator.service.reload(config(function, starting), {"f"})
            await emulator.service.stop()

            for cut in (busy, cold):  # their callers get no answer, rather than a wrong one
                with pytest.raises((OSError, ValueError, IndexError)):
                    await cut
            await wait_until(lambda: not is_running(int(child.read_text())))

    uvloop.run(run())


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    async def run() -> None:
        function = playing(path=tmp_path, environment={"PLAY_INIT": '[{"ignore_sigterm": 1}]'})
        async with running(function) as emulator:
            await emulator.invoke()
            (pid,) = emulator.service.pids()
            await emulator.service.reload(config(function))

            await wait_until(lambda: not is_running(pid))
            await wait_until(lambda: counts(emulator).retiring == 0)

    uvloop.run(run())


def test_stop_waits_for_what_a_reload_is_ending(tmp_path: Path) -> None:
    async def run() -> None:
        function = playing(path=tmp_path, environment={"PLAY_INIT": '[{"ignore_sigterm": 1}]'})
        async with running(function) as emulator:
            await emulator.invoke()
            await wait_until(lambda: counts(emulator).idle == 1)
            (pid,) = emulator.service.pids()
            await emulator.service.reload(config(function))
            assert emulator.service.pids() == [pid]
            await emulator.service.stop()

            assert not is_running(pid)

    uvloop.run(run())


def test_an_address_in_use_is_an_error(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(playing(path=tmp_path)) as emulator:
            other = Emulator(
                config(playing(path=tmp_path)), log=EmulatorLog(io.StringIO()), port=emulator.port
            )
            with pytest.raises(OSError, match="in use"):
                await other.start()

    uvloop.run(run())
