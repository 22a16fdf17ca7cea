"""The whole chain as its users run it: emulator, functions and gateway, a process each.

A response comes from the function by one of four paths; the processes are the same ones. All run
on the relays' core, the client on the other.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.kits.ports import free_port

from bench.load import REQUEST, BenchError, Client, Goal, connect
from bench.process import children
from bench.relays import Bed, Relay
from bench.versions import NPM
from tailrace.wire.event_stream import MessageDecoder

FUNCTIONS = Path(__file__).parent / "functions"
PATHS = ("Function URL", "InvokeWithResponseStream", "response-stream route", "callback")
NODE = {"nodejs20.x": "aws-lambda-ric 3.3.0", "nodejs22.x": "aws-lambda-ric 4.0.2"}
RUNTIME = "tailrace.runtime"
CONFIG = """\
[functions.large]
handler = "app.large"
timeout_s = 300
concurrency = 1
url = {{ invoke_mode = "RESPONSE_STREAM", listen = "127.0.0.1:{large}" }}

[[routes]]
path = "/callback"
function = "large"

[[routes]]
path = "/response-stream-route"
function = "large"
transport = "response-stream"
"""
SMALL = """
[functions.small{number}]
{what}
concurrency = 1
url = {{ invoke_mode = "RESPONSE_STREAM", listen = "127.0.0.1:{port}" }}
"""
POST = (
    "POST /2021-11-15/functions/large/response-streaming-invocations HTTP/1.1\r\n"
    "host: localhost\r\ncontent-length: {length}\r\n\r\n{event}"
)
TAILRACE = (sys.executable, "-m", "tailrace.cli")


@dataclass(frozen=True, slots=True)
class Chain:
    """Running processes, and where they listen."""

    emulator: Relay
    gateway: Relay
    large_port: int
    small_ports: Mapping[str, int]
    """Of the function that answers one small chunk, under each runtime that is installed."""

    def pids(self) -> list[int]:
        """Of all processes that do the work, those of functions included."""
        return [self.emulator.process.pid, *self.gateway.pids, *self.function_pids()]

    def function_pids(self) -> list[int]:
        """Of functions that run."""
        return children(self.emulator.process.pid)

    async def fetch(
        self, path: str, chunks: int, *, pause_s: float = 0.0, pause_every_bytes: int = sys.maxsize
    ) -> None:
        """Fetch large chunks by one of the paths and check their number.

        Every so many bytes the client reads nothing for `pause_s`.
        """
        goal = Goal(1, f"responses by {path}")
        received, pauses = 0, 0

        def count(read_bytes: int) -> None:
            nonlocal received, pauses
            received += read_bytes
            if received // pause_every_bytes > pauses:
                pauses += 1
                client.transport.pause_reading()
                asyncio.get_running_loop().call_later(pause_s, client.transport.resume_reading)

        def end(client: Client) -> None:
            client.transport.close()
            goal.add()

        port, request = self._request(path, chunks)
        kind = FrameClient if path == "InvokeWithResponseStream" else Client
        client = await connect(port, lambda: kind(count, end, goal.fail))
        client.send(request)
        await goal.wait()
        if received != chunks * 65_536:
            raise BenchError(f"{path} brought {received} bytes instead of {chunks * 65_536}")

    def _request(self, path: str, chunks: int) -> tuple[int, bytes]:
        if path == "InvokeWithResponseStream":
            event = json.dumps({"chunks": chunks})
            return self.emulator.port, POST.format(length=len(event), event=event).encode()
        if path == "Function URL":
            return self.large_port, REQUEST.format(path=f"/?chunks={chunks}").encode()
        target = f"/{path.replace(' ', '-')}?chunks={chunks}"
        return self.gateway.port, REQUEST.format(path=target).encode()


class FrameClient(Client):
    """Reads InvokeWithResponseStream: counts payloads, and wants to hear that it is complete."""

    def __init__(
        self,
        on_bytes: Callable[[int], None],
        on_end: Callable[[Client], None],
        on_failure: Callable[[str], None],
    ) -> None:
        super().__init__(on_bytes, on_end, on_failure)
        self._on_failure = on_failure
        self._decoder = MessageDecoder()
        self._last = ""

    def on_body(self, body: bytes) -> None:
        for message in self._decoder.feed(body):
            self._last = message.headers[":event-type"]
            if self._last == "PayloadChunk":
                self._read_bytes += len(message.payload)
            elif message.payload != b"{}":
                self._on_failure(f"the function failed: {message.payload[:500]!r}")

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self._last != "InvokeComplete":
            self._on_failure("the stream is not complete")


def node_runtimes() -> dict[str, str]:
    """The commands of AWS's runtimes for Node.js that are installed, by their names."""
    found = {}
    for directory, name in NODE.items():
        packages = NPM / directory / "node_modules"
        if (packages / ".complete").exists():
            words = [packages / "node/bin/node", packages / ".bin/aws-lambda-ric", "app.small"]
            found[name] = f"command = {json.dumps([str(word) for word in words])}"
    return found


def start_chain(bed: Bed) -> Chain:
    """Start emulator and gateway; functions start when they are needed."""
    directory = bed.subdirectory("chain")
    shutil.copytree(FUNCTIONS, directory, dirs_exist_ok=True)
    large, emulator_port, gateway_port = free_port(), free_port(), free_port()
    runtimes = {RUNTIME: 'handler = "app.small"', **node_runtimes()}
    small = {name: free_port() for name in runtimes}
    config = directory / "tailrace.toml"
    lines = [
        SMALL.format(number=number, what=what, port=small[name])
        for number, (name, what) in enumerate(runtimes.items())
    ]
    config.write_text(CONFIG.format(large=large) + "".join(lines))
    options = ["--config", str(config), "--listen"]
    emulator = bed.command(
        "emulator",
        [*TAILRACE, "emulator", *options, f"127.0.0.1:{emulator_port}"],
        emulator_port,
    )
    endpoint = f"http://127.0.0.1:{emulator_port}"
    ports = [f"127.0.0.1:{gateway_port}", "--callback-listen", f"127.0.0.1:{free_port()}"]
    gateway = bed.command(
        "gateway",
        [*TAILRACE, "gateway", "--workers", "0", *options, *ports, "--endpoint-url", endpoint],
        gateway_port,
    )
    return Chain(emulator, gateway, large, small)
