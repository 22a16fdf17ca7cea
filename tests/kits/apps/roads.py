"""The roads that a request may take to an app and its response back, and how each is read.

A response is read step by step, so that a test can state what has come before the app may go on.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from tests.e2e.chain import Chain
from tests.e2e.gate import WAIT_S
from tests.fakes import Response
from tests.kits.apps.events import CLIENT, STAGE, WRITERS, AppRequest
from tests.kits.readers import EventStreamReader, HttpReader
from tests.kits.seen import BROKEN, COMPLETE, Ending

LOCAL: Final = "127.0.0.1"


class Reading(Protocol):
    """A response on its way to its client."""

    def head(self) -> Response:
        """Its status and header fields; each Set-Cookie is one."""

    def body(self, size: int) -> bytes:
        """So many bytes, and no more."""

    def end(self) -> Ending:
        """All the rest."""

    @property
    def has_more(self) -> bool:
        """Whether anything has come that was not read."""

    def close(self) -> None:
        """Leave."""


class Served(NamedTuple):
    """Where an app is reached: the functions of a chain, and another server."""

    chain: Chain
    threads: ThreadPoolExecutor
    sdk: Any
    server_url: str
    """Of the app under another server; empty if that was not started."""
    server_log: Path


class Road(NamedTuple):
    """A way from a client to an app and back."""

    name: str
    ask: Callable[[Served, AppRequest], Reading]
    is_incremental: bool = True
    """What the app has sent is at the client before the app may go on."""
    works_on: bool = True
    """The client has its end before the app's background task has run."""
    client: str = LOCAL
    """The client's address, as the app sees it."""
    base: str = "http://example.test"
    """Where the app is mounted, as it sees that."""
    keeps_length: bool = True
    """The app's own content-length gets to the client; Function URLs rename it."""
    keeps_repeats: bool = True
    """Every value of a repeated header or query field gets to the app."""


# --- over HTTP -----------------------------------------------------------------------------------


class HttpReading(HttpReader):
    """A raw client's, of one request."""

    def __init__(self, url: str, request: AppRequest) -> None:
        super().__init__(url)
        self._client.ask(request.target, request.method, request.headers, request.body)

    def head(self) -> Response:
        head = self._client.head()
        # Django sends a space more in front of a cookie; HTTP has any number of them there.
        return Response(head.status, [(name, value.strip()) for name, value in head.headers])


def by_gateway(host: str) -> Callable[[Served, AppRequest], Reading]:
    """Through the gateway, on the route of a host."""

    def ask(served: Served, request: AppRequest) -> Reading:
        fields = (("host", host), *request.headers)
        return HttpReading(served.chain.url, request._replace(headers=fields))

    return ask


def by_url(function: str) -> Callable[[Served, AppRequest], Reading]:
    """Through a Function URL."""

    def ask(served: Served, request: AppRequest) -> Reading:
        return HttpReading(served.chain.function_url(function), request)

    return ask


def by_server(served: Served, request: AppRequest) -> Reading:
    """To uvicorn or another server, and no function."""
    return HttpReading(served.server_url, request)


# --- with AWS's SDK ------------------------------------------------------------------------------


class StreamReading(EventStreamReader):
    """An event stream, whose prelude has the form of the event's front end."""

    def head(self) -> Response:
        said = self.prelude()
        assert said is not None, f"no prelude: {self._unread!r} {self.complete}"
        return head_of(said, EVERY_FORM)

    def end(self) -> Ending:
        rest = self.rest()
        assert self.complete is not None, "the stream has no end"
        return Ending(rest, BROKEN if "ErrorCode" in self.complete else COMPLETE)


class ResultReading:
    """A result, all at once, in the form of the event's front end."""

    def __init__(self, calling: Future[Any], forms: frozenset[str], *, is_head: bool) -> None:
        self._calling = calling
        self._forms = forms
        self._is_head = is_head
        self._rest = Ending(b"", COMPLETE)

    def head(self) -> Response:
        answer = self._calling.result(WAIT_S)
        with closing(answer["Payload"]) as payload:
            result = json.loads(payload.read())
        if "FunctionError" in answer:
            self._rest = Ending(b"", BROKEN)
            return Response(502, [])  # every front end's answer to a failed invocation
        body = result.get("body") or ""
        data = base64.b64decode(body) if result.get("isBase64Encoded") else body.encode()
        # The front end leaves the body of a response to HEAD out.
        self._rest = Ending(b"" if self._is_head else data, COMPLETE)
        return head_of(result, self._forms)

    def body(self, size: int) -> bytes:
        rest = self._rest.rest
        self._rest = self._rest._replace(rest=rest[size:])
        return rest[:size]

    def end(self) -> Ending:
        return self._rest

    @property
    def has_more(self) -> bool:
        return bool(self._rest.rest)

    def close(self) -> None:
        self._calling.result(WAIT_S)


EVERY_FORM: Final = frozenset({"headers", "multiValueHeaders", "cookies"})
FORMS: Final = {
    "http-api-2": frozenset({"headers", "cookies"}),
    "http-api-1": frozenset({"headers", "multiValueHeaders"}),
    "rest": frozenset({"headers", "multiValueHeaders"}),
    "alb": frozenset({"headers"}),
    "alb-multi": frozenset({"multiValueHeaders"}),
}
"""The keys of a result that each front end reads header fields from."""


def head_of(said: dict[str, Any], forms: frozenset[str]) -> Response:
    """The head in a result or a prelude, as a front end reads it that knows these keys."""
    given = {form: said[form] for form in forms if said.get(form)}
    lists = {
        name.lower(): [str(v) for v in values]
        for name, values in given.get("multiValueHeaders", {}).items()
    }
    fields = [(name, value) for name, values in lists.items() for value in values]
    for name, value in given.get("headers", {}).items():
        if name.lower() not in lists:
            fields.append((name.lower(), str(value)))
    fields += [("set-cookie", cookie) for cookie in given.get("cookies", ())]
    return Response(said["statusCode"], fields)


def by_stream(shape: str) -> Callable[[Served, AppRequest], Reading]:
    """By InvokeWithResponseStream, with an event of a shape."""

    def ask(served: Served, request: AppRequest) -> Reading:
        event = json.dumps(WRITERS[shape](request))
        call = served.sdk.invoke_with_response_stream
        return StreamReading(served.threads.submit(call, FunctionName="stream", Payload=event))

    return ask


def by_result(shape: str) -> Callable[[Served, AppRequest], Reading]:
    """By Invoke, with an event of a shape."""

    def ask(served: Served, request: AppRequest) -> Reading:
        event = json.dumps(WRITERS[shape](request))
        calling = served.threads.submit(served.sdk.invoke, FunctionName="buffer", Payload=event)
        return ResultReading(calling, FORMS[shape], is_head=request.method == "HEAD")

    return ask


AWS: Final = {"client": CLIENT, "base": "https://api.test"}
AT_STAGE: Final = {"client": CLIENT, "base": f"https://api.test{STAGE}"}
WHOLE: Final = {"is_incremental": False, "works_on": False}

CALLBACK: Final = Road("callback", by_gateway("example.test"))
MANAGED: Final = Road(
    "managed-callback", by_gateway("managed.localhost"), base="http://managed.localhost"
)
URL_STREAM: Final = Road("url-stream", by_url("stream"), keeps_length=False)
SERVER: Final = Road("server", by_server)
STREAMED: Final = (CALLBACK, URL_STREAM)
ROADS: Final = (
    *STREAMED,
    MANAGED,
    Road("gateway-stream", by_gateway("stream.localhost"), base="http://stream.localhost"),
    Road("url-buffered", by_url("buffer"), keeps_length=False, **WHOLE),
    Road("stream-http-api-2", by_stream("http-api-2"), **AWS),
    Road("stream-rest", by_stream("rest"), **AT_STAGE),
    Road("result-http-api-2", by_result("http-api-2"), **WHOLE, **AWS),
    Road("result-http-api-1", by_result("http-api-1"), **WHOLE, **AWS),
    Road("result-rest", by_result("rest"), **WHOLE, **AT_STAGE),
    Road("result-alb", by_result("alb"), keeps_repeats=False, **WHOLE, **AWS),
    Road("result-alb-multi", by_result("alb-multi"), **WHOLE, **AWS),
    SERVER,
)
