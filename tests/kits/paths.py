"""The paths that a response may take from a handler to its caller, and how each is spoken.

A conversation is read step by step, so that a test can say what has come before the handler may
go on: the head, so many bytes, the rest. Three functions serve all paths, all of the one source in
`app.py`: `stream` as it is, `buffer`, which is told by its environment to return responses, and
`managed`, which runs under AWS's own runtime for Python.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path as Directory
from typing import Any, Final, NamedTuple, Protocol

import boto3
import botocore.config
from tests.e2e.chain import Chain, serving
from tests.e2e.gate import SOURCE, WAIT_S
from tests.kits.readers import EventStreamReader, HttpReader
from tests.kits.seen import BROKEN, COMPLETE, Ending, HeadSeen
from tests.kits.shapes import Request

CONFIGURATION: Final = """
[emulator]
retry_delay_scale = 0

[functions.stream]
handler = "app.handler"
timeout_s = 60
[functions.stream.url]
invoke_mode = "RESPONSE_STREAM"

[functions.buffer]
handler = "app.handler"
timeout_s = 60
[functions.buffer.environment]
TAILRACE_RESPONSE_MODE = "buffer"
[functions.buffer.url]
invoke_mode = "BUFFERED"

# AWS's own runtime, which cannot stream.
[functions.managed]
command = @MANAGED@
timeout_s = 60
[functions.managed.url]
invoke_mode = "BUFFERED"

[[routes]]
path = "/callback/*"
function = "stream"

[[routes]]
path = "/managed/*"
function = "managed"

[[routes]]
path = "/gateway-stream/*"
function = "stream"
transport = "response-stream"
"""


class Ask(NamedTuple):
    """What a caller asks for."""

    shape: str
    request: Request
    gate_port: int

    @property
    def query(self) -> str:
        return f"shape={self.shape}&gate={self.gate_port}"


class Conversation(Protocol):
    """A response on its way to its caller."""

    def head(self) -> HeadSeen | None:
        """Its beginning; None when there is none."""

    def body(self, size: int) -> bytes:
        """So many bytes, and no more."""

    def end(self) -> Ending:
        """All the rest."""

    @property
    def has_more(self) -> bool:
        """Whether anything has come that was not read."""

    def go_on(self) -> None:
        """Ask for something else on the same connection, if that is possible."""

    def close(self) -> None:
        """Leave."""


class Callers:
    """All clients of one chain."""

    def __init__(self, chain: Chain, threads: ThreadPoolExecutor, sdk: Any) -> None:
        self.chain = chain
        self.threads = threads
        self.sdk = sdk


class Path(NamedTuple):
    """A way from a handler to its caller."""

    name: str
    is_incremental: bool
    """What the handler has written is at the caller before it may go on."""
    ask: Callable[[Callers, Ask], Conversation]


@contextmanager
def serving_shapes(directory: Directory, source: str) -> Iterator[Callers]:
    """Serve one source of handlers on every path."""
    managed = json.dumps([sys.executable, "-m", "awslambdaric", "app.handler"])
    configuration = CONFIGURATION.replace("@MANAGED@", managed)
    files = {"gate.py": SOURCE, "app.py": source, "tailrace.toml": configuration}
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")
    with serving(directory / "tailrace.toml") as chain:
        chain.failures_expected = True  # the kit looks at each shape's own part of the log
        with ThreadPoolExecutor(2) as threads, closing(sdk_of(chain)) as sdk:
            yield Callers(chain, threads, sdk)


def sdk_of(chain: Chain) -> Any:
    """AWS's own client of the emulator."""
    return boto3.client(
        "lambda",
        endpoint_url=chain.emulator_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=WAIT_S),
    )


# --- over HTTP -------------------------------------------------------------------------------


class HttpConversation(HttpReader):
    """A raw client's, which may go on with another request."""

    def __init__(self, url: str, target: str, what: Ask) -> None:
        super().__init__(url)
        self._target = target
        self._send(what)

    def _send(self, what: Ask) -> None:
        method, headers, body = what.request
        self._client.ask(f"{self._target}?{what.query}", method, headers, body)

    def head(self) -> HeadSeen | None:
        head = self._client.head()
        return HeadSeen.of(head.status, head.headers)

    def go_on(self) -> None:
        assert not self.has_more
        self._send(Ask("returns_text", Request(), 0))
        answer = self._client.answer()
        assert (answer.status, answer.body) == (200, "wörter".encode())


def ask_gateway(route: str) -> Callable[[Callers, Ask], Conversation]:
    """Through a route of the gateway."""

    def ask(callers: Callers, what: Ask) -> Conversation:
        return HttpConversation(callers.chain.url, f"/{route}/x", what)

    return ask


def ask_url(function: str) -> Callable[[Callers, Ask], Conversation]:
    """Through a Function URL."""

    def ask(callers: Callers, what: Ask) -> Conversation:
        return HttpConversation(callers.chain.function_url(function), "/x", what)

    return ask


# --- with AWS's SDK --------------------------------------------------------------------------


def http_event(what: Ask) -> bytes:
    """The event that a Function URL would make, as far as the handlers look at it."""
    method, fields, body = what.request
    headers: dict[str, str] = {}
    for name, value in fields:
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    event = {
        "version": "2.0",
        "rawPath": "/x",
        "rawQueryString": what.query,
        "headers": headers,
        "cookies": headers.get("cookie", "").split("; "),
        "requestContext": {"http": {"method": method, "path": "/x", "protocol": "HTTP/1.1"}},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
    return json.dumps(event).encode()


class StreamConversation(EventStreamReader):
    """An event stream, whose last event has the invocation's error."""

    def head(self) -> HeadSeen | None:
        said = self.prelude()
        if said is None:
            return None
        return HeadSeen.of(
            said["statusCode"], said.get("headers", {}).items(), said.get("cookies", ())
        )

    def end(self) -> Ending:
        rest = self.rest()
        if self.complete is None:
            return Ending(rest, BROKEN)
        if "ErrorCode" not in self.complete:
            return Ending(rest, COMPLETE)
        details = json.loads(self.complete["ErrorDetails"])
        return Ending(rest, COMPLETE, details["errorType"])

    def go_on(self) -> None:
        """The SDK has connections of its own."""


def invoke_stream(callers: Callers, what: Ask) -> Conversation:
    """boto3's InvokeWithResponseStream."""
    call = callers.sdk.invoke_with_response_stream
    calling = callers.threads.submit(call, FunctionName="stream", Payload=http_event(what))
    return StreamConversation(calling)


class ResultConversation:
    """A result of format 2.0, all at once; it is understood as Function URLs understand it."""

    def __init__(self, calling: Future[Any]) -> None:
        self._calling = calling
        self._body: bytes | None = None
        self._error: str | None = None

    def head(self) -> HeadSeen | None:
        answer = self._calling.result(WAIT_S)
        with closing(answer["Payload"]) as payload:
            self._body = payload.read()
        if "FunctionError" in answer:
            self._error, self._body = json.loads(self._body)["errorType"], b""
            return None
        try:
            result = json.loads(self._body)
        except ValueError:
            return None
        if not isinstance(result, dict) or "statusCode" not in result:
            text = result if isinstance(result, str) else _json(result)
            self._body = text.encode()
            return HeadSeen.of(200, [("content-type", "application/json")])
        body = result["body"]
        is_base64 = result.get("isBase64Encoded")
        self._body = base64.b64decode(body) if is_base64 else body.encode()
        return HeadSeen.of(
            result["statusCode"], result.get("headers", {}).items(), result.get("cookies", ())
        )

    def body(self, size: int) -> bytes:
        assert self._body is not None
        data, self._body = self._body[:size], self._body[size:]
        return data

    def end(self) -> Ending:
        assert self._body is not None
        rest, self._body = self._body, b""
        return Ending(rest, COMPLETE, self._error)

    @property
    def has_more(self) -> bool:
        return bool(self._body)

    def go_on(self) -> None:
        """The SDK has connections of its own."""

    def close(self) -> None:
        self._calling.result(WAIT_S)


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def invoke(callers: Callers, what: Ask) -> Conversation:
    """boto3's Invoke."""
    call = callers.sdk.invoke
    calling = callers.threads.submit(call, FunctionName="buffer", Payload=http_event(what))
    return ResultConversation(calling)


CALLBACK: Final = "callback"
URL_STREAM: Final = "url-stream"
INVOKE_STREAM: Final = "invoke-stream"
GATEWAY_STREAM: Final = "gateway-stream"
URL_BUFFERED: Final = "url-buffered"
INVOKE: Final = "invoke"
MANAGED_CALLBACK: Final = "managed-callback"
MANAGED_URL: Final = "managed-url"

PATHS: Final = (
    Path(CALLBACK, True, ask_gateway("callback")),
    Path(URL_STREAM, True, ask_url("stream")),
    Path(INVOKE_STREAM, True, invoke_stream),
    Path(GATEWAY_STREAM, True, ask_gateway("gateway-stream")),
    Path(URL_BUFFERED, False, ask_url("buffer")),
    Path(INVOKE, False, invoke),
    Path(MANAGED_CALLBACK, True, ask_gateway("managed")),
    Path(MANAGED_URL, False, ask_url("managed")),
)
