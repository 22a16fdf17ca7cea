"""What users write, as mypy --strict must accept it. Nothing here is run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any, assert_type
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask

from tailrace.function import (
    FLUSH,
    Chunk,
    ClientDisconnected,
    Context,
    Flush,
    FlushCounts,
    FlushError,
    FlushPolicy,
    FormFields,
    FormFile,
    Head,
    Headers,
    HttpResponseStream,
    Request,
    ResponseStream,
    StreamifiedHandler,
    streamify_response,
    wsgi,
)
from tailrace.function import Event as HttpEvent
from tailrace.runtime.context import LambdaContext

Event = dict[str, Any]


@streamify_response
def lines(event: Event, context: object) -> Iterator[str]:
    """A generator of text."""
    for number in range(10):
        yield f"line {number}\n"


@streamify_response
def page(event: Event, context: object) -> Iterator[Head | Chunk]:
    """A generator that says its head."""
    yield Head(200, {"content-type": "text/html"}, cookies=["a=1; HttpOnly"])
    yield "<!doctype html>"
    yield b"<p>"
    yield bytearray(b"</p>")
    yield memoryview(b"!")


@streamify_response(on_error="raise")
async def tokens(event: Event, context: object) -> AsyncIterator[str | Head]:
    """An async generator."""
    yield Head(headers=[("content-type", "text/event-stream"), ("vary", "accept")])
    yield "data: x\n\n"


@streamify_response
async def work(event: Event, response: ResponseStream, context: object) -> None:
    """A writer."""
    response.set_head(Head(202))
    await response.flush()
    try:
        await response.write("x")
    except ClientDisconnected:
        return
    await response.write(b"y")
    await response.end()


@streamify_response
async def from_node(event: Event, response: ResponseStream, context: object) -> None:
    """A handler that was written for Node.js."""
    response = HttpResponseStream.from_(response, {"statusCode": 201, "cookies": ["a=1"]})
    response.set_content_type("text/plain")
    await response.write("x")
    await response.flush()


@streamify_response(flush="adaptive")
def flushed(event: Event, context: object) -> Iterator[Head | Chunk | Flush]:
    """A generator that flushes."""
    yield Head(200, {"content-type": "text/html"})
    yield "<p>"
    yield FLUSH


@streamify_response(flush=FlushPolicy("every-write", pad_bytes=20_000), on_error="raise")
async def flushing(event: Event, response: ResponseStream, context: object) -> None:
    """A writer that flushes."""
    response.set_flush_policy(FlushPolicy(quiet_s=1, pads_text=True))
    response.set_flush_policy("explicit")
    try:
        await response.flush()
    except FlushError:
        pass
    assert_type(response.flush_counts, FlushCounts)
    assert_type(response.flush_counts.padded_bytes, int)


@streamify_response
def typed(event: HttpEvent, context: Context) -> Iterator[str]:
    """A generator whose arguments have types."""
    assert_type(event["rawPath"], str)
    assert_type(event["requestContext"]["http"]["method"], str)
    assert_type(event.get("cookies"), list[str] | None)
    assert_type(context.get_remaining_time_in_millis(), int)
    yield context.aws_request_id


def run(context: LambdaContext, event: HttpEvent) -> None:
    """Our runtime's context is one."""
    _: Context = context
    request = Request(event)
    assert_type(request.headers, Headers)
    assert_type(request.headers["accept"], str)
    assert_type(request.headers.get("accept"), str | None)
    assert_type(request.headers.get_all("accept"), list[str])
    assert_type(request.cookies, dict[str, str])
    assert_type(request.body, bytes)
    assert_type(request.client, str | None)
    assert_type(request.text(), str)
    assert_type(request.form(), FormFields)
    assert_type(request.form()["name"], str)
    assert_type(request.form().files, tuple[FormFile, ...])
    assert_type(request.form().files[0].body, bytes)


@streamify_response()
def plain(event: Event, context: object) -> dict[str, object]:
    """A result."""
    return {"statusCode": 204}


@streamify_response
async def plain_async(event: Event, context: object) -> str:
    """A result, later."""
    return "x"


class Application:
    """Methods are handlers, too."""

    def handle(self, event: Event, context: object) -> Iterator[bytes]:
        """A method."""
        yield b"x"


method = streamify_response(Application().handle, on_error="log")

handlers: list[StreamifiedHandler[Any]] = [
    lines,
    page,
    tokens,
    work,
    from_node,
    flushed,
    flushing,
    typed,
    plain,
    plain_async,
    method,
]
function: Callable[[Any, Any], Any] = work
result: dict[str, Any] = lines({"requestContext": {"http": {"method": "GET"}}}, None)
alone: str = lines({})
for chunk in lines.__wrapped__({}, None):
    assert_type(chunk, str)
name: str = lines.__name__


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A WSGI app as the standard library types it."""
    write = start_response("200 OK", [("content-type", "text/plain")])
    write(b"x")
    return [b"y"]


assert_type(wsgi(application), StreamifiedHandler[Any])
mounted: StreamifiedHandler[Any] = wsgi(Flask("app"), root_path="/v1", flush="adaptive")


def misread(event: HttpEvent) -> None:
    """An event has no such key."""
    event["path"]  # type: ignore[typeddict-item]


@streamify_response  # type: ignore[type-var]  # one parameter is too few
def too_few(event: Event) -> Iterator[str]:
    """Not a handler."""
    yield "x"


@streamify_response  # type: ignore[type-var]  # a writer is async
def not_async(event: Event, response: ResponseStream, context: object) -> None:
    """Not a handler."""


@streamify_response(on_error="ignore")  # type: ignore[call-overload,untyped-decorator]
def unknown_option(event: Event, context: object) -> Iterator[str]:
    """Not an option."""
    yield "x"


@streamify_response(flush="often")  # type: ignore[call-overload,untyped-decorator]
def unknown_policy(event: Event, context: object) -> Iterator[str]:
    """Not a policy."""
    yield "x"
