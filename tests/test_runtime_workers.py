"""Concurrent invocations in one environment, as on Lambda managed instances."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.peers import Peer, PeerConnection, until
from tests.runtime_api import NEXT
from tests.runtime_process import RuntimeProcess

from tailrace.wire.runtime_api import ACCEPTED_BODY, Invocation, next_headers

APP = """
import os, sys, time
from pathlib import Path
from tailrace.function import streamify_response

def meet(event, context):
    Path(event["mine"]).touch()
    while not Path(event["others"]).exists():
        time.sleep(0.002)
    return os.getpid()

def echo(event, context):
    if "exit" in event:
        sys.exit(event["exit"])
    print("served", event, flush=True)
    return event
"""

WITH_A_STRANGER = """
import os, subprocess, time
from tailrace.runtime.workers import fork_workers

stranger = subprocess.Popen(["true"])
code = fork_workers(1)
if code is not None:
    os._exit(code)
try:
    while True:  # until the parent has taken note of its end
        os.kill(stranger.pid, 0)
        time.sleep(0.002)
except ProcessLookupError:
    os._exit(7)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as peer:
        yield peer


def asking(peer: Peer) -> PeerConnection:
    """A connection on which the next event was asked for."""
    connection = peer.accept()
    assert connection.read_message()[0] == NEXT
    return connection


def send(connection: PeerConnection, status: int, body: bytes, *headers: str) -> None:
    head = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", *headers, "", ""]
    connection.send("\r\n".join(head).encode() + body)


def give(connection: PeerConnection, event: Any, request_id: str = "r1") -> None:
    headers = next_headers(Invocation(request_id, 1, "arn:f"))
    lines = [f"{name}: {value}" for name, value in headers]
    send(connection, 200, json.dumps(event).encode(), *lines)


def reported(connection: PeerConnection, status: int = 202) -> tuple[str, Any]:
    """A report, answered: its path's last two parts, and what it says."""
    line, _, body = connection.read_message()
    send(connection, status, ACCEPTED_BODY)
    match = re.fullmatch(r"POST .*/([^/]+/[^/]+) HTTP/1.1", line)
    assert match is not None, line
    return match[1], json.loads(body)


@pytest.mark.parametrize("module", ["tailrace.runtime", "awslambdaric"])
def test_each_worker_serves_an_invocation_of_its_own(folder: Path, peer: Peer, module: str) -> None:
    """Two invocations that wait for each other."""
    with RuntimeProcess(
        folder, peer, "app.meet", module=module, AWS_LAMBDA_MAX_CONCURRENCY="2"
    ) as runtime:
        first, second = asking(peer), asking(peer)
        a, b = str(folder / "a"), str(folder / "b")
        give(first, {"mine": a, "others": b}, "r-a")
        give(second, {"mine": b, "others": a}, "r-b")
        path_b, pid_b = reported(second)
        path_a, pid_a = reported(first)

        assert (path_a, path_b) == ("r-a/response", "r-b/response")
        workers = {child.pid for child in psutil.Process(runtime.process.pid).children()}
        assert {pid_a, pid_b} == workers
        for worker in workers:
            os.kill(worker, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_all_workers_and_all_end(
    folder: Path, peer: Peer, number: signal.Signals
) -> None:
    with RuntimeProcess(folder, peer, "app.echo", AWS_LAMBDA_MAX_CONCURRENCY="3") as runtime:
        connections = [asking(peer) for _ in range(3)]
        give(connections[1], {"n": 1})
        assert reported(connections[1]) == ("r1/response", {"n": 1})
        code, out, errors = runtime.end(number)

        assert code == (0 if number == signal.SIGTERM else 130)
        assert (out, errors) == ("served {'n': 1}\n", "")
        assert [connection.ends_with() is not None for connection in connections] == [True] * 3


def test_a_refused_report_does_not_end_a_worker(folder: Path, peer: Peer) -> None:
    with RuntimeProcess(folder, peer, "app.echo", AWS_LAMBDA_MAX_CONCURRENCY="1") as runtime:
        connection = asking(peer)
        give(connection, {})
        reported(connection, status=403)
        assert connection.read_message()[0] == NEXT
        _, out, _ = runtime.end(signal.SIGTERM)

    assert "the Runtime API answered /2018-06-01/runtime/invocation/r1/response with 403" in out


def test_a_refused_next_is_asked_again_a_few_times(folder: Path, peer: Peer) -> None:
    with RuntimeProcess(folder, peer, "app.echo", AWS_LAMBDA_MAX_CONCURRENCY="1") as runtime:
        connection = asking(peer)
        for _ in range(4):
            send(connection, 500, b"no")
            assert connection.read_message()[0] == NEXT
        send(connection, 500, b"no")
        code, out, errors = runtime.end()

    assert code == 1
    assert out.count("with 500: no") == 4
    assert errors.count("with 500: no") == 1


def test_the_environment_outlives_a_worker_but_not_the_last_one(folder: Path, peer: Peer) -> None:
    with RuntimeProcess(folder, peer, "app.echo", AWS_LAMBDA_MAX_CONCURRENCY="2") as runtime:
        first, second = asking(peer), asking(peer)
        give(first, {"exit": 7})
        main = psutil.Process(runtime.process.pid)
        until(lambda: len(main.children()) == 1, "the worker's end")
        give(second, {"n": 2})
        assert reported(second) == ("r1/response", {"n": 2})
        assert second.read_message()[0] == NEXT
        give(second, {"exit": 0})

        assert runtime.end()[0] == 7


def test_other_children_of_the_process_do_not_matter() -> None:
    """Those of an entry point, or, in a container, whatever was left behind there."""
    ended = subprocess.run(
        [sys.executable, "-c", WITH_A_STRANGER], capture_output=True, timeout=20, check=False
    )

    assert (ended.returncode, ended.stderr) == (7, b"")


def test_a_handler_that_cannot_be_loaded_is_reported_by_every_worker(
    folder: Path, peer: Peer
) -> None:
    """A 403 says that another one was first."""
    with RuntimeProcess(folder, peer, "app.missing", AWS_LAMBDA_MAX_CONCURRENCY="2") as runtime:
        for status in (202, 403):
            path, error = reported(peer.accept(), status)
            assert path == "init/error"
            assert error["errorType"] == "Runtime.HandlerNotFound"
        assert runtime.end()[0] == 1


def test_a_worker_takes_its_output_from_the_platform(folder: Path, peer: Peer) -> None:
    path = str(folder / "logs")
    with socket.socket(socket.AF_UNIX) as provider:
        provider.bind(path)
        provider.listen()
        provider.settimeout(10)
        with RuntimeProcess(
            folder,
            peer,
            "app.echo",
            AWS_LAMBDA_MAX_CONCURRENCY="1",
            _LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET=path,
        ) as runtime:
            connection = asking(peer)
            give(connection, {})
            reported(connection)
            out, errors = provider.accept()[0], provider.accept()[0]
            with out, errors:
                assert out.recv(100) == b"served {}\n"
                assert runtime.end(signal.SIGTERM) == (0, "", "")


@pytest.mark.parametrize("value", ["0", "many", "-1", ""])
def test_a_number_of_workers_that_is_none_is_a_clear_error(
    folder: Path, peer: Peer, value: str
) -> None:
    with RuntimeProcess(folder, peer, "app.echo", AWS_LAMBDA_MAX_CONCURRENCY=value) as runtime:
        code, _, errors = runtime.end()

    assert code == 2
    assert errors == f"AWS_LAMBDA_MAX_CONCURRENCY is not a number of workers: {value!r}\n"
