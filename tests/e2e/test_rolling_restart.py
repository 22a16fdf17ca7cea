"""Two gateways behind nginx, and behind HAProxy, restarted one after the other under load.

No request of 2,000 fails, no stream breaks: the clients count. The proxies are configured as
docs/how-to/behind-a-proxy.md says. The gateways are processes, the functions call back from raw
sockets.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
from tests.command import Command, Stream, fetch
from tests.e2e.cut_function import SAMPLE_PATH, STORIES, CutLambda
from tests.kits.hops import Urls, haproxy_of, nginx_of
from tests.kits.ports import free_ports
from tests.kits.proxy_page import documented
from tests.kits.steady_load import SteadyLoad
from tests.peers import until

STORY = STORIES["counted"]
REQUESTS = 2_000
"""So many at least, over both restarts and between them."""
STREAMS = 20
"""Streams that are open while a gateway is restarted, on either one."""


def nginx(folder: Path, ports: dict[str, int]) -> AbstractContextManager[Urls]:
    text = documented("nginx", "### Two gateways, restarted one after the other", ports)
    return nginx_of(folder, f"access_log off; {text}", {"front": ports["front"]})


def haproxy(folder: Path, ports: dict[str, int]) -> AbstractContextManager[Urls]:
    return haproxy_of(folder, documented("haproxy", "## HAProxy", ports), {"front": ports["front"]})


FRONTS = {"nginx": nginx, "haproxy": haproxy}


class Gateways:
    """The two gateways, each on its ports."""

    def __init__(self, folder: Path, ports: dict[str, int], endpoint_url: str) -> None:
        # Other tests make a machine late; what that refuses is not lost by a restart.
        (folder / "tailrace.toml").write_text(
            '[[routes]]\npath = "/*"\nfunction = "f"\n[gateway]\nlate_s_max = 0\n'
        )
        self._folder = folder
        self._ports = ports
        self._endpoint_url = endpoint_url
        self._running = ExitStack()
        self._of: dict[str, Command] = {}

    def __enter__(self) -> Gateways:
        for name in ("one", "two"):
            self.start(name)
        return self

    def __exit__(self, *exception: object) -> None:
        self._running.close()

    def __getitem__(self, name: str) -> Command:
        return self._of[name]

    def start(self, name: str) -> None:
        """Start one, and wait until its health path answers 200."""
        listen = ["--listen", f"127.0.0.1:{self._ports[name]}"]
        callbacks = ["--callback-listen", f"127.0.0.1:{self._ports[f'callbacks {name}']}"]
        options = [*listen, *callbacks, "--admin-listen", "off"]
        command = ["gateway", *options, "--endpoint-url", self._endpoint_url]
        gateway = self._running.enter_context(Command(command, cwd=self._folder))
        gateway.wait_line("gateway on")
        health = json.loads(fetch(f"http://127.0.0.1:{self._ports[name]}/_tailrace/health")[1])
        assert health["status"] == "ok"
        self._of[name] = gateway


@pytest.fixture
def endpoint() -> Iterator[CutLambda]:
    with CutLambda() as endpoint:
        yield endpoint


@pytest.mark.parametrize("front", FRONTS)
def test_a_rolling_restart_behind_a_proxy_loses_no_request(
    front: str, endpoint: CutLambda, tmp_path: Path
) -> None:
    ports = free_ports(("one", "two", "front", "callbacks one", "callbacks two"))
    head = STORY.head(f"http://127.0.0.1:{ports['callbacks one']}{SAMPLE_PATH}")
    target = f"/cut?story={STORY.name}&by=fin&at={len(head) + len(STORY.message())}"
    url = f"http://127.0.0.1:{ports['front']}{target}&held=1"

    with ExitStack() as running:
        gateways = running.enter_context(Gateways(tmp_path, ports, endpoint.url))
        running.enter_context(FRONTS[front](tmp_path / front, ports))
        for name in ("one", "two"):
            _wait_used(gateways[name], ports["front"], target)
        with SteadyLoad(ports["front"], target, _judge) as load:
            for name in ("one", "two"):
                load.wait_more()
                streams = [running.enter_context(Stream(url)) for _ in range(STREAMS)]
                begun = [stream.response.read(1) for stream in streams]
                assert begun == [STORY.body[:1]] * STREAMS
                gateways[name].signal(signal.SIGTERM)
                load.wait_more()
                endpoint.release()
                assert [stream.read() for stream in streams] == [STORY.body[1:]] * STREAMS
                assert gateways[name].wait_exit() == 0
                load.wait_more()
                gateways.start(name)
                gateways[name].wait_line("outcome=")  # the proxy has gone back to it
            load.wait_for(REQUESTS)
        assert load.outcomes.keys() == {("", "right")}, load.outcomes
        assert endpoint.surprises == []
        _leave(url, gateways)
        endpoint.release()


def _judge(status: int, body: bytes) -> str:
    got = status, body
    return "right" if got == (200, STORY.body) else repr(got)


def _leave(url: str, gateways: Gateways) -> None:
    """Leave in the middle of a stream that is silent: the gateway notices, so the function ends."""
    with Stream(url) as stream:
        assert stream.response.read(1) == STORY.body[:1]
    both = (gateways["one"], gateways["two"])
    until(lambda: any(one.count("outcome=client-left") for one in both), "the client's end")


def _wait_used(gateway: Command, port: int, target: str) -> None:
    """Ask until the proxy sends requests to this gateway."""

    def is_used() -> bool:
        fetch(f"http://127.0.0.1:{port}{target}")
        return gateway.count("outcome=") > 0

    until(is_used, "the proxy to use the gateway")
