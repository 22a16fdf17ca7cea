"""A callback is cut at every byte: no client takes what it got for a complete response.

Real clients, each going through all offsets; a real `tailrace gateway`; a function on a raw
socket. Cut in the head of its own POST, a callback has never begun: the gateway cannot know whose
it was, and the deadline answers. From there to the end of the response's head the client gets a
502; after it, an error of its own making.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import psutil
import pytest
from tests.browser import Chromium
from tests.command import Command, fetch
from tests.e2e import cut_clients
from tests.e2e.cut_clients import Get, Received
from tests.e2e.cut_function import SAMPLE_PATH, STORIES, CutLambda, Story
from tests.peers import until

CLIENTS = ("curl", "http.client", "undici", "chromium")
ALL_CLIENTS = (*CLIENTS, "curl-1.0", "http.client-1.0", "undici-fetch")
GETS: dict[str, Get] = {
    "curl": cut_clients.curl,
    "curl-1.0": cut_clients.curl_1_0,
    "http.client": cut_clients.python,
    "http.client-1.0": cut_clients.python_1_0,
    "undici": cut_clients.undici_request,
    "undici-fetch": cut_clients.undici_fetch,
}
SHORT = ("chunked", "length", "counted", "plain")
LARGE = ("large-chunked", "large-length")


@dataclass(frozen=True, slots=True)
class Cut:
    """A request whose callback is cut after `at` bytes, `head_bytes` of which are its own head."""

    story: Story
    by: str
    at: int
    head_bytes: int

    @property
    def target(self) -> str:
        """Path and query."""
        return f"/cut?story={self.story.name}&by={self.by}&at={self.at}"

    @property
    def has_begun(self) -> bool:
        """Whether the gateway can know that there was a callback."""
        return self.at >= self.head_bytes

    @property
    def is_whole(self) -> bool:
        """Whether nothing is cut off."""
        return self.at == self.head_bytes + len(self.story.message())

    @property
    def sent(self) -> bytes | None:
        """What of the response's body has been sent; None while not even its head has."""
        return self.story.sent(self.at - self.head_bytes) if self.has_begun else None


class CutGateway(Command):
    """A gateway in front of a function that cuts its callbacks."""

    def __init__(self, endpoint: CutLambda, config: Path, *options: str) -> None:
        config.write_text('[[routes]]\npath = "/cut"\nfunction = "cut"\n')
        listen = ("--listen", "127.0.0.1:0", "--callback-listen", "127.0.0.1:0")
        target = ("--config", str(config), "--endpoint-url", endpoint.url)
        super().__init__(["gateway", *listen, *target, *options])
        self.endpoint = endpoint

    def __enter__(self) -> Self:
        super().__enter__()
        said = self.wait_line(r"gateway on (http://\S+), called back at (http://[^\s,]+)")
        self.url, self.callback_url = said[1], said[2]
        return self

    def cuts(self, name: str, by: str, where: Callable[[int, int], Iterable[int]]) -> list[Cut]:
        """Cuts of a story at the offsets that `where` picks, told the head's end and the end."""
        story = STORIES[name]
        head_bytes = len(story.head(self.callback_url + SAMPLE_PATH))
        end = head_bytes + len(story.message())
        return [Cut(story, by, at, head_bytes) for at in where(head_bytes, end)]

    def get(self, get: Get, cuts: list[Cut]) -> list[tuple[Cut, Received]]:
        """Let a client make the requests.

        All functions must see what they expect; `outcomes` are those that the log tells.
        """
        seen = len(self.lines)
        self.endpoint.surprises.clear()
        received = get([self.url + cut.target for cut in cuts])
        until(lambda: self.endpoint.is_idle, "the end of every function")
        assert self.endpoint.surprises == []
        until(lambda: self._outcomes(seen).total() >= len(cuts), "the log of every exchange")
        self.outcomes = self._outcomes(seen)
        return list(zip(cuts, received, strict=True))

    def _outcomes(self, after: int) -> Counter[str]:
        text = "\n".join(self.lines[after:])
        return Counter(re.findall(r"path=/cut .* outcome=(\S+)", text))

    def assert_nothing_left(self) -> None:
        """Nothing is held, and no callback's connection is open."""
        assert json.loads(fetch(f"{self.url}/_tailrace/health")[1])["held"] == 0
        until(lambda: self._callback_sockets() == ["LISTEN"], "callbacks to be closed")

    def _callback_sockets(self) -> list[str]:
        port = int(self.callback_url.rpartition(":")[2])
        (worker,) = psutil.Process(self.process.pid).children()
        sockets = worker.net_connections("tcp")
        return [socket.status for socket in sockets if socket.laddr.port == port]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[CutLambda]:
    with CutLambda() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def gateway(endpoint: CutLambda, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CutGateway]:
    config = tmp_path_factory.mktemp("cut") / "tailrace.toml"
    with CutGateway(endpoint, config) as gateway:
        yield gateway
        gateway.assert_nothing_left()


@pytest.fixture(scope="module")
def hasty(endpoint: CutLambda, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CutGateway]:
    """A gateway that does not wait long for a function.

    Nothing has to happen before this deadline: a function that comes too late changes nothing.
    """
    config = tmp_path_factory.mktemp("hasty") / "tailrace.toml"
    with CutGateway(endpoint, config, "--first-byte-timeout", "0.05") as gateway:
        yield gateway
        gateway.assert_nothing_left()


@pytest.fixture(scope="module")
def restless(endpoint: CutLambda, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CutGateway]:
    """A gateway that does not wait long for a function to go on.

    A response's head has to come before this deadline: its bytes are milliseconds apart, and the
    deadline is more than ten times that, for a machine that is busy.
    """
    config = tmp_path_factory.mktemp("restless") / "tailrace.toml"
    with CutGateway(endpoint, config, "--function-idle-timeout", "1") as gateway:
        yield gateway
        gateway.assert_nothing_left()


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with Chromium() as browser:
        for domain in ("Network", "Log"):
            browser.call(f"{domain}.disable")  # thousands of responses, nearly all of them broken
        yield browser


def client(name: str, gateway: CutGateway, request: pytest.FixtureRequest) -> Get:
    """A client by its name; the browser is on a page of this gateway."""
    if name != "chromium":
        return GETS[name]
    browser = request.getfixturevalue("browser")
    browser.call("Page.navigate", url=f"{gateway.url}/_tailrace/health")
    browser.wait_until(f"location.href.startsWith('{gateway.url}') && !!document.body.innerText")
    return partial(cut_clients.chromium, browser)


def fault(cut: Cut, received: Received) -> str | None:
    """What is wrong with what a client made of a response."""
    if received.is_hung:
        return "it hung"
    if cut.is_whole:
        is_right = received.is_complete and received.status == 200
        return None if is_right and received.body == cut.story.body else "not the whole response"
    if cut.sent is None:
        status = 502 if cut.has_begun else 504
        return None if is_problem(received, status) else f"no complete {status}"
    if received.is_complete:
        return "taken for complete"
    if received.status not in (0, 200):
        return "not the function's status"
    return None if cut.sent.startswith(received.body) else "not what the function sent"


def is_problem(received: Received, status: int) -> bool:
    """Whether this is a complete problem document."""
    if not received.is_complete or received.status != status:
        return False
    return bool(json.loads(received.body)["status"] == status)


def faults(pairs: Iterable[tuple[Cut, Received]]) -> list[str]:
    """What is wrong, for each wrong response."""
    found = [(fault(*pair), *pair) for pair in pairs]
    return [f"{text}: {cut.target}: {received}" for text, cut, received in found if text]


@pytest.mark.parametrize("name", ALL_CLIENTS)
def test_no_cut_response_is_taken_for_complete(
    name: str, gateway: CutGateway, request: pytest.FixtureRequest
) -> None:
    """Every offset behind the callback's own head, up to the uncut run."""
    cuts = [
        cut
        for story in SHORT
        for by in ("fin", "reset")
        for cut in gateway.cuts(story, by, lambda head, end: range(head, end + 1))
    ]

    pairs = gateway.get(client(name, gateway, request), cuts)

    assert faults(pairs) == []
    whole = sum(cut.is_whole for cut in cuts)
    assert whole == 2 * len(SHORT)
    assert gateway.outcomes == {
        "complete": whole,
        "callback-broken": len(cuts) - whole,
    }


@pytest.mark.parametrize("name", ALL_CLIENTS)
def test_no_cut_large_response_is_taken_for_complete(
    name: str, gateway: CutGateway, request: pytest.FixtureRequest
) -> None:
    """Offsets around the borders of chunks, and some at random."""
    chosen = random.Random(name)

    def where(head: int, end: int) -> set[int]:
        near = {head + 80, head + 20_080, head + 60_100, *range(end - 8, end + 1)}
        return near | {chosen.randrange(head, end) for _ in range(8)}

    cuts = [
        cut for story in LARGE for by in ("fin", "reset") for cut in gateway.cuts(story, by, where)
    ]

    assert faults(gateway.get(client(name, gateway, request), cuts)) == []


@pytest.mark.parametrize("name", ["curl", "http.client"])
def test_what_was_sent_before_the_end_arrives(name: str, gateway: CutGateway) -> None:
    """Not only a prefix; but the last byte of a body of announced length waits for its end."""
    cuts = [
        cut
        for story in SHORT
        for cut in gateway.cuts(story, "fin", lambda head, end: range(head, end, 3))
        if cut.sent is not None
    ]

    for cut, received in gateway.get(GETS[name], cuts):
        is_full = cut.story.has_length and cut.sent == cut.story.body
        assert received.body == (cut.story.body[:-1] if is_full else cut.sent), cut.target


@pytest.mark.parametrize("name", CLIENTS)
def test_a_response_that_is_all_head_is_complete_with_it(
    name: str, gateway: CutGateway, request: pytest.FixtureRequest
) -> None:
    """No byte can be missing from a body of announced length zero, however its callback ends."""
    cuts = [
        cut
        for by in ("fin", "reset")
        for cut in gateway.cuts("empty", by, lambda head, end: range(head, end + 1))
    ]

    for cut, received in gateway.get(client(name, gateway, request), cuts):
        if cut.sent is None:
            assert is_problem(received, 502), (cut.target, received)
        else:
            assert (received.is_complete, received.status, received.body) == (True, 200, b"")


@pytest.mark.parametrize("name", CLIENTS)
def test_a_callback_cut_in_its_own_head_has_never_begun(
    name: str, hasty: CutGateway, request: pytest.FixtureRequest
) -> None:
    """Whose it was cannot be known; the client hears from the deadline, and completely."""
    cuts = [
        cut
        for by in ("fin", "reset")
        for cut in hasty.cuts("plain", by, lambda head, end: range(head))
    ]

    pairs = hasty.get(client(name, hasty, request), cuts)

    assert faults(pairs) == []
    assert hasty.outcomes == {"first-byte-deadline": len(cuts)}


@pytest.mark.parametrize("name", CLIENTS)
def test_a_function_that_falls_silent_ends_no_response(
    name: str, restless: CutGateway, request: pytest.FixtureRequest
) -> None:
    """Neither end nor reset: a deadline cuts instead."""
    cuts = [
        cut
        for story in ("length", "counted")
        for cut in restless.cuts(story, "silence", lambda head, end: range(end - 1, head, -11))
        if cut.sent is not None
    ]

    pairs = restless.get(client(name, restless, request), cuts)

    assert faults(pairs) == []
    assert restless.outcomes == {"idle-deadline": len(cuts)}
