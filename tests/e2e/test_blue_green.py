"""A new version of a function comes with new gateways beside the old ones, under load.

The gateways are commands with their workers, the functions are processes of the emulator, and the
balancer is HAProxy, which is told what an ALB is told when a group replaces an instance. A function
learns its version from the ARN by which it was invoked: the emulator runs the same code for all.
"""

from __future__ import annotations

import http.client
import json
import signal
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from tests.command import Command, Stream, fetch
from tests.fleet.gateway import Fleet
from tests.kits.ports import free_ports
from tests.kits.proxy_page import balancer
from tests.kits.steady_load import SteadyLoad
from tests.peers import until

STREAMS = 6
"""Of each version. Each is a process."""
FUNCTION = '''
import os
import time
from pathlib import Path

from tailrace.function import Head, streamify_response

END = Path(os.environ["END"])


@streamify_response
def handler(event, context):
    """Write the version in every chunk: once, or until the file is there."""
    version = context.invoked_function_arn.rpartition(":")[2]
    yield Head(headers={"content-type": "text/plain"})
    yield version + "\\n"
    while event.get("rawPath") == "/stream" and not END.exists():
        yield version + "\\n"
        time.sleep(0.1)
'''
EMULATOR = """
[functions.f]
handler = "app.handler"
concurrency = 40
timeout_s = 120
environment.END = {end}
"""
GATEWAY = """
[[routes]]
path = "/*"
function = "f:{version}"

[gateway]
late_s_max = 0
drain_delay_s = 3
"""


class Lambda(Command):
    """The emulator as a command."""

    def __init__(self, folder: Path, end: Path) -> None:
        (folder / "app.py").write_text(FUNCTION)
        (folder / "tailrace.toml").write_text(EMULATOR.format(end=json.dumps(str(end))))
        super().__init__(["emulator", "--listen", "127.0.0.1:0"], cwd=folder)

    def __enter__(self) -> Self:
        super().__enter__()
        self.url = self.wait_line(r"emulator on (http://[\d.]+:\d+)")[1]
        return self

    def invoke(self, version: str) -> str:
        """What the version answers to a call that no gateway makes."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=20)
        path = f"/2015-03-31/functions/f/invocations?Qualifier={version}"
        connection.request("POST", path, b"{}")
        answer = connection.getresponse().read()
        connection.close()
        return answer.decode().strip()


def gateway_of(folder: Path, version: str, emulator: Lambda) -> Fleet:
    """A gateway that invokes a version; it runs when it is entered."""
    folder.mkdir()
    (folder / "tailrace.toml").write_text(GATEWAY.format(version=version))
    return Fleet(folder, emulator, workers=2)


def judge(status: int, body: bytes) -> str:
    """The status and the version."""
    return f"{status} {body.decode().strip()}"


def open_streams(load: SteadyLoad, port: int, version: str) -> list[Stream]:
    """Streams that have begun on a version; those that got another one are left."""
    streams: list[Stream] = []
    for _ in range(20 * STREAMS):
        stream = Stream(f"http://127.0.0.1:{port}/stream")
        if stream.line() == f"{version}\n":
            streams.append(stream)
        else:
            stream.close()
        if len(streams) == STREAMS:
            return streams
    raise AssertionError(f"{len(streams)} streams of version {version}")


def assert_whole(streams: Sequence[Stream], version: str) -> None:
    """Each stream ends well, and every chunk of it is of the version that it began on."""
    for stream in streams:
        with stream:
            lines = stream.read().decode().splitlines()
        assert len(lines) > 1
        assert set(lines) == {version}


def test_a_new_version_takes_over_and_streams_end_where_they_began(tmp_path: Path) -> None:
    """The old gateway drains, and the balancer learns that from its health; SIGTERM comes last.

    `tests.torture.green` has the other order, too, in which it is deregistered first.
    """
    end = tmp_path / "end"
    with ExitStack() as running:
        emulator = running.enter_context(Lambda(tmp_path, end))
        blue = gateway_of(tmp_path / "blue", "1", emulator)
        green = gateway_of(tmp_path / "green", "2", emulator)
        ports = {"one": blue.port, "two": green.port, **free_ports(("front",))}
        front = running.enter_context(balancer(tmp_path / "haproxy", ports))
        running.enter_context(blue)
        front.wait_in("one")
        with SteadyLoad(front.port, "/", judge, pause_s=0.04) as load:
            load.begin("blue")
            of_blue = open_streams(load, front.port, "1")
            load.begin("both")
            running.enter_context(green)
            front.wait_in("two")
            of_green = open_streams(load, front.port, "2")
            assert fetch(f"{blue.admin}/drain", "POST")[0] == 202
            assert fetch(f"{blue.url}/_tailrace/health")[0] == 503
            front.wait_out("one")
            load.begin("green")
            assert [stream.line() for stream in of_blue] == ["1\n"] * STREAMS  # they go on
            end.touch()
            assert_whole(of_blue, "1")
            until(lambda: '"drained"' in fetch(f"{blue.admin}/health")[1], "the drain to end")
            blue.signal(signal.SIGTERM)
            assert blue.wait_exit() == 0
            load.begin("green alone")
        assert_whole(of_green, "2")
        assert set(load.outcomes) == {
            *(("", "200 1"), ("blue", "200 1"), ("both", "200 1"), ("both", "200 2")),
            *(("green", "200 2"), ("green alone", "200 2")),
        }
        # The old version is retained: who invokes it by its number still can.
        assert [emulator.invoke(version) for version in ("1", "2")] == ["1", "2"]
