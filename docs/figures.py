"""Draw the pictures of the documentation that show measurements; all of them are real.

    python docs/figures.py          draw them into docs/images; it takes half a minute

The functions run on the emulator, which holds their streams back as has been measured of Lambda.
They write a line a second, as in the experiment that was published: see
docs/topics/how-the-probe-measures.md.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Final, NamedTuple
from urllib.parse import urlsplit

from tailrace.net.process.startup import run
from tailrace.probe.measure import measure
from tailrace.probe.options import MeasureOptions
from tailrace.probe.plot import draw
from tailrace.probe.record import Reading

IMAGES: Final = Path(__file__).parent / "images"

APP: Final = '''
"""Four lines, a pause between two of them, and one more pause before the end."""

import os
import time

from tailrace.function import Head, streamify_response
from tailrace.probe import handler as companion
from tailrace.probe.companion import environment_name

PAUSE_S = float(os.environ["PAUSE_S"])


def handler(event, context):
    """What the probe asks of its companion; but the stream is ours."""
    if event["headers"].get("tailrace-probe") == "ping":
        return companion(event, context)
    return lines(event, context)


@streamify_response
def lines(event, context):
    said = f"v=1; environment={environment_name()}; started_ns={time.time_ns()}"
    yield Head(200, {"content-type": "text/plain; charset=utf-8", "tailrace-probe": said})
    for index in range(4):
        yield f"line {index + 1} [{index}:{time.time_ns()}]\\n"
        time.sleep(PAUSE_S)


@streamify_response
def events(event, context):
    """What has no companion at its other end."""
    yield Head(200, {"content-type": "text/event-stream"})
    for number in range(8):
        yield f"data: token {number}\\n\\n"
        time.sleep(PAUSE_S / 2)
'''

FUNCTIONS: Final = {
    "waits": "app.handler",
    "ends": "tailrace.probe.handler",
    "events": "app.events",
}


def configuration(pause_s: float) -> str:
    """What the emulator serves."""
    lines: list[str] = []
    for name, handler in FUNCTIONS.items():
        lines += [f"[functions.{name}]", f'handler = "{handler}"', 'hold_back = "lambda"']
        lines += [f"[functions.{name}.environment]", f'PAUSE_S = "{pause_s}"']
        lines += [f"[functions.{name}.url]", 'invoke_mode = "RESPONSE_STREAM"']
        lines += ["[[routes]]", f'path = "/{name}/*"', f'function = "{name}"']
    return "\n".join([*lines, ""])


@contextmanager
def serving(pause_s: float) -> Iterator[dict[str, str]]:
    """Run `tailrace dev`; yield the addresses of the gateway and of each Function URL."""
    any_port = "127.0.0.1:0"
    listens = ("--listen", "--callback-listen", "--emulator-listen")
    command = [sys.executable, "-m", "tailrace", "dev"]
    command += [word for name in listens for word in (name, any_port)]
    with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryFile("w+") as log:
        (Path(directory) / "app.py").write_text(APP)
        (Path(directory) / "tailrace.toml").write_text(configuration(pause_s))
        dev = subprocess.Popen(command, cwd=directory, stderr=log, stdout=subprocess.DEVNULL)
        try:
            yield addresses(banner(dev, log))
        except BaseException:
            log.seek(0)
            sys.stderr.write(log.read())
            raise
        finally:
            dev.terminate()
            dev.wait()


def banner(dev: subprocess.Popen[bytes], log: IO[str]) -> str:
    """What it shows when it has started."""
    end_s = time.monotonic() + 30
    while dev.poll() is None and time.monotonic() < end_s:
        log.seek(0)
        shown = log.read()
        if "Ctrl-C" in shown:
            return shown
        time.sleep(0.05)
    raise TimeoutError("tailrace dev does not start")


def addresses(shown: str) -> dict[str, str]:
    """Where what is found, by the lines that `tailrace dev` shows when it starts."""
    urls = re.findall(r"^ +URL +(http://\S+) +(\w+),", shown, re.MULTILINE)
    (gateway,) = re.findall(r"^ +(?:Open|Gateway) +(http://[^\s/]+)", shown, re.MULTILINE)
    return {"gateway": gateway, **{name: url for url, name in urls}}


@asynccontextmanager
async def link(url: str, up_s: float, down_s: float) -> AsyncIterator[str]:
    """A way to a URL on which requests and responses take so long."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, s: float) -> None:
        while data := await reader.read(65_536):
            loop.call_later(s, writer.write, data)
        loop.call_later(s, writer.close)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        further, back = await asyncio.open_connection(parts.hostname, parts.port)
        await asyncio.gather(carry(reader, back, up_s), carry(further, writer, down_s))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{parts.path}"
        await asyncio.sleep(up_s + down_s + 0.1)  # what is under way, its ends included


class Measured(NamedTuple):
    """A row of a picture."""

    name: str
    reading: Reading


async def published(at: Mapping[str, str], pause_s: float) -> list[Measured]:
    """Both runs of the experiment."""
    lines = MeasureOptions(count=4, interval_s=pause_s)
    return [
        Measured(
            "First run: the end comes a second after line 4", await measure(at["waits"], lines)
        ),
        Measured("Second run: the end comes at once", await measure(at["ends"], lines)),
    ]


async def late_and_on_time(at: Mapping[str, str], pause_s: float) -> list[Measured]:
    """The same function, on two paths."""
    lines = MeasureOptions(count=4, interval_s=pause_s)
    gateway = f"{at['gateway']}/waits/"
    return [
        Measured("Function URL, no padding", await measure(at["waits"], lines)),
        Measured("The same function through the gateway", await measure(gateway, lines)),
    ]


async def padding(at: Mapping[str, str], pause_s: float) -> list[Measured]:
    """What helps."""
    html = MeasureOptions(count=4, interval_s=pause_s, content_type="text/html")
    small, large = replace(html, size=10_000), replace(html, size=100_000)
    flushed = replace(html, pad_bytes=100_000)
    gateway = f"{at['gateway']}/ends/"
    return [
        Measured("Function URL, lines padded to 10 KB", await measure(at["ends"], small)),
        Measured("Function URL, lines padded to 100 KB", await measure(at["ends"], large)),
        Measured("Function URL, short lines and flush()", await measure(at["ends"], flushed)),
        Measured("Through the gateway, short lines", await measure(gateway, html)),
    ]


async def any_url(at: Mapping[str, str], pause_s: float) -> list[Measured]:
    """Responses that do not say when they were written."""
    gateway = f"{at['gateway']}/events/"
    await measure(at["events"])  # a cold start is another story
    await asyncio.sleep(pause_s / 2)  # until its environment is free again
    return [
        Measured("An SSE endpoint behind a Function URL", await measure(at["events"])),
        Measured("The same one behind the gateway", await measure(gateway)),
    ]


async def asymmetry(at: Mapping[str, str], pause_s: float) -> list[Measured]:
    """Two links that nobody can tell apart from one end."""
    chunks = MeasureOptions(count=4, interval_s=pause_s / 4, pings=2)
    rows = []
    for up_ms, down_ms in ((40, 120), (120, 40)):
        name = f"Requests take {up_ms} ms, responses {down_ms} ms"
        async with link(f"{at['gateway']}/ends/", up_ms / 1000, down_ms / 1000) as url:
            rows.append(Measured(name, await measure(url, chunks)))
    return rows


FIGURES: Final = {
    "late-and-on-time": late_and_on_time,
    "published-experiment": published,
    "padding": padding,
    "any-url": any_url,
    "asymmetry": asymmetry,
}
"""Each picture, and what measures it."""


def draw_all(directory: Path, *, pause_s: float = 1.0, suffix: str = ".svg") -> None:
    """Measure and draw every picture, with so long a pause between two lines."""
    with serving(pause_s) as at:
        for name, measured in FIGURES.items():
            rows = run(measured(at, pause_s))
            path = directory / f"{name}{suffix}"
            draw([row.reading for row in rows], path, names=[row.name for row in rows])


if __name__ == "__main__":
    draw_all(IMAGES)
