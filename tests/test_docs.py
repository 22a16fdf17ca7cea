"""The documentation: examples are run, tables agree with the code, links lead somewhere."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tailrace.config import RouteConfig
from tailrace.gateway.service import Gateway, GatewaySettings
from tailrace.net.http_server import run
from tailrace.wire.routes import Router

ROOT = Path(__file__).parent.parent
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
TIMEOUT_S = 20


class Block(NamedTuple):
    """A fenced block: the words behind its fence, and its text."""

    info: tuple[str, ...]
    text: str
    line: int


def blocks(name: str) -> list[Block]:
    """The fenced blocks of a document, in order."""
    text = (ROOT / name).read_text()
    found = re.finditer(r"^```([\w ]+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [
        Block(tuple(each[1].split()), each[2], text.count("\n", 0, each.start()) + 1)
        for each in found
    ]


def block(name: str, language: str) -> Block:
    """The first block of a language in a document."""
    return next(each for each in blocks(name) if each.info[0] == language)


# --- the gateway's formats -------------------------------------------------------------------


class RecordingInvoker:
    """Takes every event, as Lambda would, and keeps it."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def start(self) -> None: ...

    async def invoke(self, function: str, payload: bytes) -> None:
        self.events.put_nowait(json.loads(payload))

    async def close(self) -> None: ...


def run_gateway(story: Callable[[Gateway, RecordingInvoker], Awaitable[None]]) -> None:
    """Run a story against a gateway whose events are recorded."""

    async def main() -> None:
        invoker = RecordingInvoker()
        routes = Router([RouteConfig(path="/*", function="documented")])
        gateway = Gateway(GatewaySettings(port=0, callback_port=0), invoker, routes.match)
        await gateway.start()
        try:
            await asyncio.wait_for(story(gateway, invoker), TIMEOUT_S)
        finally:
            await gateway.stop()

    run(main())


async def curl(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        "curl", "-sSN", "--max-time", str(TIMEOUT_S), *arguments, stdout=subprocess.PIPE
    )


DOCUMENTED_ID = "8f5b6a0e-5d0e-4f1c-9a53-0e3a2b6f1c11"
DOCUMENTED_SECRET = "9d2c4b7a1e8f4c6db0a3f5e7c1d29b84"
ANY_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_the_event_is_the_documented_one() -> None:
    documented = json.loads(
        next(b.text for b in blocks("docs/reference/event.md") if "json" in b.info)
    )

    async def story(gateway: Gateway, invoker: RecordingInvoker) -> None:
        request = documented["headers"]
        client = await curl(
            "--user-agent", request["user-agent"], "--header", "host: example.com",
            "--header", "content-type: application/json", "--cookie", request["cookie"],
            "--data", documented["body"], f"{gateway.public_url}{documented['url']}",
        )  # fmt: skip
        event = await invoker.events.get()
        client.terminate()
        await client.wait()

        exchange_id = event["requestId"]
        assert event["origin"].startswith(f"{gateway.callback_url}/{exchange_id}/")
        assert normalised(event) == normalised(documented)

    def normalised(event: dict[str, Any]) -> Any:
        """Without what differs from one request to the next."""
        context = event["requestContext"]
        assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", context["time"])
        assert event["headers"]["x-amzn-trace-id"].endswith(
            "-" + event["requestId"].replace("-", "")[:24]
        )
        text = json.dumps(event | {"requestContext": context | {"time": "", "timeEpoch": 0}})
        text = re.sub(r"http://127\.0\.0\.1:\d+/[-0-9a-f]{36}/[0-9a-f]{32}", "CALLBACK", text)
        text = re.sub(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", "TRACE", text)
        return json.loads(ANY_ID.sub("ID", text))

    run_gateway(story)


def callback_conversations() -> Iterator[list[Block]]:
    """The raw exchanges of the callback page: each begins with a callback's head."""
    conversation: list[Block] = []
    for block in blocks("docs/reference/callback.md"):
        if block.info[0] != "http":
            continue
        if block.text.startswith("POST ") and conversation:
            yield conversation
            conversation = []
        conversation.append(block)
    yield conversation


@pytest.mark.parametrize("conversation", list(callback_conversations()))
def test_the_bytes_of_a_callback_are_the_documented_ones(conversation: list[Block]) -> None:
    async def story(gateway: Gateway, invoker: RecordingInvoker) -> None:
        client = await asyncio.open_connection(*gateway.public_url[7:].split(":"))
        client[1].write(b"GET / HTTP/1.1\r\nhost: example.com\r\n\r\n")
        event = await invoker.events.get()
        address, exchange_id, secret = event["origin"].removeprefix("http://").split("/")
        function = await asyncio.open_connection(*address.split(":"))

        try:
            for block in conversation:
                if block.info[1] == "function":
                    text = block.text.replace(DOCUMENTED_ID, exchange_id)
                    function[1].write(wire_bytes(text.replace(DOCUMENTED_SECRET, secret)))
                    continue
                reader = (client if block.info[1] == "client" else function)[0]
                expected = wire_bytes(block.text)
                received = await reader.readexactly(len(expected))
                assert without_date(received) == without_date(expected)
        finally:
            for _, writer in (client, function):
                writer.close()
                await writer.wait_closed()

    run_gateway(story)


def wire_bytes(text: str) -> bytes:
    """The bytes that a block stands for."""
    lines = text.encode().replace(b"\\0", b"\0").split(b"\n")
    *complete, last = [line.replace(b"\\n", b"\n") for line in lines]
    assert not last
    message = b"".join(line + b"\r\n" for line in complete)
    # The JSON that ends an answer has no line end of its own.
    return message.removesuffix(b"\r\n") if message.endswith(b"}\n\r\n") else message


def without_date(message: bytes) -> bytes:
    return re.sub(rb"(date: )[^\r]+", rb"\1...", message)


# --- pages that are walked through -----------------------------------------------------------

WALKS = [
    "docs/tutorial.md",
    "docs/how-to/any-language.md",
    "docs/how-to/managed-python-runtime.md",
    "docs/how-to/stop-when-the-client-leaves.md",
]
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


class Walk:
    """Does what a page tells its reader to do, and compares what the reader is shown."""

    def __init__(self, directory: Path) -> None:
        self._project = directory / "hello"
        self._project.mkdir()
        self._log_path = directory / "dev.log"
        self._seen = 0  # lines of the log that were there before the last command
        self._dev: subprocess.Popen[bytes] | None = None
        self._public = self._lambda = ""

    def do(self, step: Block) -> None:
        """Follow one block."""
        title = re.match(r"# ([\w.]+\.(?:py|sh|toml))\n", step.text)
        if title is not None:
            self._save(title[1], step.text)
        elif step.info == ("text", "log"):
            self._compare_log(step.text)
        elif step.info == ("console",):
            for command, shown in console_commands(step.text):
                assert matches(shown, self._run(command)), f"line {step.line}: {command}"

    def _save(self, name: str, text: str) -> None:
        begin = len(self._log())
        (self._project / name).write_text(text)
        if self._dev is not None:
            self._wait_for(lambda log: any(f"{name} changed" in line for line in log[begin:]))

    def _run(self, command: str) -> str:
        if command == "tailrace dev":
            return self._start()
        if command.startswith("curl "):
            command = command.replace("curl ", "curl -sS ", 1).replace(
                "http://127.0.0.1:8080", self._public
            )
        self._seen = len(self._log())
        done = subprocess.run(
            shlex.split(command), cwd=self._project, env={**os.environ, "PATH": PATH},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        return done.stdout.decode().replace("\r\n", "\n")

    def _start(self) -> str:
        any_port = "127.0.0.1:0"
        arguments = ["--listen", any_port, "--callback-listen", any_port]
        with self._log_path.open("wb") as log:
            self._dev = subprocess.Popen(
                ["tailrace", "dev", *arguments, "--emulator-listen", any_port],
                cwd=self._project, env={**os.environ, "PATH": PATH}, stderr=log,
            )  # fmt: skip
        self._wait_for(lambda log: any("Ctrl-C stops" in line for line in log))
        banner = self._log_path.read_text()
        self._public, self._lambda = re.findall(r"http://127\.0\.0\.1:\d+(?=/?\n)", banner)[::2]
        return banner.replace(self._public, "http://127.0.0.1:8080").replace(
            self._lambda, "http://127.0.0.1:9000"
        )

    def _compare_log(self, shown: str) -> None:
        """All of these lines come, in any order: several processes write to the log."""
        missing = [line + "\n" for line in shown.splitlines()]

        def are_there(log: list[str]) -> bool:
            nonlocal missing
            lines = [re.sub(r"\s+", " ", line).strip() for line in log[self._seen :]]
            missing = [
                each
                for each in missing
                if not any(matches(re.sub(r" +", " ", each), line + "\n") for line in lines)
            ]
            return not missing

        self._wait_for(are_there, lambda: f"not in the log: {missing}")

    def _log(self) -> list[str]:
        if not self._log_path.exists():
            return []
        return [line for line in self._log_path.read_text().splitlines(True) if line[-1] == "\n"]

    def _wait_for(
        self, condition: Callable[[list[str]], bool], failure: Callable[[], str] = str
    ) -> None:
        deadline_s = time.monotonic() + TIMEOUT_S
        while not condition(self._log()):
            assert self._dev is not None and self._dev.poll() is None, "".join(self._log())
            assert time.monotonic() < deadline_s, failure() + "\n" + "".join(self._log())
            time.sleep(0.01)

    def stop(self) -> None:
        """End what was started; it must end well."""
        if self._dev is not None:
            self._dev.send_signal(signal.SIGINT)
            assert self._dev.wait(TIMEOUT_S) == 0


def console_commands(text: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block, and what is shown of its output."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown


def matches(shown: str, real: str) -> bool:
    """Whether a text is what a page shows; `…` stands for anything, on its own line for lines."""
    pattern = re.escape(shown).replace(r"…\n", "…\n")
    pattern = re.sub(r"^…\n", "(?:.*\n)*?", pattern.replace("\\\n", "\n"), flags=re.MULTILINE)
    return re.fullmatch(pattern.replace("…", ".*") + r"\s*", real) is not None


@pytest.mark.parametrize("name", WALKS)
def test_a_page_can_be_walked_through(name: str, tmp_path: Path) -> None:
    walk = Walk(tmp_path)
    try:
        for step in blocks(name):
            walk.do(step)
    finally:
        walk.stop()
