"""`--log-format` and `--log-level`, of real commands."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import re
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests import fakes
from tests.command import ANY_PORTS, Command, DevCommand

from tailrace import limits
from tailrace.cli.exchange_log import ExchangeLog
from tailrace.cli.logs import JsonLineFormatter, JsonLines, LogSettings
from tailrace.cli.terminal import Terminal
from tailrace.gateway.observe.log import log_exchange

HANDLER = """
from tailrace.function import streamify_response

@streamify_response
def handler(event, context):
    print("exchange", context.tailrace_exchange_id, "two\\nlines é")
    yield "ok"
"""
CONFIG = """
[functions.one]
handler = "app.handler"

[[routes]]
path = "/*"
function = "one"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(HANDLER)
    (tmp_path / "tailrace.toml").write_text(CONFIG)
    return tmp_path


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as response:
        body: bytes = response.read()
        return body


def objects(command: Command) -> Iterator[dict[str, object]]:
    """Every line so far: each must be an object."""
    for line in command.lines:
        document = json.loads(line)
        assert isinstance(document, dict)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(document["time"]))
        assert document["level"] in ("info", "warning", "error")
        yield document


def test_every_line_of_gateway_and_emulator_is_an_object_that_can_be_joined(project: Path) -> None:
    as_json = ["--log-format", "json"]
    with Command(["emulator", "--listen", "127.0.0.1:0", *as_json], cwd=project) as emulator:
        endpoint = emulator.wait_line(r"emulator on (http://[^:]+:\d+): one")[1]
        arguments = ["gateway", *ANY_PORTS[:4], "--endpoint-url", endpoint, *as_json]
        with Command(arguments, cwd=project) as gateway:
            url = gateway.wait_line(r"gateway on (http://[^,]+)")[1]
            assert fetch(f"{url}/a") == b"ok"
            gateway.wait_line('"outcome": "complete"')
            emulator.wait_line("REPORT RequestId")

            (line,) = [each for each in objects(gateway) if "exchange" in each]
            printed = [each for each in objects(emulator) if each.get("function") == "one"]

    assert (line["status"], line["bytes"], line["path"], line["client"]) == (
        200, 2, "/a", "127.0.0.1",
    )  # fmt: skip
    assert line["logger"] == "tailrace.gateway.exchange"
    assert str(line["message"]).startswith(f"exchange={line['exchange']} request_id=")
    messages = [each["message"] for each in printed]
    assert f"START RequestId: {line['request_id']} Version: $LATEST" in messages
    assert f"exchange {line['exchange']} two" in messages
    assert "lines é" in messages


def test_dev_writes_objects_too(project: Path) -> None:
    arguments = ["dev", "--config", str(project / "tailrace.toml"), *ANY_PORTS]
    with Command([*arguments, "--log-format", "json"]) as dev:
        url = dev.wait_line(r"dev on (http://[^,]+), Lambda on http")[1]
        fetch(f"{url}/a")
        dev.wait_line('"outcome": "complete"')

        loggers = {each["logger"] for each in objects(dev)}

    assert {"tailrace.dev", "tailrace.gateway.exchange", "function"} <= loggers


def test_the_level_leaves_out_what_is_less_and_no_output_of_functions(project: Path) -> None:
    with DevCommand(project / "tailrace.toml", "--log-level", "warning") as dev:
        fetch(f"{dev.url}/a")
        dev.wait_line("lines é")
        assert fetch(f"{dev.url}/b") == b"ok"

        assert not [line for line in dev.lines if "outcome=" in line]


def test_a_traceback_is_one_object() -> None:
    try:
        raise ValueError("a\nb")
    except ValueError:
        record = logging.LogRecord("tailrace.x", 40, __file__, 1, "no %s", ("way",), sys.exc_info())

    text = JsonLineFormatter().format(record)

    document = json.loads(text)
    assert "\n" not in text
    assert (document["level"], document["message"]) == ("error", "no way")
    assert document["traceback"].endswith("ValueError: a\nb")


def test_what_is_not_known_is_null() -> None:
    values = {"exchange": "8f5b6a0e", "request_id": "-", "bytes": 5}
    text = "exchange=%(exchange)s request_id=%(request_id)s bytes=%(bytes)s"
    record = logging.LogRecord("tailrace.x", 20, __file__, 1, text, (values,), None)

    document = json.loads(JsonLineFormatter().format(record))

    assert document["message"] == "exchange=8f5b6a0e request_id=- bytes=5"
    assert {name: document[name] for name in values} == {**values, "request_id": None}


RECORD = fakes.RECORD._replace(request_id=None)


@pytest.mark.parametrize("is_json", [False, True])
def test_a_gateway_writes_the_same_line_as_a_log_record(is_json: bool) -> None:
    stream, settings = io.StringIO(), LogSettings("json" if is_json else "text")
    terminal = Terminal(stream, {})
    terminal.take_log(settings=settings)

    async def log_both() -> None:
        record = RECORD._replace(path='/a"b\\c')
        ExchangeLog(terminal, settings)(record)
        log_exchange(record)

    asyncio.run(log_both())

    ours, theirs = (
        re.sub(r"[0-9]+:[0-9:.]+Z?", "…", line) for line in stream.getvalue().split("\n", 1)
    )
    assert ours == theirs.removesuffix("\n")
    assert "outcome" in ours


def test_the_time_of_a_line_has_milliseconds() -> None:
    lines = JsonLines("tailrace.x", ["bytes"])

    first, second = (
        json.loads(lines.line(at_s, "text", [5])) for at_s in (1_796_000_000.25, 1_796_000_001.0)
    )

    assert first == {
        "time": "2026-11-30T00:53:20.250Z",
        "level": "info",
        "logger": "tailrace.x",
        "message": "text",
        "bytes": 5,
    }
    assert second["time"] == "2026-11-30T00:53:21.000Z"


@pytest.mark.parametrize("at_s", [1_700_002_407.791, 1_700_002_407.9999999, 1_700_002_407.0005])
def test_the_time_of_a_line_is_that_of_a_log_record(at_s: float) -> None:
    (line,) = (json.loads(JsonLines("x", []).line(at_s, "text", [])),)

    moment = datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")
    assert line["time"] == moment.replace("+00:00", "Z")


async def _log_lines(terminal: Terminal, settings: LogSettings) -> None:
    log = ExchangeLog(terminal, settings)
    log(RECORD)
    assert isinstance(terminal.stream, io.StringIO)
    assert terminal.stream.getvalue() == ""
    log(RECORD._replace(path="/failed", outcome="malformed"))


def test_a_warning_is_written_at_once_behind_the_lines_that_wait() -> None:
    stream = io.StringIO()
    terminal = Terminal(stream, {})
    terminal.take_log()

    asyncio.run(_log_lines(terminal, LogSettings()))

    first, second = stream.getvalue().splitlines()
    assert "path=/lines" in first
    assert "warning: " in second and "path=/failed" in second


def test_a_line_is_written_after_a_while_though_nothing_follows() -> None:
    async def write() -> str:
        lines: asyncio.Queue[str] = asyncio.Queue()
        stream = io.StringIO()
        stream.flush = lambda: lines.put_nowait(stream.getvalue())  # type: ignore[method-assign]
        terminal = Terminal(stream, {})
        for text in ("one", "two"):
            terminal.write_soon(text)
        assert lines.empty()
        return await asyncio.wait_for(lines.get(), 20)

    assert asyncio.run(write()) == "one\ntwo\n"


def test_lines_that_wait_are_bounded() -> None:
    async def write() -> int:
        stream = io.StringIO()
        terminal = Terminal(stream, {})
        count = 0
        while not stream.getvalue():
            terminal.write_soon("x" * 1000)
            count += 1
        return count

    assert asyncio.run(write()) == limits.LOG_WAITING_CHARS_MAX // 1000 + 1


def test_no_line_is_lost_when_the_process_ends() -> None:
    program = """
import asyncio, os, sys
from tailrace.cli.terminal import Terminal
terminal = Terminal(sys.stderr, os.environ)
terminal.take_log()

async def end() -> None:
    terminal.write_soon("the last line")
    raise ValueError("an error that nothing catches")

asyncio.run(end())
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=os.environ
    )

    assert ended.returncode == 1
    assert "ValueError" in ended.stderr
    assert ended.stderr.endswith("the last line\n")


MANY_LINES = """
import asyncio, os, sys
from tailrace.cli.terminal import Terminal
terminal = Terminal(sys.stderr, os.environ)
async def write() -> None:
    for number in range(20_000):
        terminal.write_soon(sys.argv[1] * (number % 200))
asyncio.run(write())
terminal.flush()
"""


def test_lines_of_several_processes_do_not_mix_in_a_pipe() -> None:
    reading, writing = os.pipe()
    writers = [
        subprocess.Popen([sys.executable, "-c", MANY_LINES, letter], stderr=writing, env=os.environ)
        for letter in ("a", "b", "é")
    ]
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        kinds = Counter("".join(sorted(set(line.rstrip("\n")))) for line in pipe)
    assert [writer.wait(20) for writer in writers] == [0, 0, 0]
    empty = 3 * 20_000 // 200
    assert kinds == {"": empty, **dict.fromkeys("abé", 20_000 - empty // 3)}


UNREAD = """
import asyncio, fcntl, logging, os, sys
from tailrace.cli.terminal import Terminal
fcntl.fcntl(2, fcntl.F_SETPIPE_SZ, 4096)
terminal = Terminal(sys.stderr, os.environ)
terminal.take_log()
log = logging.getLogger("tailrace.gateway")
async def write() -> None:
    for number in range(20_000):
        log.info("line %d", number)
    print("the loop goes on", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    while terminal._waiting or terminal._lost:  # until the reader has caught up
        await asyncio.sleep(0.01)
asyncio.run(write())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the size of a pipe is set")
def test_a_log_that_nobody_reads_stops_nothing() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", UNREAD], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "the loop goes on\n"
        _, log = process.communicate()

    texts = [line.partition(" ")[2] for line in log.splitlines()]
    kept = [text for text in texts if text.startswith("line ")]
    (lost,) = (int(text.split()[1]) for text in texts if text.startswith("warning: "))
    assert process.returncode == 0
    assert kept == [f"line {number}" for number in range(20_000 - lost)]
