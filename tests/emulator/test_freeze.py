"""Environments that are frozen between invocations: nothing runs, and all can be woken or ended."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest
import uvloop
from tests.emulator.harness import Harness, config, is_running, playing, running, wait_until
from tests.node.runtimes import RUNTIMES, command

from tailrace.config import FunctionConfig

PYTHON = """
import threading, time

seen = []

def tick():
    while True:
        time.sleep(0.001)
        seen.append(1)

threading.Thread(target=tick, daemon=True).start()

def handler(event, context):
    return {"n": event["n"], "ticks": len(seen)}
"""
NODE = """
let ticks = 0;
setInterval(() => { ticks += 1; }, 1).unref();
exports.handler = awslambda.streamifyResponse(async (event, response) => {
  response.write(JSON.stringify({ n: event.n, ticks }));
  response.end();
});
"""


def is_frozen(pid: int) -> bool:
    return "\nState:\tT" in Path(f"/proc/{pid}/status").read_text()


def are_stopped(pid: int) -> bool:
    """Whether no thread of a process can run, by the kernel's own states."""
    paths = list(Path(f"/proc/{pid}/task").glob("*/stat"))
    states = [path.read_text().rpartition(")")[2].split()[0] for path in paths]
    return len(states) > 1 and set(states) == {"T"}


def frozen(emulator: Harness) -> bool:
    pids = emulator.service.pids()
    return bool(pids) and all(is_frozen(pid) for pid in pids)


def test_a_frozen_environment_does_nothing_until_the_next_event(tmp_path: Path) -> None:
    async def run() -> None:
        ticks, child = tmp_path / "ticks", tmp_path / "child"
        async with running(playing(path=tmp_path), freeze=True) as emulator:
            await emulator.play({"count": str(ticks)}, {"spawn": str(child)}, {"return": 1})
            await wait_until(lambda: frozen(emulator))
            # The whole process group: each of its processes stops when it is next to run.
            await wait_until(lambda: is_frozen(int(child.read_text())))
            (pid,) = emulator.service.pids()
            await wait_until(lambda: are_stopped(pid))  # each thread, when it is next to run
            answer = await emulator.invoke({"a": 1})

            assert answer.json() == {"a": 1}
            assert emulator.log.count("Init Duration") == 1
            await wait_until(lambda: frozen(emulator))
            assert emulator.log.count("Max Memory Used") == 2

    uvloop.run(run())


def test_without_the_switch_nothing_is_frozen(tmp_path: Path) -> None:
    async def run() -> None:
        ticks = tmp_path / "ticks"
        async with running(playing(path=tmp_path)) as emulator:
            await emulator.play({"count": str(ticks)}, {"return": 1})
            await wait_until(lambda: emulator.service.statistics().functions["f"].idle == 1)
            before = ticks.read_text()

            await wait_until(lambda: ticks.read_text() != before)

    uvloop.run(run())


def test_a_function_that_works_on_behind_its_answer_is_not_frozen(tmp_path: Path) -> None:
    async def run() -> None:
        go, done = tmp_path / "go", tmp_path / "done"
        async with running(playing(path=tmp_path), freeze=True) as emulator:
            await emulator.play({"return": 1}, {"wait": str(go)}, {"append": [str(done), "done"]})
            assert not frozen(emulator)
            go.touch()

            await wait_until(done.exists)
            await wait_until(lambda: frozen(emulator))

    uvloop.run(run())


def test_a_frozen_process_gets_its_sigterm(tmp_path: Path) -> None:
    async def run() -> None:
        note = tmp_path / "note"
        async with running(playing(path=tmp_path), freeze=True) as emulator:
            await emulator.play({"note_sigterm": [str(note), "SIGTERM"]}, {"return": 1})
            await wait_until(lambda: frozen(emulator))

        assert note.read_text() == "SIGTERM\n"

    uvloop.run(run())


def test_a_frozen_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    async def run() -> None:
        child = tmp_path / "child"
        async with running(playing(path=tmp_path), freeze=True) as emulator:
            await emulator.play({"ignore_sigterm": 1}, {"spawn": str(child)}, {"return": 1})
            await wait_until(lambda: frozen(emulator))

        # Killed with its group, and gone when the machine's first process has taken its end.
        await wait_until(lambda: not is_running(int(child.read_text())))

    uvloop.run(run())


def test_a_frozen_process_that_dies_is_replaced(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(playing(path=tmp_path), freeze=True) as emulator:
            await emulator.invoke()
            await wait_until(lambda: frozen(emulator))
            (pid,) = emulator.service.pids()
            os.kill(pid, signal.SIGKILL)
            await wait_until(lambda: "signal: killed between two invocations" in emulator.log)

            assert (await emulator.invoke({"a": 1})).json() == {"a": 1}

    uvloop.run(run())


def test_a_reload_ends_frozen_processes_and_may_change_the_switch(tmp_path: Path) -> None:
    async def run() -> None:
        function = playing(path=tmp_path)
        async with running(function, freeze=True) as emulator:
            await emulator.invoke()
            await wait_until(lambda: frozen(emulator))
            (pid,) = emulator.service.pids()
            await emulator.service.reload(config(function, freeze=True), set())
            assert is_running(pid)  # nothing has changed
            await emulator.service.reload(config(function), set())
            await wait_until(lambda: not is_running(pid))
            await emulator.invoke()
            await wait_until(lambda: emulator.service.statistics().functions["f"].idle == 1)

            assert not frozen(emulator)

    uvloop.run(run())


def test_an_extension_is_frozen_and_hears_of_the_end(tmp_path: Path) -> None:
    async def run() -> None:
        log = tmp_path / "log"
        steps = json.dumps([{"extend": ["e", ["INVOKE", "SHUTDOWN"], str(log), ""]}])
        function = playing(path=tmp_path, environment={"PLAY_INIT": steps})
        async with running(function, freeze=True) as emulator:
            for _ in range(3):
                await emulator.invoke()
                await wait_until(lambda: frozen(emulator))

        kinds = [json.loads(line)["eventType"] for line in log.read_text().splitlines()]
        assert kinds == ["INVOKE", "INVOKE", "INVOKE", "SHUTDOWN"]

    uvloop.run(run())


@pytest.mark.parametrize("runtime", ["tailrace", "awslambdaric", *RUNTIMES])
def test_real_runtimes_do_not_notice(tmp_path: Path, runtime: str) -> None:
    """Their connections are as they left them, and their threads have lost no tick but time."""

    async def run() -> None:
        (tmp_path / "app.py").write_text(PYTHON)
        (tmp_path / "app.js").write_text(NODE)
        program: tuple[str, ...] | None = None
        if runtime == "awslambdaric":
            program = (sys.executable, "-m", "awslambdaric", "app.handler")
        elif runtime in RUNTIMES:
            program = tuple(command(runtime, "app.handler"))
        handler = "app.handler" if program is None else None
        function = FunctionConfig(name="f", handler=handler, command=program, path=tmp_path)
        async with running(function, freeze=True) as emulator:
            for number in range(8):
                answer = await emulator.invoke({"n": number})
                assert (answer.function_error, answer.json()["n"]) == (None, number)
                await wait_until(lambda: frozen(emulator))

            assert emulator.log.count("Init Duration") == 1

    uvloop.run(run())
