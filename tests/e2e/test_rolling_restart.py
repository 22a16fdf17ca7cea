"""Two gateways behind nginx, restarted one after the other under load: no request fails.

nginx is configured as docs/how-to/behind-a-proxy.md says. The gateways are processes, the functions
call back from raw sockets.
"""

from __future__ import annotations

import http.client
import json
import re
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.command import Command, Stream, fetch
from tests.e2e.cut_function import SAMPLE_PATH, STORIES, CutLambda
from tests.kits.hops import free_ports, nginx_of
from tests.peers import until

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "behind-a-proxy.md"
STORY = STORIES["counted"]
CLIENTS = ("GET", "POST", "GET", "POST")
MORE = 40
"""Requests that follow each change."""


def documented(ports: dict[str, int]) -> str:
    """The block of the page, with these ports."""
    section = PAGE.read_text().partition("### Two gateways")[2]
    found = re.search(r"^```nginx\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert found is not None
    text = found[1]
    for before, after in (
        ("10.0.0.7:8080", f"127.0.0.1:{ports['one']}"),
        ("10.0.0.8:8080", f"127.0.0.1:{ports['two']}"),
        ("listen 80;", f"listen 127.0.0.1:{ports['nginx']};"),
    ):
        assert text.count(before) == 1
        text = text.replace(before, after)
    return text


class Load:
    """Clients that ask one request after the other, GET and POST, until they are stopped."""

    def __init__(self, port: int, target: str) -> None:
        self.outcomes: Counter[str] = Counter()
        self._port = port
        self._target = target
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(each,)) for each in CLIENTS]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(30)

    def wait_more(self) -> None:
        """Wait for requests that have all begun after this was called."""
        enough = self.outcomes.total() + len(CLIENTS) + MORE
        until(lambda: self.outcomes.total() >= enough, "requests to go on")

    def _ask(self, method: str) -> None:
        client = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        while not self._is_over.is_set():
            try:
                client.request(method, self._target, b"body" if method == "POST" else None)
                response = client.getresponse()
                got = response.status, response.read()
                self.outcomes["right" if got == (200, STORY.body) else repr(got)] += 1
            except (OSError, http.client.HTTPException) as error:
                self.outcomes[repr(error)] += 1
                client.close()
        client.close()


@pytest.fixture
def endpoint() -> Iterator[CutLambda]:
    with CutLambda() as endpoint:
        yield endpoint


def test_a_rolling_restart_behind_nginx_loses_no_request(
    endpoint: CutLambda, tmp_path: Path
) -> None:
    ports = free_ports(("one", "two", "nginx", "callbacks one", "callbacks two"))
    (tmp_path / "tailrace.toml").write_text('[[routes]]\npath = "/*"\nfunction = "f"\n')
    head = STORY.head(f"http://127.0.0.1:{ports['callbacks one']}{SAMPLE_PATH}")
    target = f"/cut?story={STORY.name}&by=fin&at={len(head) + len(STORY.message())}"

    def start(name: str) -> Command:
        listen = ["--listen", f"127.0.0.1:{ports[name]}"]
        callbacks = ["--callback-listen", f"127.0.0.1:{ports[f'callbacks {name}']}"]
        command = ["gateway", *listen, *callbacks, "--endpoint-url", endpoint.url]
        gateway = running.enter_context(Command(command, cwd=tmp_path))
        gateway.wait_line("gateway on")
        health = json.loads(fetch(f"http://127.0.0.1:{ports[name]}/_tailrace/health")[1])
        assert health["status"] == "ok"
        return gateway

    with ExitStack() as running:
        gateways = {name: start(name) for name in ("one", "two")}
        listening = {"nginx": ports["nginx"]}
        running.enter_context(
            nginx_of(tmp_path / "nginx", f"access_log off; {documented(ports)}", listening)
        )
        with Load(ports["nginx"], target) as load:
            for name, number in (("one", signal.SIGTERM), ("two", signal.SIGINT)):
                load.wait_more()
                url = f"http://127.0.0.1:{ports['nginx']}{target}&held=1"
                streams = [running.enter_context(Stream(url)) for _ in range(8)]  # on either one
                begun = [stream.response.read(1) for stream in streams]
                assert begun == [STORY.body[:1]] * len(streams)
                gateways[name].signal(number)
                load.wait_more()
                endpoint.release()
                assert [stream.read() for stream in streams] == [STORY.body[1:]] * len(streams)
                assert gateways[name].wait_exit() == 0
                gateways[name].wait_line("outcome=")
                load.wait_more()
                gateways[name] = start(name)
            load.wait_more()
        served = {name: len(gateway.lines) > 2 for name, gateway in gateways.items()}

    assert load.outcomes.keys() == {"right"}, load.outcomes
    assert served == {"one": True, "two": True}, "nginx has gone back to both"
    assert endpoint.surprises == []
