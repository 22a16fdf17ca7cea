"""`tailrace probe` on URLs that know nothing of it: what it says, and its exit code.

Real runs of the command against real servers. A run takes its time to start and shares two
cores: a few have many URLs each and are made at the beginning, and the tests look at what they
said about each.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from tests.e2e.hostile import CERTIFICATE, EXPIRED, hostile
from tests.e2e.probe_app import BLOCK_BYTES, BLOCKS, EVENTS, PAUSE_S

APP: Final = Path(__file__).with_name("probe_app.py")
WAIT_S: Final = 60.0
AT_ONCE: Final = 2

FINE, FAILED, WRONG, UNMEASURED, INTERRUPTED = 0, 1, 2, 3, 130


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the command."""

    urls: dict[str, str]
    """By the names that the tests have for them, in their order."""
    code: int
    out: str
    err: str

    def said_of(self, name: str) -> str:
        """What is shown of one of its URLs, line by line."""
        lines = self.out.splitlines()
        titles = [place for place, line in enumerate(lines) if line in self.urls.values()]
        (begin,) = [place for place in titles if lines[place] == self.urls[name]]
        end = min((place for place in titles if place > begin), default=len(lines))
        return "\n".join(lines[begin:end])

    def text_of(self, name: str) -> str:
        """The same in one line, as one reads it."""
        return " ".join(self.said_of(name).split())

    def rows_of(self, name: str, unit: str) -> list[list[str]]:
        """The rows of its table."""
        lines = [line.split() for line in self.said_of(name).splitlines()]
        (head,) = [place for place, line in enumerate(lines) if line[:1] == [unit]]
        rows = lines[head + 1 :]
        return rows[: rows.index([])]

    @property
    def messages(self) -> list[str]:
        """What it failed with, a line each."""
        assert all(line.startswith("tailrace: ") for line in self.err.splitlines())
        return [line.removeprefix("tailrace: ") for line in self.err.splitlines()]

    @property
    def readings(self) -> dict[str, dict[str, Any]]:
        """The readings of `--json`, by the names of their URLs."""
        by_url = {reading["url"]: reading for reading in json.loads(self.out)["readings"]}
        return {name: by_url[url] for name, url in self.urls.items() if url in by_url}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run."""

    names: str
    options: str = "--timeout 30s"
    environment: tuple[tuple[str, str], ...] = ()


NO_CONNECTION: Final = (
    "dead unknown_host hangs_up no_http banner loop to_ftp to_dead tls http_to_tls tls_to_http"
)
PLANS: Final = {
    "fine": Plan("events joined download plain hop/3"),
    "json": Plan("events download", "--json --timeout 30s"),
    "error": Plan("error missing"),
    "mixed": Plan("dead plain no_body", "--json --timeout 30s"),
    "conditions": Plan("joined", "--fail-if-merged --fail-if-later-than 1s --timeout 30s"),
    "sweep": Plan("events", "--sweep --timeout 30s"),
    # Nothing is asked but once, shortly: whatever a resolver says, the name is not known.
    "unanswered": Plan(NO_CONNECTION, environment=(("RES_OPTIONS", "attempts:1 timeout:1"),)),
    "impatient": Plan("silent begins tls_to_silent", "--timeout 1s"),
    "broken": Plan("resets cut_chunked cut_length"),
    "odd": Plan("no_body no_gzip tls", "--insecure --timeout 30s"),
    "endless": Plan("trickles", "--max-time 1s"),
    "no_url": Plan(""),
    "no_scheme": Plan("no_scheme"),
    "other_scheme": Plan("other_scheme"),
    "illegal_host": Plan("illegal_host"),
}


@pytest.fixture(scope="module")
def runs() -> dict[str, Run]:
    return asyncio.run(run_all())


async def run_all() -> dict[str, Run]:
    """Run the command as planned."""
    with fastapi_app() as app, dead_port() as dead:
        async with hostile(dead) as bad, asyncio.TaskGroup() as group:
            urls = bad | good_urls(app) | odd_urls(bad, app) | {"dead": dead}
            turns = asyncio.Semaphore(AT_ONCE)
            tasks = {
                name: group.create_task(run(turns, plan, urls)) for name, plan in PLANS.items()
            }
            for name, trusted in (("trusting", CERTIFICATE), ("expired", EXPIRED)):
                names = "tls other_name" if name == "trusting" else "expired"
                plan = Plan(names, environment=(("SSL_CERT_FILE", str(trusted)),))
                tasks[name] = group.create_task(run(turns, plan, urls))
            tasks["interrupted"] = group.create_task(interrupt(turns, urls))
            await asyncio.wait(tasks.values())
    return {name: task.result() for name, task in tasks.items()}


def good_urls(app: str) -> dict[str, str]:
    paths = ("events", "joined", "download", "plain", "hop/3", "error", "missing", "loop")
    return {path: f"{app}/{path}" for path in paths}


def odd_urls(bad: dict[str, str], app: str) -> dict[str, str]:
    return {
        "http_to_tls": bad["tls"].replace("https:", "http:"),
        "tls_to_http": f"{app.replace('http:', 'https:')}/events",
        "tls_to_silent": bad["silent"].replace("http:", "https:"),
        "unknown_host": "http://nowhere.invalid/",
        "illegal_host": f"http://{'a' * 64}.invalid/",
        "no_scheme": "localhost:8080/x",
        "other_scheme": "ftp://localhost/",
    }


@contextlib.contextmanager
def fastapi_app() -> Iterator[str]:
    """A FastAPI application in a process of its own."""
    listener = socket.create_server(("127.0.0.1", 0))  # it listens before the process does
    with listener:
        process = subprocess.Popen(
            [sys.executable, str(APP), str(listener.fileno())], pass_fds=[listener.fileno()]
        )
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            process.terminate()
            process.wait(WAIT_S)


@contextlib.contextmanager
def dead_port() -> Iterator[str]:
    """A URL at whose port nobody listens, and which nobody else is given."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{sock.getsockname()[1]}/"


@contextlib.asynccontextmanager
async def started(
    turns: asyncio.Semaphore, arguments: list[str], stderr: int, environment: dict[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A run; it is not left behind."""
    async with turns, asyncio.timeout(WAIT_S):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tailrace.cli", "probe", *arguments),
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, **environment},
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def run(turns: asyncio.Semaphore, plan: Plan, urls: dict[str, str]) -> Run:
    asked = {name: urls[name] for name in plan.names.split()}
    arguments = [*asked.values(), *plan.options.split()]
    async with started(turns, arguments, subprocess.PIPE, dict(plan.environment)) as process:
        out, err = await process.communicate()
        return Run(asked, process.returncode or 0, out.decode(), err.decode())


async def interrupt(turns: asyncio.Semaphore, urls: dict[str, str]) -> Run:
    """Somebody has seen enough of a response that has no end: on a terminal, where one sees it."""
    asked = {"trickles": urls["trickles"]}
    ours, theirs = pty.openpty()
    loop = asyncio.get_running_loop()
    shown = b""
    try:
        async with started(turns, [*asked.values()], theirs, {}) as process:
            while shown.count(b" B") < 3:
                shown += await loop.run_in_executor(None, os.read, ours, 4096)
            process.send_signal(signal.SIGINT)
            out, _ = await process.communicate()
            return Run(asked, process.returncode or 0, out.decode(), shown.decode())
    finally:
        os.close(theirs)
        os.close(ours)


# --- an application in order ------------------------------------------------------------------


def test_what_was_measured_is_a_success(runs: dict[str, Run]) -> None:
    assert (runs["fine"].code, runs["fine"].err) == (FINE, "")


def test_an_sse_endpoint_is_measured_event_by_event(runs: dict[str, Run]) -> None:
    text, rows = runs["fine"].text_of("events"), runs["fine"].rows_of("events", "event")

    assert "HTTP/1.1 200, text/event-stream" in text
    assert [row[0] for row in rows] == [str(number + 1) for number in range(EVENTS)]
    assert f"{EVENTS} events" in text
    assert "companion" in text  # nothing is said of lateness, but how it could be known


def test_events_that_were_collected_are_seen(runs: dict[str, Run]) -> None:
    run = runs["fine"]

    assert f"All {EVENTS} events came together" in run.text_of("joined")
    assert run.said_of("joined").count("with the one before") == EVENTS - 1


def test_a_chunked_download_is_measured_read_by_read(runs: dict[str, Run]) -> None:
    text = runs["fine"].text_of("download")

    assert "2.1 MB in" in text
    assert "/s between the first and the last byte" in text
    assert "only reads are known" in text
    assert "came at once" not in text


def test_a_response_that_is_no_stream_shows_that_it_is_none(runs: dict[str, Run]) -> None:
    text = runs["fine"].text_of("plain")

    assert "17 B in 1 read" in text
    assert "`content-length: 17`" in text


def test_a_chain_of_redirects_is_followed_and_each_is_named(runs: dict[str, Run]) -> None:
    said = runs["fine"].said_of("hop/3")

    shown = re.findall(r"redirected to http://127\.0\.0\.1:\d+(\S+)", said)
    assert shown == ["/hop/2", "/hop/1", "/events"]
    assert f"{EVENTS} events" in said


def test_programs_get_the_same(runs: dict[str, Run]) -> None:
    readings = runs["json"].readings
    events, download = readings["events"], readings["download"]

    assert (runs["json"].code, runs["json"].err) == (FINE, "")
    assert (events["unit"], events["has_companion"], events["clock"]) == ("event", False, None)
    times = [chunk["arrived_s"] for chunk in events["chunks"]]
    assert len(times) == EVENTS
    assert events["head_s"] <= times[0]
    assert times == sorted(times)
    assert events["ended_s"] >= EVENTS * PAUSE_S * 0.9
    assert {chunk["late_s"] for chunk in events["chunks"]} == {None}
    assert (download["unit"], download["merged_count"]) == ("read", None)
    assert download["size_bytes"] == BLOCKS * BLOCK_BYTES
    assert sum(read["size_bytes"] for read in download["arrivals"]) == BLOCKS * BLOCK_BYTES
    assert download["bytes_per_s"] > 0


@pytest.mark.parametrize(("path", "status"), [("error", 500), ("missing", 404)])
def test_errors_are_measured_and_not_taken_for_success(
    runs: dict[str, Run], path: str, status: int
) -> None:
    assert runs["error"].code == UNMEASURED
    assert f"the answer is an error: {status}" in runs["error"].text_of(path)


def test_conditions_without_a_companion(runs: dict[str, Run]) -> None:
    """What is known not to hold goes before what cannot be known."""
    run = runs["conditions"]

    assert run.code == FAILED
    assert f"{EVENTS - 1} events came with the one before" in run.err
    assert "can be told of the companion only" in run.err


def test_a_sweep_needs_the_companion(runs: dict[str, Run]) -> None:
    (message,) = runs["sweep"].messages

    assert (runs["sweep"].code, runs["sweep"].out.strip()) == (UNMEASURED, "")
    assert "--sweep needs the companion behind the URL" in message
    assert "tailrace.probe.handler" in message


# --- no answer --------------------------------------------------------------------------------

NO_ANSWER: Final = {
    "dead": ("refuses the connection", "is the server running, and the port right?"),
    "unknown_host": ("the name nowhere.invalid is not known", "is it spelled right"),
    "hangs_up": ("closed before an answer came", "does it want https?"),
    "no_http": ("what came is not HTTP", "does it want https?"),
    "banner": ("", "does it want https?"),
    "loop": ("more than 10 redirects", "is it a loop?"),
    "to_ftp": ("redirected to 'ftp://files.example.com/'", "is not an http(s) URL"),
    "to_dead": ("refuses the connection", "redirected from"),
    "tls": ("its certificate is self-signed", "--insecure measures it all the same"),
    "http_to_tls": ("", "does it want https?"),
    "tls_to_http": ("does not speak TLS", "is it http?"),
}


def test_without_an_answer_nothing_is_shown_as_if_it_were_measured(runs: dict[str, Run]) -> None:
    run = runs["unanswered"]

    assert (run.code, run.out.strip()) == (UNMEASURED, "")
    assert len(run.messages) == len(run.urls) == len(NO_ANSWER)


@pytest.mark.parametrize("name", NO_ANSWER)
def test_a_line_says_why_and_what_to_do(runs: dict[str, Run], name: str) -> None:
    run = runs["unanswered"]
    message = run.messages[list(run.urls).index(name)]
    what, advice = NO_ANSWER[name]

    assert what in message
    assert advice in message


def test_one_that_does_not_answer_is_given_up(runs: dict[str, Run]) -> None:
    silent, in_handshake = runs["impatient"].messages

    assert runs["impatient"].code == UNMEASURED
    assert "no answer within 1 s" in silent
    assert "--timeout waits longer" in silent
    assert "within 1 s" in in_handshake
    assert "is it http?" in in_handshake


def test_a_trusted_certificate_is_for_its_name_only(runs: dict[str, Run]) -> None:
    (message,) = runs["trusting"].messages

    assert "2 B in 1 read" in runs["trusting"].text_of("tls")
    assert "its certificate is for another address; --insecure measures it" in message


def test_an_expired_certificate_is_said_to_be_one(runs: dict[str, Run]) -> None:
    (message,) = runs["expired"].messages

    assert (runs["expired"].code, runs["expired"].out.strip()) == (UNMEASURED, "")
    assert "its certificate has expired; --insecure measures it" in message


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_url", "Missing argument 'URL...'"),
        ("no_scheme", "'localhost:8080/x' is not an http(s) URL; try http://localhost:8080/x"),
        ("other_scheme", "'ftp://localhost/' is not an http(s) URL"),
        ("illegal_host", ".invalid/' is not an http(s) URL"),
    ],
)
def test_what_is_no_url_is_a_mistake_in_the_command_line(
    runs: dict[str, Run], name: str, words: str
) -> None:
    assert (runs[name].code, runs[name].out) == (WRONG, "")
    assert words in runs[name].err
    assert "tailrace probe --help" in runs[name].err


# --- half an answer ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["resets", "cut_chunked", "cut_length"])
def test_a_response_that_breaks_off_is_no_success(runs: dict[str, Run], name: str) -> None:
    text = runs["broken"].text_of(name)

    assert runs["broken"].code == UNMEASURED
    assert "the response broke off: the connection broke before its answer was complete" in text
    assert "until the end" not in text


def test_one_that_goes_no_further_is_given_up(runs: dict[str, Run]) -> None:
    text = runs["impatient"].text_of("begins")

    assert "nothing came for 1 s; --timeout waits longer" in text
    assert "until the end" not in text


def test_one_that_has_no_end_is_measured_for_a_while(runs: dict[str, Run]) -> None:
    run = runs["endless"]

    assert (run.code, run.err) == (FINE, "")
    assert len(run.rows_of("trickles", "event")) >= 1
    assert "the rest was not measured: " in run.text_of("trickles")


def test_or_until_somebody_has_seen_enough(runs: dict[str, Run]) -> None:
    """What had come by then is not lost."""
    run = runs["interrupted"]

    assert run.code == INTERRUPTED
    assert len(run.rows_of("trickles", "event")) >= 3
    assert "the rest was not measured: it was interrupted" in run.text_of("trickles")


# --- what is odd ------------------------------------------------------------------------------


def test_what_is_odd_is_measured_as_it_comes(runs: dict[str, Run]) -> None:
    run = runs["odd"]

    assert (run.code, run.err) == (FINE, "")
    assert "no byte of a body" in run.text_of("no_body")
    assert "2 B in 1 read" in run.text_of("tls")
    assert "4 B in 1 read" in run.text_of("no_gzip")


def test_a_url_that_fails_does_not_take_the_others_with_it(runs: dict[str, Run]) -> None:
    run = runs["mixed"]
    (message,), (error,) = run.messages, json.loads(run.out)["errors"]

    assert run.code == UNMEASURED
    assert {name: reading["status"] for name, reading in run.readings.items()} == {
        "plain": 200,
        "no_body": 204,
    }
    assert error == {"url": run.urls["dead"], "error": message}


def test_nobody_is_shown_a_traceback_or_advice_that_does_not_apply(runs: dict[str, Run]) -> None:
    for name, run in runs.items():
        assert "Traceback" not in run.err, name
        assert "All 1 " not in run.out, name
        assert "--size" not in run.out, name  # what only a companion is told
