"""`--metrics emf` of real gateways: each metric is what has happened, and none of it is lost."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.command import Command, Stream, fetch
from tests.e2e.cut_function import CutLambda
from tests.emf import Printed, parse, total
from tests.fleet.gateway import TARGET, Fleet, kill
from tests.fleet.node import STORY, Node
from tests.peers import until

SECONDLY = ("--metrics", "emf", "--metrics-name", "demo", "--metrics-interval", "1")
MINUTELY = ("--metrics", "emf", "--metrics-name", "demo")


@contextlib.contextmanager
def uploading(url: str) -> Iterator[None]:
    """A request whose body has begun."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        yield


def test_every_metric_is_what_has_happened(endpoint: CutLambda, tmp_path: Path) -> None:
    node = Node(tmp_path, endpoint, *SECONDLY, "--held-max", "3", "--uploads-max", "1")
    printed = Printed(tmp_path, node)
    with node:
        streams = [node.hold() for _ in range(3)]
        full = printed.until(lambda line: line.metrics.get("Held") == 3, "3 streams held")
        refused, _ = fetch(f"{node.url}{node.target}")
        printed.until_total("RequestsRefused", 1)
        streams.pop().close()
        printed.until_total("ClientLeft", 1)
        start, _, at = node.target.rpartition("=")
        cut = f"{start}={int(at) - len(STORY.message()) + 5}"  # within the response's head
        failed, _ = fetch(f"{node.url}{cut}")
        printed.until_total("Failed", 1)
        with uploading(node.url):
            printed.until(lambda line: line.metrics["Uploads"] == 1, "an upload")
        whole = fetch(f"{node.url}{node.target}")
        printed.until_total("Completed", 1)
        node.signal(signal.SIGTERM)
        printed.until(lambda line: line.metrics.get("HeldDraining") == 2, "2 streams in the drain")
        endpoint.release()
        rests = [stream.read() for stream in streams]
        for stream in streams:
            stream.close()
        assert node.wait_exit() == 0
        endpoint.release()  # the one whose client has left

    assert (refused, failed, whole) == (503, 502, (200, STORY.body.decode()))
    assert rests == [STORY.body[1:]] * 2
    assert (full.metrics["HeldPercent"], full.metrics["Clients"]) == (100, 3)
    lines = printed.lines
    first, last = lines[0], lines[-1]
    assert first.dimensions == {"Gateway": "demo"}
    assert first.properties == {"Host": socket.gethostname()}
    assert (first.metrics["Held"], last.metrics["HeldDraining"]) == (0, 0)
    assert not any({"Held", "HeldPercent"} & line.metrics.keys() for line in lines[-2:])
    ends = {name: total(lines, name) for name in ("Completed", "ClientLeft", "Failed")}
    assert ends == {"Completed": 3, "ClientLeft": 1, "Failed": 1}
    assert total(lines, "BytesRelayed") == 3 * len(STORY.body) + len(STORY.body) - 1
    for name in ("WorkersLost", "LinesLost", "RequestsLate", "DescriptorsMissed"):
        assert total(lines, name) == 0


def test_counts_of_a_worker_that_was_killed_are_not_lost(
    endpoint: CutLambda, tmp_path: Path
) -> None:
    node = Node(tmp_path, endpoint, *SECONDLY)
    printed = Printed(tmp_path, node)
    with node:
        for _ in range(6):
            assert fetch(f"{node.url}{node.target}")[0] == 200
        with node.hold() as stream:
            (victim,) = (each for each in node.statistics()["workers"] if each["held"])
            kill(victim["pid"])  # perhaps before a line has what it has counted
            printed.until_total("WorkersLost", 1)
            with pytest.raises(Exception, match=r"IncompleteRead|reset"):
                stream.read()
        endpoint.release()
        node.signal(signal.SIGTERM)
        node.wait_exit()

    lines = printed.lines
    assert total(lines, "Completed") == 6
    assert total(lines, "Failed") == 1, "the response that broke"


def test_the_last_line_is_there_when_a_drain_is_over(endpoint: CutLambda, tmp_path: Path) -> None:
    """Whoever asked for it may end the machine at once."""
    node = Node(tmp_path, endpoint, *MINUTELY)
    printed = Printed(tmp_path, node)
    with node:
        with node.hold() as stream:
            node.ask("POST", "/drain")
            endpoint.release()
            assert stream.read() == STORY.body[1:]
        until(lambda: node.ask("GET", "/health").json()["status"] == "drained", "the drain")
        lines = printed.lines
        node.signal(signal.SIGTERM)
        assert node.wait_exit() == 0

    assert (len(lines), total(lines, "Completed")) == (2, 1)
    assert lines[-1].metrics["HeldDraining"] == 0
    assert printed.lines == lines


def test_a_worker_that_ran_late_is_seen(endpoint: CutLambda, tmp_path: Path) -> None:
    node = Node(tmp_path, endpoint, *SECONDLY, "--workers", "1")
    printed = Printed(tmp_path, node)
    with node:
        stopped = node.statistics()["workers"][0]["pid"]
        os.kill(stopped, signal.SIGSTOP)
        before = len(printed.lines)
        with uploading(node.url):
            until(lambda: len(printed.lines) >= before + 3, "two seconds")
            os.kill(stopped, signal.SIGCONT)

            line = printed.until(lambda line: line.metrics["Late"] >= 1_000, "a late worker")

    assert line.units["Late"] == "Milliseconds"


def test_a_reload_neither_loses_counts_nor_repeats_them(
    endpoint: CutLambda, tmp_path: Path
) -> None:
    """Lines come a minute apart, so each of these has its reason: start, reload, reload, end."""
    fleet = Fleet(tmp_path, endpoint, *MINUTELY, workers=2)
    printed = Printed(tmp_path, fleet)
    with fleet:
        assert fleet.serves()
        assert fleet.serves()
        fleet.reload()
        until(lambda: len(printed.lines) == 2, "a line of the new parent")
        assert fleet.serves()
        fleet.reload()
        until(lambda: len(printed.lines) == 3, "another one")
        fleet.signal(signal.SIGTERM)
        assert fleet.wait_exit() == 0

    counts = [line.metrics["Completed"] for line in printed.lines]
    assert counts == [0, 2, 1, 0]
    assert {len(line.units) for line in printed.lines} == {17, 16}


def test_a_gateway_of_one_process_has_the_same_metrics(endpoint: CutLambda, tmp_path: Path) -> None:
    (tmp_path / "tailrace.toml").write_text('[[routes]]\npath = "/*"\nfunction = "f"\n')
    anywhere = ("--listen", "127.0.0.1:0", "--callback-listen", "127.0.0.1:0")
    alone = ("gateway", "--workers", "0", *anywhere, "--endpoint-url", endpoint.url)
    command = Command([*alone, *SECONDLY, "--log-format", "json"], cwd=tmp_path)
    printed = Printed(tmp_path, command)
    with command:
        url = command.wait_line(r"gateway on (http://[\d.:]+)")[1]
        with Stream(f"{url}{TARGET}&held=1") as stream:
            stream.response.read(1)
            held = printed.until(lambda line: line.metrics.get("Held") == 1, "a stream held")
            command.signal(signal.SIGTERM)
            printed.until(lambda line: line.metrics.get("HeldDraining") == 1, "the drain")
            endpoint.release()
            assert stream.read() == STORY.body[1:]
        assert command.wait_exit() == 0

    assert held.metrics["HeldPercent"] > 0
    assert total(printed.lines, "Completed") == 1
    assert all(line.startswith("{") and '"_aws"' not in line for line in command.lines)


def test_a_full_pipe_stops_nothing_and_loses_no_count(endpoint: CutLambda, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, 4_096)
    os.write(writing, bytes(4_096))
    node = Node(tmp_path, endpoint, *SECONDLY)
    node.stdout = writing
    with node:
        node.wait_line(
            "warning: metrics: standard output takes no lines: nobody reads them; counts"
        )
        assert fetch(f"{node.url}{node.target}")[0] == 200
        lost_since = len(node.lines)
        assert os.read(reading, 4_096) == bytes(4_096)
        node.wait_line(r"metrics: standard output takes lines again, \d+ are lost", lost_since)
        node.signal(signal.SIGTERM)
        assert node.wait_exit() == 0
    with os.fdopen(reading, "rb") as pipe:
        lines = [parse(line) for line in pipe]

    assert total(lines, "Completed") == 1
    assert total(lines, "LinesLost") >= 1


def _full(node: Node) -> Any:
    return os.open("/dev/full", os.O_WRONLY)


def _broken(node: Node) -> Any:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.mark.parametrize(
    ("output", "why"), [(_full, "No space left on device"), (_broken, "Broken pipe")]
)
def test_an_output_that_takes_nothing_stops_nothing(
    endpoint: CutLambda, tmp_path: Path, output: Callable[[Node], Any], why: str
) -> None:
    node = Node(tmp_path, endpoint, *SECONDLY)
    node.stdout = output(node)
    with node:
        node.wait_line(f"warning: metrics: standard output takes no lines: {why}; counts are kept")
        assert fetch(f"{node.url}{node.target}")[0] == 200
        node.signal(signal.SIGTERM)

        assert node.wait_exit() == 0
    assert node.count("takes no lines") == 1
