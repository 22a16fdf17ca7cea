"""`tailrace probe`: what it prints where, what it refuses, and its exit codes."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner
from tests.command import PATIENCE_S, environ_of
from tests.probe.readings import timed, untimed
from tests.probe.servers import CHUNKED, WAIT_S, Connection, Server, answer, chunk, sending
from tests.probe.test_measure import EVENT_STREAM, Companion

from tailrace.cli.live import LiveLines
from tailrace.cli.probe import probe
from tailrace.cli.probe_session import Conditions
from tailrace.cli.terminal import Terminal
from tailrace.errors import ConfigError
from tailrace.probe.protocol import FIELD, mark
from tailrace.probe.record import Clock


class Done(NamedTuple):
    """How a run of the command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """What it printed as JSON."""
        return dict(json.loads(self.out))


def run(*arguments: str) -> Done:
    """Run the command here."""
    result = CliRunner().invoke(probe, arguments)
    error = result.exception
    if isinstance(error, ConfigError):
        return Done(2, result.stdout, str(error))
    assert error is None or isinstance(error, SystemExit), error
    return Done(result.exit_code, result.stdout, result.stderr)


def run_process(*arguments: str, program: tuple[str, ...] = ("-m", "tailrace")) -> Done:
    """Run the command as a process."""
    done = subprocess.run(
        [sys.executable, *program, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env=environ_of(),
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def companion() -> Iterator[str]:
    """The URL of something that speaks the companion's protocol."""
    with Server(Companion()) as server:
        yield server.url


def test_a_companion_is_measured(companion: str) -> None:
    done = run_process("probe", "--count", "3", "--interval", "1ms", "--size", "70", companion)

    assert (done.code, done.err) == (0, "")
    assert re.search(r"^ +chunk +written +arrived +late +size$", done.out, re.MULTILINE)
    assert len(re.findall(r"^ +\d .* 70 B", done.out, re.MULTILINE)) == 3
    assert "\x1b" not in done.out


def test_an_output_that_cannot_be_written_is_no_success(companion: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "tailrace", "probe", "--json", "--count", "2", companion],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE_S,
            env=environ_of(),
            check=False,
        )

    assert done.returncode == 3
    assert "the output could not be written: no space left on device" in done.stderr


def test_any_url_is_measured_and_a_single_piece_is_no_error() -> None:
    with Server(sending(answer(b"hello"))) as server:
        done = run(server.url)

    assert (done.code, done.err) == (0, "")
    assert f"{server.url}\n  HTTP/1.1 200, text/plain\n" in done.out
    assert "5 B in 1 read\n" in done.out


def test_json_is_one_document_and_all_that_is_printed(companion: str) -> None:
    with Server(sending(answer(b"data: 1\n\n", EVENT_STREAM))) as server:
        done = run("--json", "--count", "2", "--interval", "0", companion, server.url)

    assert (done.code, done.err) == (0, "")
    assert done.document["version"] == 1
    assert done.document["errors"] == []
    first, second = done.document["readings"]
    assert (first["url"], first["unit"], len(first["chunks"])) == (companion, "chunk", 2)
    assert (second["url"], second["unit"], second["clock"]) == (server.url, "event", None)


def test_several_urls_are_compared_and_a_dead_one_stops_nobody(companion: str) -> None:
    with Server(sending()) as server:
        dead = server.url
    done = run("--count", "2", "--interval", "0", companion, dead, f"{companion}/x")

    assert done.code == 3
    assert done.err == (
        f"tailrace: {dead}: 127.0.0.1:{server.port} refuses the connection;"
        " is the server running, and the port right?\n"
    )
    table = done.out.rstrip().splitlines()[-3:]
    assert table[0].split() == ["first", "byte", "end", "units", "merged", "latest", "±"]
    assert [row.split()[0] for row in table[1:]] == [companion, f"{companion}/x"]


def test_a_dead_url_is_in_the_document_too() -> None:
    with Server(sending()) as server:
        dead = server.url
    done = run("--json", dead)

    assert done.code == 3
    assert done.document["readings"] == []
    (error,) = done.document["errors"]
    assert error["url"] == dead
    assert "refuses the connection" in error["error"]


@pytest.mark.parametrize(
    ("answered", "words"),
    [
        (
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\noops",
            "the answer is an error: 404; this is what was measured",
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\nconnection: close\r\n\r\noops",
            "response broke off: the connection broke before its answer was complete",
        ),
    ],
    ids=["an error", "broken off"],
)
def test_what_is_not_a_good_response_is_measured_and_exits_with_3(
    answered: bytes, words: str
) -> None:
    def script(connection: Connection) -> None:
        connection.head()
        connection.send(answered)

    with Server(script) as server:
        done = run(server.url)

    assert (done.code, done.err) == (3, "")
    assert words in done.out
    assert "4 B in 1 read" in done.out


def test_an_endless_stream_is_measured_for_a_time() -> None:
    def script(connection: Connection) -> None:
        connection.head()
        connection.send(CHUNKED + EVENT_STREAM + b"\r\n" + chunk(b"data: 1\n\n"))
        connection.wait_end()

    with Server(script) as server:
        done = run("--max-time", "300ms", server.url)

    assert (done.code, done.err) == (0, "")
    assert "the rest was not measured: it was measured for 0.3 s" in done.out


def test_options_reach_the_request() -> None:
    with Server(sending(answer(b""))) as server:
        done = run(
            "-H", "x-one: 1", "--header", "User-Agent:me", "--compressed", f"{server.url}/p?q=1"
        )

    (head,) = server.heads
    assert done.code == 0
    assert head.startswith(b"GET /p?q=1 HTTP/1.1\r\n")
    for line in (b"x-one: 1", b"User-Agent: me", b"accept-encoding: gzip"):
        assert line in head.split(b"\r\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument 'URL...'"),
        (["localhost:8080"], "is not an http(s) URL; try http://localhost:8080"),
        (["--count", "0", "http://x"], "0 is not in the range 1<=x<=10000"),
        (["--interval", "soon", "http://x"], "'soon' is no duration such as 250ms, 2s or 10m"),
        (["--interval", "16m", "http://x"], "16m is not in the range 0s to 900s"),
        (["--timeout", "0", "http://x"], "0 is not in the range 0.01s to 86400s"),
        (["--type", "png", "http://x"], "'png' is none of text, html, sse, ndjson"),
        (
            ["--count", "100", "--size", "6000000", "http://x"],
            "--count: with --size and --pad more than 209715200 bytes in all",
        ),
        (["-H", "no colon", "http://x"], "'no colon' is no 'NAME: VALUE'"),
        (["-H", "a b: c", "http://x"], "'a b: c' is no 'NAME: VALUE'"),
        (["-H", "a: b\r\nc: d", "http://x"], "is no 'NAME: VALUE'"),
        (["--plot", "x.gif", "http://x"], "x.gif"),
        (["--sweep", "--fail-if-merged", "http://x"], "--sweep: many responses, so no --plot"),
    ],
)
def test_a_mistake_is_named_and_exits_with_2(arguments: list[str], message: str) -> None:
    done = run(*arguments)

    assert done.code == 2
    assert message in done.err


# --- conditions ------------------------------------------------------------------------------

LATE = timed([(0.0, 0.3), (1.0, 1.1)], uncertainty_s=0.01)


@pytest.mark.parametrize(
    ("limit_s", "code", "words"),
    [
        (0.25, 1, "a chunk was 300 ms late, more than 250 ms"),
        (0.295, 3, "whether a chunk was later than 295 ms cannot be told: 300 ms ± 10.0 ms"),
        (0.305, 3, "whether a chunk was later than 305 ms cannot be told: 300 ms ± 10.0 ms"),
        (0.311, None, ""),
    ],
)
def test_a_chunk_is_too_late_when_that_is_certain(
    limit_s: float, code: int | None, words: str
) -> None:
    found = Conditions(limit_s, False).judge(LATE)

    assert found == ([] if code is None else [(code, words)])


def test_without_write_times_lateness_cannot_be_told() -> None:
    unknown = replace(LATE, clock=None)
    assert Conditions(1.0, False).judge(unknown) == [
        (3, "whether a chunk was later than 1.000 s cannot be told")
    ]
    assert Conditions(1.0, False).judge(untimed([0.1])) == [
        (3, "whether a chunk was later than 1.000 s can be told of the companion only")
    ]


def test_merged_chunks_are_found() -> None:
    merged = timed([(0.0, 1.0), (1.0, 1.0), (2.0, 2.0)])

    assert Conditions(None, True).judge(merged) == [(1, "1 chunk came with the one before")]
    assert Conditions(None, True).judge(LATE) == []
    assert Conditions(None, True).judge(untimed([0.5, 0.5, 0.5])) == [
        (1, "2 events came with the one before")
    ]
    assert Conditions(None, True).judge(untimed([0.5], unit="read")) == [
        (3, "whether anything was merged cannot be told of a body without content type")
    ]
    assert Conditions(None, True).judge(timed([(0.0, 0.1), (0.001, 0.1)])) == [
        (3, "whether anything was merged cannot be told: none was written apart")
    ]
    assert LATE.clock == Clock(0.0, 0.01, 8, 0.02)


def test_what_is_certain_decides_the_exit_code() -> None:
    body = b"data: 1\n\ndata: 2\n\n"
    with Server(sending(answer(body, EVENT_STREAM))) as server:
        done = run("--fail-if-merged", "--fail-if-later-than", "1s", server.url)
        as_json = run("--json", "--fail-if-merged", server.url)

    assert done.code == as_json.code == 1
    assert as_json.document["failures"] == [
        {"url": server.url, "words": "1 event came with the one before"}
    ]
    assert done.err.splitlines() == [
        f"failed: {server.url}: whether a chunk was later than 1.000 s can be told of the"
        " companion only",
        f"failed: {server.url}: 1 event came with the one before",
    ]


# --- pictures, sweeps ------------------------------------------------------------------------


def test_a_picture_is_drawn(companion: str, tmp_path: Path) -> None:
    picture = tmp_path / "late.svg"
    done = run("--plot", str(picture), "--count", "2", "--interval", "0", companion)

    assert (done.code, done.err) == (0, "")
    assert done.out.endswith(f"drawn: {picture}\n")
    assert picture.read_text().startswith("<?xml")


def test_a_picture_that_cannot_be_written_is_named(companion: str) -> None:
    """What was measured is shown before."""
    picture = f"/tmp/{'x' * 300}.svg"
    done = run("--plot", picture, "--count", "1", companion)

    assert (done.code, done.err) == (2, f"{picture}: cannot be written: File name too long")
    assert "1 chunk, none together with another" in done.out


def test_a_picture_without_a_directory_is_refused_before_anything_is_measured() -> None:
    done = run("--plot", "/nowhere/x.svg", "http://127.0.0.1:1")

    assert (done.code, done.out) == (2, "")
    assert done.err == "/nowhere/x.svg: cannot be written: /nowhere is no directory"


def test_a_sweep_says_what_padding_it_takes() -> None:
    paced = Companion()
    paced.on_chunk = lambda index: time.sleep(0.1 * index)  # the pause between its two chunks
    with Server(paced) as server:
        done = run("--sweep", server.url)

    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"{server.url}\n  Never held: ")
    assert {asked["count"] for asked in paced.asked} == {"2"}


def test_that_no_size_gets_through_is_a_finding() -> None:
    companion = Companion()

    def stream(connection: Connection) -> None:
        asked, started_ns = companion.asked[-1], companion.now_ns()
        said = f"{FIELD}: v=1; environment=one; started_ns={started_ns}\r\n".encode()
        body = b""
        for index in range(2):
            time.sleep(index * int(asked["interval_ms"]) / 1000)
            text = mark(index, companion.now_ns()).encode() + b"\n"
            body += text.rjust(int(asked["size"]), b"x")
        connection.send(answer(body, b"content-type: text/plain\r\n" + said))

    companion.stream = stream
    with Server(companion) as server:
        done = run("--sweep", "--json", server.url)

    assert (done.code, done.document["errors"]) == (0, [])
    (found,) = done.document["sweeps"]
    assert (found["threshold_bytes"], found["is_found"]) == (None, True)
    assert found["words"].startswith("Held at any size")


def test_a_sweep_that_meets_an_error_says_so() -> None:
    with Server(sending(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")) as server:
        done = run("--sweep", server.url)

    assert (done.code, done.err) == (3, f"tailrace: {server.url}: the answer is an error: 502\n")


def test_a_sweep_needs_the_companion() -> None:
    with Server(sending(answer(b"hello"))) as server:
        done = run("--sweep", "--json", server.url)

    assert done.code == 3
    assert done.document["sweeps"] == []
    assert "--sweep needs the companion behind the URL" in done.document["errors"][0]["error"]


# --- extras ----------------------------------------------------------------------------------

WITHOUT = (
    "import sys; sys.modules.update(dict.fromkeys({missing!r})); "
    "from tailrace.cli import main; main({arguments!r})"
)


def run_without(missing: tuple[str, ...], *arguments: str) -> Done:
    program = WITHOUT.format(missing=missing, arguments=["probe", *arguments])
    return run_process(program=("-c", program))


def test_its_own_extra_is_enough() -> None:
    with Server(sending(answer(b"hello"))) as server:
        done = run_without(("botocore", "msgspec", "watchfiles", "matplotlib"), server.url)

    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(
    ("library", "arguments"),
    [("click", []), ("httptools", []), ("matplotlib", ["--plot", "x.svg"])],
)
def test_a_missing_extra_is_named(library: str, arguments: list[str]) -> None:
    done = run_without((library,), *arguments, "http://127.0.0.1:1/")

    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"tailrace: tailrace probe needs {library}, which is not installed; tailrace is not"
        " released yet, so install its extra from where it came:"
        f" pip install '{Path(__file__).parents[1]}[probe]'\n"
    )


# --- terminals and signals -------------------------------------------------------------------


def test_a_terminal_sees_chunks_while_they_come() -> None:
    """The second event is sent when the line of the first one was seen."""
    seen = threading.Event()

    def script(connection: Connection) -> None:
        connection.head()
        connection.send(CHUNKED + EVENT_STREAM + b"\r\n" + chunk(b"data: 1\n\n"))
        assert seen.wait(WAIT_S)
        connection.send(chunk(b"data: 2\n\n") + b"0\r\n\r\n")

    ours, theirs = pty.openpty()
    with Server(script) as server:
        arguments = [sys.executable, "-m", "tailrace", "probe", server.url]
        environ = {name: text for name, text in environ_of().items() if name != "NO_COLOR"}
        with subprocess.Popen(
            arguments, stderr=theirs, stdout=subprocess.PIPE, env=environ
        ) as process:
            os.close(theirs)
            shown = b""
            while not re.search(rb" 1 +\d\.\d{3} s +9 B", shown):
                shown += os.read(ours, 4096)
            seen.set()
            assert process.stdout is not None
            out = process.stdout.read().decode()
            assert process.wait(PATIENCE_S) == 0
    os.close(ours)

    assert f"\x1b[2mmeasuring {server.url}\x1b[0m".encode() in shown
    assert "2 events, none together with another" in out
    assert "\x1b" not in out, "standard output is no terminal"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_shows_what_came_by_then(number: signal.Signals, code: int) -> None:
    def script(connection: Connection) -> None:
        connection.head()
        connection.send(CHUNKED + EVENT_STREAM + b"\r\n" + chunk(b"data: 1\n\n"))
        begun.set()
        connection.wait_end()

    begun = threading.Event()
    with Server(script) as server:
        arguments = [sys.executable, "-m", "tailrace", "probe", "--json", server.url, server.url]
        with subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ_of()
        ) as process:
            assert begun.wait(WAIT_S)
            process.send_signal(number)
            out, _ = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == code
    (reading,) = json.loads(out)["readings"]
    assert reading["stopped"] == "it was interrupted"


def test_ctrl_c_before_the_command_has_begun_is_no_failed_condition() -> None:
    """Neither a traceback nor click's `Aborted!`, whose code 1 says that chunks were late."""
    program = (
        "import os, signal, sys; sys.argv[1:] = ['probe', 'http://127.0.0.1:1']\n"
        "import click\n"
        "click.Command.main = lambda *_, **__: os.kill(os.getpid(), signal.SIGINT)\n"
        "from tailrace.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=PATIENCE_S, check=False
    )

    assert (done.returncode, done.stderr) == (-signal.SIGINT, b"")


def test_a_second_signal_leaves_a_document_too() -> None:
    def script(connection: Connection) -> None:
        if b"/silent" in connection.head():
            begun.set()
            connection.wait_end()
        else:
            connection.send(answer(b"hello"))

    begun = threading.Event()
    with Server(script) as server:
        arguments = [sys.executable, "-m", "tailrace", "probe", "--json", server.url]
        with subprocess.Popen(
            [*arguments, f"{server.url}/silent"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environ_of(),
        ) as process:
            assert begun.wait(WAIT_S)
            for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
                process.send_signal(number)  # so that it finds both at once
            out, err = process.communicate(timeout=PATIENCE_S)

    assert (process.returncode in (130, 143), err) == (True, b"")
    assert [reading["size_bytes"] for reading in json.loads(out)["readings"]] == [5]


def test_whoever_has_lines_does_not_wait_for_the_terminal() -> None:
    """A terminal can be stopped with Ctrl-S: what is measured then must not be late for that."""

    class Stopped:
        def __init__(self) -> None:
            self.text = ""
            self.go_on = threading.Event()

        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> None:
            assert self.go_on.wait(WAIT_S)
            self.text += text

        def flush(self) -> None: ...

    stream = Stopped()
    with LiveLines(Terminal(stream, {"NO_COLOR": "1"})) as lines:  # type: ignore[arg-type]
        for number in range(5_000):
            lines.put(f"line {number}")
        stream.go_on.set()

    shown = stream.text.splitlines()
    assert shown[0] == "line 0"
    assert 1_000 <= len(shown) <= 1_003
    assert counted(shown) == 5_000


def counted(shown: list[str]) -> int:
    """Lines that are there, and those that were left out."""
    left_out = [int(line.split()[1]) for line in shown if line.startswith("… ")]
    return sum(left_out) + len(shown) - len(left_out)


def test_no_more_lines_are_written_than_somebody_can_see() -> None:
    stream = io.StringIO()
    with LiveLines(Terminal(stream, {})) as lines:
        for number in range(1_000):
            lines.put(f"line {number}", at_s=number / 250)  # for four seconds

    shown = stream.getvalue().splitlines()
    assert shown[:50] == [f"line {number}" for number in range(50)], "what comes at once is shown"
    assert len([line for line in shown if line.startswith("line")]) == pytest.approx(150, abs=10)
    assert counted(shown) == 1_000
