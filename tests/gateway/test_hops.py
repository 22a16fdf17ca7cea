"""How many of our own functions a reader must open to follow the main paths.

Constructors that dataclasses generate are not counted: there is no source to open.

`HOPS=1 python -m pytest -q -s tests/gateway/test_hops.py` lists them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from tests.fakes import Client, Invocation, encode_head
from tests.gateway.world import World, played

import tailrace

SOURCES = str(Path(tailrace.__file__).parent)

WRITES = {"write", "writelines"}
"""Of a transport. A profile does not see calls into uvloop: a function that makes one returns."""

REQUEST_HOPS_MAX = 39
"""Functions between the read that completes a request and the write of its event."""
CHUNK_HOPS_MAX = 8
"""Functions between the read of a chunk from a callback and the write to the client."""


class Hops:
    """The functions entered between a read by the server and the next write by `writer`."""

    def __init__(self, writer: str) -> None:
        self._writer = f"{SOURCES}/{writer}"
        self._found: dict[str, int] = {}
        self._is_open = False
        self.path: list[str] | None = None
        """Distinct functions in the order of their first call, once the write has been made."""

    def note(self, frame: FrameType, event: str, _argument: Any) -> None:
        """Called by the interpreter at each call and each return."""
        code = frame.f_code
        if self.path is not None or not code.co_filename.startswith(SOURCES):
            return
        if event == "call":
            self._enter(code.co_filename.removeprefix(SOURCES + "/"), code.co_qualname)
        elif event == "return" and self._is_open and self._writes(code):
            self.path = list(self._found)

    def _writes(self, code: CodeType) -> bool:
        is_writer = code.co_filename.startswith(self._writer)
        return is_writer and "_transport" in code.co_names and not WRITES.isdisjoint(code.co_names)

    def _enter(self, module: str, name: str) -> None:
        if name.endswith(".data_received") and module.startswith("net/server/"):
            self._found = {}  # a read that led to no such write is not the one
            self._is_open = True
        if self._is_open and not name.endswith(">"):  # a comprehension is no function
            self._found[f"{module}:{name}"] = 1


@contextmanager
def hops(writer: str) -> Iterator[Hops]:
    """Count until the write; the profile of a coverage tool comes back afterwards."""
    counted = Hops(writer)
    before = sys.getprofile()
    sys.setprofile(counted.note)
    try:
        yield counted
    finally:
        sys.setprofile(before)
    assert counted.path is not None, f"no write by {writer}"
    if os.environ.get("HOPS"):
        print("", *counted.path, sep="\n  ")


async def respond(world: World, client: Client, invocation: Invocation) -> None:
    """One whole response to a client."""
    function = await world.function(invocation.url)
    await function.post(expects=False)
    await function.write(encode_head(200) + b"x")
    await function.end()
    assert await client.read_body(await client.read_head()) == b"x"


@played()
async def test_a_request_passes_few_functions_to_its_event(world: World) -> None:
    client, invocation = await world.hold()
    await respond(world, client, invocation)  # a connection to Lambda is open now

    paths = []
    for _ in range(3):  # what is renewed each second, or for 64 requests, is not in all of them
        with hops("net/client/") as counted:
            await client.request("GET", "/path?name=value", [("accept", "text/plain")])
            invocation = await world.invocation()
        paths.append(counted.path or [])
        await respond(world, client, invocation)

    assert len(min(paths, key=len)) <= REQUEST_HOPS_MAX, paths


@played()
async def test_a_chunk_passes_few_functions_to_its_client(world: World) -> None:
    client, function = await world.pair()
    await function.write(encode_head(200) + b"first")
    head = await client.read_head()
    assert await client.read_chunk() == b"first"

    with hops("net/server/") as counted:
        await function.write(b"second")
        assert await client.read_chunk() == b"second"

    assert len(counted.path or ()) <= CHUNK_HOPS_MAX, counted.path
    await function.end()
    assert await client.read_body(head) == b""
