"""A server that is killed in the middle of a response whose end is the end of its connection.

The kernel closes what the process had open. For HTTP/1.0 a clean close is a complete response, so
it must be a reset: also for an HTTP/1.1 client behind a proxy that speaks HTTP/1.0 to its upstream.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.command import Command, fetch
from tests.e2e.client import Client
from tests.fakes import Broken
from tests.kits.hops import nginx

APP = """
import os, time
from tailrace.function import Head, streamify_response

@streamify_response
def handler(event, context):
    yield Head(headers={"content-type": "text/plain"})
    yield "begun\\n"
    end_s = time.monotonic() + 30
    while not os.path.exists("go") and time.monotonic() < end_s:
        time.sleep(0.01)
    yield "ended\\n"
"""
CONFIG = """
[[routes]]
path = "/*"
function = "one"

[functions.one]
handler = "app.handler"
environment = { TAILRACE_RESPONSE_MODE = "stream" }
[functions.one.url]
invoke_mode = "RESPONSE_STREAM"
"""
OLD = "proxy_http_version 1.0; proxy_buffering off;"


class Servers:
    """An emulator with a Function URL, and a gateway in front of it, each in its own process."""

    def __init__(self, project: Path, emulator: Command, gateway: Command) -> None:
        self._go = project / "go"
        self.processes = {"gateway": gateway, "emulator": emulator}
        self.urls = {
            "gateway": gateway.wait_line(r"gateway on (http://[^,]+)")[1],
            "emulator": emulator.wait_line(r"Function URL (http://\S+)/  one")[1],
        }

    def kill(self, name: str) -> None:
        """End a process as the kernel does when memory is short."""
        self.processes[name].kill()

    def go_on(self) -> None:
        """Let the function end its response."""
        self._go.touch()


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    (tmp_path / "tailrace.toml").write_text(CONFIG)
    (tmp_path / "app.py").write_text(APP)
    any_port = ("--listen", "127.0.0.1:0")
    with Command(["emulator", *any_port], cwd=tmp_path) as emulator:
        endpoint = emulator.wait_line(r"emulator on (http://\S+): one")[1]
        arguments = [*any_port, "--callback-listen", "127.0.0.1:0", "--endpoint-url", endpoint]
        with Command(["gateway", *arguments], cwd=tmp_path) as gateway:
            servers = Servers(tmp_path, emulator, gateway)
            try:
                yield servers
            finally:
                servers.go_on()


def begun(url: str, version: str) -> Client:
    """A client that has the beginning of a response."""
    client = Client(url).ask("/", headers=[("host", "localhost")], version=version)
    assert client.head().status == 200
    assert client.body(6) == b"begun\n"
    return client


@pytest.mark.parametrize("name", ["gateway", "emulator"])
def test_a_killed_server_is_a_reset_for_an_http_1_0_client(servers: Servers, name: str) -> None:
    client = begun(servers.urls[name], "1.0")

    servers.kill(name)

    with pytest.raises(Broken) as broken:
        client.rest()
    assert broken.value.how == "reset"
    client.close()


@pytest.mark.parametrize("name", ["gateway", "emulator"])
def test_a_killed_server_is_an_error_of_curl(servers: Servers, name: str) -> None:
    command = ["curl", "--http1.0", "-sN", "--max-time", "20", servers.urls[name]]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as curl:
        assert curl.stdout is not None
        assert curl.stdout.readline() == b"begun\n"

        servers.kill(name)

        assert curl.stdout.read() == b""
        assert curl.wait(20) == 56  # "failure in receiving network data"


@pytest.mark.parametrize("name", ["gateway", "emulator"])
def test_a_killed_server_behind_a_proxy_of_http_1_0_is_a_broken_response(
    servers: Servers, name: str, tmp_path: Path
) -> None:
    with nginx(tmp_path / "nginx", urlsplit(servers.urls[name]).netloc, {"old": OLD}) as urls:
        client = begun(urls["old"], "1.1")

        servers.kill(name)

        with pytest.raises(Broken):
            client.rest()
        client.close()


@pytest.mark.parametrize("name", ["gateway", "emulator"])
def test_a_response_that_ends_is_complete_for_an_http_1_0_client(
    servers: Servers, name: str, tmp_path: Path
) -> None:
    with nginx(tmp_path / "nginx", urlsplit(servers.urls[name]).netloc, {"old": OLD}) as urls:
        client, behind = begun(servers.urls[name], "1.0"), begun(urls["old"], "1.1")

        servers.go_on()

        assert client.rest() == behind.rest() == b"ended\n"
        assert fetch(urls["old"])[1] == "begun\nended\n"
        client.close()
        behind.close()
