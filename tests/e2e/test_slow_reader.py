"""A client that does not read slows its own function, and nobody else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.chain import Chain, running, until
from tests.e2e.client import Client
from tests.e2e.gate import Gate
from tests.fakes import Broken, is_writable

from tailrace import limits

BLOCK_BYTES = 64 * 1024
BLOCKS = 1024
"""64 MiB in all: several times what the kernel keeps on the way through the chain."""
RECEIVE_BYTES = 64 * 1024
PACED = 20

PYTHON = '''
import asyncio

from gate import Gate
from tailrace.errors import ClientDisconnected
from tailrace.function import Head, streamify_response

HEAD = Head(headers={"content-type": "application/octet-stream"})


def blocks(gate):
    """Says the number of each block before it may be written; no two are alike."""
    for number in range(1024):
        gate.tell(number)
        yield number.to_bytes(4, "big") * 16384


@streamify_response
def generator(event, context):
    with Gate(event) as gate:
        try:
            yield HEAD
            yield from blocks(gate)
            gate.tell("whole")
        except GeneratorExit:
            gate.tell("closed")
            raise


@streamify_response
async def async_generator(event, context):
    with Gate(event) as gate:
        try:
            yield HEAD
            for block in blocks(gate):
                yield block
            gate.tell("whole")
        except asyncio.CancelledError:
            gate.tell("cancelled")
            raise


@streamify_response
async def response(event, response, context):
    with Gate(event) as gate:
        response.set_head(HEAD)
        try:
            for block in blocks(gate):
                await response.write(block)
            gate.tell("whole")
        except ClientDisconnected:
            gate.tell("told by its write")
            raise


@streamify_response
async def elsewhere(event, response, context):
    """Waits for something else while a task of its own is blocked in a write."""
    with Gate(event) as gate:
        response.set_head(HEAD)

        async def write():
            for block in blocks(gate):
                await response.write(block)

        writing = asyncio.create_task(write())
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            gate.tell("cancelled")
            raise
        finally:
            await asyncio.gather(writing, return_exceptions=True)


@streamify_response
def paced(event, context):
    with Gate(event) as gate:
        for letter in "abcde":
            gate.wait()
            yield letter
        gate.wait()
'''

# The proof of concept's three keys only; a pipeline waits where a write has to.
NODE = """
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { pipeline } from "node:stream/promises";

async function* blocks(gate) {
  for (let number = 0; number < 1024; number++) {
    gate.write(`${number}\\n`);
    const block = Buffer.alloc(65536);
    for (let at = 0; at < 65536; at += 4) block.writeUInt32BE(number, at);
    yield block;
  }
}

async function handler({ origin, url }) {
  const asked = new URL(url, "http://client").searchParams;
  const gate = net.connect(Number(asked.get("gate")), "127.0.0.1");
  const upload = http.request(origin, { method: "POST" });
  const [[answer]] = await Promise.all([once(upload, "response"), pipeline(blocks(gate), upload)]);
  answer.resume();
  if (answer.statusCode !== 200) throw new Error(`the gateway answered ${answer.statusCode}`);
  gate.end("whole\\n");
  await once(gate, "close");
}

const runtime = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation`;
const agent = new http.Agent({ keepAlive: true });

async function call(method, url, body) {
  const request = http.request(url, { method, agent });
  request.end(body);
  const [response] = await once(request, "response");
  const pieces = await response.toArray();
  return { headers: response.headers, text: Buffer.concat(pieces).toString() };
}

for (;;) {
  const { headers, text } = await call("GET", `${runtime}/next`);
  await handler(JSON.parse(text));
  await call("POST", `${runtime}/${headers["lambda-runtime-aws-request-id"]}/response`, "null");
}
"""

FILES = {"app.py": PYTHON, "app.mjs": NODE}
KINDS = ("generator", "async_generator", "response")
FUNCTIONS = {name: f"app.{name}" for name in (*KINDS, "elsewhere", "paced")}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    functions = {**FUNCTIONS, "node": ("node", "app.mjs")}
    with running(tmp_path_factory.mktemp("slow"), FILES, functions) as chain:
        yield chain


class SlowReader:
    """A client that has read the head and does not read on, and the function's progress."""

    def __init__(self, chain: Chain, kind: str, *, version: str = "1.1") -> None:
        self._chain = chain
        self._name = kind
        self.path = f"/{kind}/slow"
        self.gate = chain.gate()
        self.client = chain.client(receive_bytes=RECEIVE_BYTES)
        self.client.ask(f"{self.path}?gate={self.gate.port}", version=version)
        assert self.client.head().status == 200
        self.held_bytes_most = 0
        self._block = ""

    def block(self) -> str:
        """The number of the block that the function writes."""
        self._block = self.gate.latest(self._block)
        return self._block

    def held_bytes(self) -> int:
        """What the gateway holds of this stream now, for a client that takes no more."""
        connection = self._chain.held(self.path).seat._connection  # type: ignore[attr-defined]
        assert connection is not None
        held_bytes = connection.unsent_bytes
        self.held_bytes_most = max(self.held_bytes_most, held_bytes)
        is_taken = is_writable(connection._transport.get_extra_info("socket"))
        return 0 if is_taken else held_bytes

    def wait_blocked(self) -> int:
        """Until the function can write no more; the number of the block that it cannot write."""

        def is_blocked() -> bool:
            before = self._block
            is_full = self._chain.look(self.held_bytes) > 0 and self._chain.is_stuck(self._name)
            return is_full and before == self.block() != ""

        until(is_blocked, "the function to be blocked")
        return int(self._block)


def all_blocks() -> str:
    """The hash of what the function has to say."""
    whole = hashlib.sha256()
    for number in range(BLOCKS):
        whole.update(number.to_bytes(4, "big") * (BLOCK_BYTES // 4))
    return whole.hexdigest()


def play_paced(chain: Chain) -> None:
    """Streams, each of whose chunks is there before the next one may be written."""
    streams: list[tuple[Gate, Client]] = []
    for _ in range(PACED):
        gate = chain.gate()
        streams.append((gate, chain.ask(f"/paced?gate={gate.port}")))
    for letter in b"abcde":
        for gate, client in streams:
            gate.open()
            if letter == b"a"[0]:
                assert client.head().status == 200
            assert client.body(1)[0] == letter
    for gate, client in streams:
        gate.open()
        assert client.rest() == b""


@pytest.mark.parametrize("kind", [*KINDS, "node"])
def test_a_slow_reader_blocks_its_own_function_only(chain: Chain, kind: str) -> None:
    slow = SlowReader(chain, kind)

    stuck = slow.wait_blocked()
    play_paced(chain)

    assert stuck <= slow.wait_blocked() < BLOCKS - 1
    assert 0 < slow.held_bytes_most <= limits.STREAM_BUFFER_BYTES_MAX

    whole = hashlib.sha256()
    while data := slow.client.some():
        whole.update(data)

    assert whole.hexdigest() == all_blocks()
    until(lambda: slow.block() == "whole", "the function's end")


@pytest.mark.parametrize(
    ("kind", "version", "told"),
    [
        ("generator", "1.1", "closed"),
        ("generator", "1.0", "closed"),
        ("async_generator", "1.1", "cancelled"),
        ("response", "1.1", "told by its write"),
        ("elsewhere", "1.1", "cancelled"),
    ],
)
def test_one_that_never_reads_on_meets_the_stall_deadline(
    tmp_path: Path, kind: str, version: str, told: str
) -> None:
    with running(tmp_path, FILES, FUNCTIONS, client_stall_timeout_s=0.5) as chain:
        slow = SlowReader(chain, kind, version=version)

        until(lambda: slow.block() == told, "the function to be told")

        with pytest.raises(Broken) as broken:
            slow.client.rest()
        assert broken.value.how == "reset"
        until(lambda: chain.outcomes(slow.path) == ["stall-deadline"], "the line in the log")
