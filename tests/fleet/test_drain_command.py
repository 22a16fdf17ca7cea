"""`tailrace drain`: what it asks, what it shows, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.command import PATIENCE_S, environ_of, run
from tests.e2e.cut_function import CutLambda
from tests.fleet.node import STORY, Node
from tests.peers import Running

from tailrace.cli.drain_session import DrainSession
from tailrace.config import Address


def command_of(node: Node, *more: str) -> list[str]:
    return [sys.executable, "-m", "tailrace", "drain", "--admin", node.admin, *more]


def watch(node: Node, *more: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command_of(node, *more), stdout=pipe, stderr=pipe, text=True, env=environ_of()
    )


def test_it_shows_what_is_open_until_everything_has_ended(
    endpoint: CutLambda, tmp_path: Path
) -> None:
    with Node(tmp_path, endpoint) as node, node.hold() as stream:
        with watch(node) as left:
            assert left.stdout is not None
            first = left.stdout.readline()
            left.send_signal(signal.SIGINT)
            left_words = left.communicate(timeout=PATIENCE_S)[1]
        late = run("drain", "--admin", node.admin, "--timeout", "100ms")
        with watch(node, "--json") as watching:
            assert watching.stdout is not None
            states = [json.loads(watching.stdout.readline())]
            endpoint.release()
            rest = stream.read()
            stream.close()
            states += [
                json.loads(line)
                for line in watching.communicate(timeout=PATIENCE_S)[0].splitlines()
            ]
        again = run("drain", "--admin", node.admin)

    assert first.startswith("draining: ")
    assert " worker" in first
    assert left.returncode == 130
    assert left_words == (
        "tailrace: no longer watching; the drain goes on: tailrace drain shows it again\n"
    )
    assert late.returncode == 1
    assert late.stdout.splitlines()[-1].startswith("still draining: ")
    assert late.stderr == "tailrace: not drained in time; the drain goes on\n"
    assert rest == STORY.body[1:]
    assert (watching.returncode, again.returncode) == (0, 0)
    assert [states[0]["status"], states[-1]["status"]] == ["draining", "drained"]
    assert states[0]["workers"] >= 1  # the other one may have ended
    assert (states[-1]["workers"], states[-1]["was_cut"]) == (0, False)
    assert again.stdout.startswith("drained in ")
    assert again.stdout.endswith(" s: everything has ended; SIGTERM ends the gateway\n")


def test_what_was_cut_off_is_an_exit_code_of_1(endpoint: CutLambda, tmp_path: Path) -> None:
    with (
        Node(tmp_path, endpoint, "--drain-timeout", "0.1", "--workers", "1") as node,
        node.hold(),
    ):
        done = run("drain", "--admin", node.admin)
    endpoint.release()

    assert done.returncode == 1
    assert "some responses were cut off" in done.stdout


def test_a_gateway_that_ends_is_drained_and_a_terminal_has_one_line(
    endpoint: CutLambda, tmp_path: Path
) -> None:
    reading, writing = os.openpty()
    with (
        Node(tmp_path, endpoint, "--workers", "1") as node,
        node.hold(),
        subprocess.Popen(command_of(node), stdout=writing, env=environ_of()) as watching,
    ):
        os.close(writing)
        shown = b""
        while shown.count(b"\r\x1b[Kdraining: ") < 2:
            shown += os.read(reading, 4_096)
        node.signal(signal.SIGTERM)
        for _ in range(2):  # its loop has turned since
            node.ask("GET", "/health")
        node.signal(signal.SIGTERM)
        assert node.wait_exit() == 143
        assert watching.wait(PATIENCE_S) == 0
        try:
            while data := os.read(reading, 4_096):
                shown += data
        except OSError:  # the end of a terminal
            pass
    os.close(reading)
    endpoint.release()

    assert b"\n" not in shown.partition(b"the gateway has ended")[0]
    assert b"\r\x1b[Kthe gateway has ended after " in shown


def test_nobody_there_is_an_error_with_a_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = Address(*free.getsockname())

    assert DrainSession(address, None, is_json=False).run() == 1
    assert capsys.readouterr().err == (
        f"tailrace: nobody answers at {address} (Connection refused): is a gateway running there,"
        " with this --admin-listen? --admin HOST:PORT names another\n"
    )


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"220 mail.example ESMTP\r\n",
    ],
)
def test_another_server_there_is_an_error_and_gets_no_post(
    answer: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may be the public port of a gateway: a POST would run a function."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = Address(*server.getsockname())
        running = Running(DrainSession(address, None, is_json=False).run)
        server.settimeout(PATIENCE_S)
        client, _ = server.accept()
        with client:
            request = client.recv(4_096)
            client.sendall(answer)

            assert request.startswith(b"GET /statistics ")
            assert running.result() == 1
    text = capsys.readouterr().err
    assert f"{address}" in text
    assert "--admin HOST:PORT names another" in text


def test_before_anybody_has_answered_an_interrupt_says_that_nothing_drains() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = Address(*server.getsockname())
        command = [sys.executable, "-m", "tailrace", "drain", "--admin", str(address)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as asking:
            server.settimeout(PATIENCE_S)
            client, _ = server.accept()
            with client:
                assert client.recv(4_096).startswith(b"GET /statistics ")
                asking.send_signal(signal.SIGINT)
                words = asking.communicate(timeout=PATIENCE_S)[1]

    assert asking.returncode == 130
    assert words == "tailrace: nobody has answered, and nothing drains\n"


def test_its_usage_errors_are_2() -> None:
    assert run("drain", "--timeout", "soon").returncode == 2
