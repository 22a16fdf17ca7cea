"""The cold start: imports before the app's own, and the time from a start to the first byte."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tests.kits.ports import free_port

from bench.chain import FUNCTIONS
from bench.function import PYTHON_VARIABLES, VALGRIND, collected
from bench.invoker import Invoker, next_answer, variables
from bench.load import BenchError
from bench.peers import PROGRAMS

TIMEOUT_S = 60.0
FIRST_BYTES = b"data: "
OURS = "`tailrace.runtime`"
PROXY = "uvicorn behind a proxy"
STARTS = (OURS, PROXY)
ADAPTERS = {
    "`asgi(app)`": "from tailrace.function import asgi\nhandler = asgi(app)",
    "`Mangum(app)`": "from mangum import Mangum\nhandler = Mangum(app)",
}
BEFORE = {
    "alone": "async def app(scope, receive, send): ...",
    "after FastAPI": "from fastapi import FastAPI\napp = FastAPI()",
}
"""What has been imported when the adapter is. FastAPI imports much that both of them need."""
PROGRAM = """\
import time
{before}
started_s = time.perf_counter()
{adapter}
print((time.perf_counter() - started_s) * 1e3)
"""


def import_ms(python: str, before: str, adapter: str) -> float:
    """Milliseconds until an adapter is imported and has made a handler, in a fresh process."""
    return float(_run([python], before, ADAPTERS[adapter]).stdout)


def import_instructions(python: str, before: str, adapter: str) -> int:
    """The same in instructions."""
    command = [*VALGRIND, python]
    runs = [_run(command, before, code) for code in (ADAPTERS[adapter], "pass")]
    own, rest = (collected(run.stderr) for run in runs)
    return own - rest


def _run(command: Sequence[str], before: str, adapter: str) -> subprocess.CompletedProcess[str]:
    words = [*command, "-c", PROGRAM.format(before=BEFORE[before], adapter=adapter)]
    done = subprocess.run(
        words, env=_variables(), capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    if done.returncode:
        raise BenchError(f"{adapter}: {done.stderr[-500:]}")
    return done


async def first_byte_ms(name: str, python: str) -> float:
    """Milliseconds from the start of the first process to the first byte of the response's body.

    uvicorn and the proxy start together; the event waits for either.
    """
    async with runtime_api() as (port, first_byte_s):
        words = {OURS: [["-m", "tailrace.runtime", "web:app"]], PROXY: _proxied(free_port())}[name]
        started_s = time.perf_counter()
        processes = [_start([python, *arguments], port) for arguments in words]
        return await first_byte_after(started_s, first_byte_s, processes, name)


async def first_byte_after(
    started_s: float,
    first_byte_s: asyncio.Future[float],
    processes: Sequence[subprocess.Popen[bytes]],
    name: str,
) -> float:
    """Milliseconds from the start to the first byte. Then the sessions of the processes end."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return (await first_byte_s - started_s) * 1e3
    except TimeoutError:
        raise BenchError(f"{name}: no byte in {TIMEOUT_S:.0f} s") from None
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _proxied(port: int) -> list[list[str]]:
    server = ["-m", "uvicorn", "web:app", "--port", str(port), "--log-level", "warning"]
    return [server, [str(PROGRAMS / "web_adapter.py"), str(port)]]


def _start(words: Sequence[str], api_port: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        words,
        cwd=FUNCTIONS,
        env=_variables() | variables(api_port),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


@asynccontextmanager
async def runtime_api() -> AsyncIterator[tuple[int, asyncio.Future[float]]]:
    """A Runtime API with one event, and when the first byte of the response's body came."""
    first_byte_s: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        data = b""
        while more := await reader.read(65_536):
            data += more
            if data.startswith(b"GET ") and data.endswith(b"\r\n\r\n"):
                writer.write(next_answer(Invoker().event(1, has_callback=False)))
                data = b""
            elif FIRST_BYTES in data and not first_byte_s.done():
                first_byte_s.set_result(time.perf_counter())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], first_byte_s
    finally:
        server.close()
        if serving:  # until the peers, which have been killed, have closed
            await asyncio.wait(serving, timeout=TIMEOUT_S)


def _variables() -> dict[str, str]:
    return {"PATH": os.environ["PATH"]} | PYTHON_VARIABLES
