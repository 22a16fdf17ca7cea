"""The main paths, as docs/topics/life-of-a-response.md lists them, beside the functions entered."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

from tests.fakes import encode_head
from tests.gateway.test_hops import SOURCES, hops, respond
from tests.gateway.world import World, played
from tests.peers import Peer, Running

from tailrace.function import streamify_response

PAGE = Path(__file__).parents[1] / "docs/topics/life-of-a-response.md"


def documented(section: str) -> list[str]:
    """The functions of a section's first table, in order."""
    text = PAGE.read_text().partition(f". {section}\n")[2].partition("\n## ")[0]
    table = text.partition("| in |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `([\w/]+\.py)` \| `([\w.]+)` \|", table, re.MULTILINE)
    return [f"{module}:{name}" for module, name in rows]


def in_order(names: list[str], path: list[str] | None) -> list[str]:
    """Those of the names that were entered, in the order in which they were."""
    return sorted(set(names) & set(path or ()), key=(path or []).index)


@played()
async def test_a_request_to_its_event(world: World) -> None:
    names = documented("A request to its event")
    client, invocation = await world.hold()
    await respond(world, client, invocation)  # a connection to Lambda is open now

    with hops("net/client/") as counted:
        await client.request("GET", "/path")
        invocation = await world.invocation()

    assert len(names) > 9
    assert in_order(names, counted.path) == names, counted.path
    await respond(world, client, invocation)


@played()
async def test_a_chunk_from_the_callback_to_the_client(world: World) -> None:
    names = documented("A chunk from the callback to the client")
    client, function = await world.pair()
    await function.write(encode_head(200) + b"first")
    head = await client.read_head()
    assert await client.read_chunk() == b"first"

    with hops("net/server/") as counted:
        await function.write(b"second")
        assert await client.read_chunk() == b"second"

    assert len(names) > 4
    assert in_order(names, counted.path) == names, counted.path
    await function.end()
    assert await client.read_body(head) == b""


class Sends:
    """The functions that one thread enters before the next call of a socket's `send`."""

    def __init__(self) -> None:
        self.path: list[str] = []
        self._before: Any = None

    def start(self) -> None:
        self._before = sys.getprofile()
        sys.setprofile(self._note)

    def _note(self, frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(SOURCES):
            self.path.append(f"{code.co_filename.removeprefix(SOURCES + '/')}:{code.co_qualname}")
        elif event == "c_call" and argument.__name__.startswith("send"):
            sys.setprofile(self._before)


def test_a_chunk_from_the_handler_to_the_wire() -> None:
    names = documented("A chunk from the handler to the wire")
    sends = Sends()

    @streamify_response
    def handler(event: Any, context: Any) -> Iterator[bytes]:
        yield b"first"
        sends.start()
        yield b"second"

    with Peer() as peer:
        call = Running(handler, peer.event(), SimpleNamespace(aws_request_id="request-1"))
        callback = peer.accept_callback()
        callback.go_on()
        assert callback.read_body().endswith(b"firstsecond")
        callback.answer(200, b'{"bytes":11}')
        call.result()

    assert len(names) > 1
    assert in_order(names, sends.path) == names, sends.path
