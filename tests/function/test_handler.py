"""The decorator: what it keeps, what it takes, what it refuses; and results without a callback."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tailrace.errors import HeadError
from tailrace.function import Head, ResponseStream, ResponseTooLargeError, streamify_response
from tailrace.limits import BUFFERED_RESPONSE_BYTES_MAX

HTTP = {"requestContext": {"http": {"method": "GET"}}}


def generate(event: Any, context: Any) -> Iterator[str]:
    """Makes two chunks."""
    yield "a"
    yield "b"


async def generate_async(event: Any, context: Any) -> AsyncIterator[str]:
    yield "a"
    await asyncio.sleep(0)
    yield "b"


async def write(event: Any, response: ResponseStream, context: Any) -> None:
    await response.write("a")
    await response.flush()
    await response.write("b")
    await response.end()


async def answer_async(event: Any, context: Any) -> str:
    return "ab"


# --- the decorated object ------------------------------------------------------------------------


def test_name_documentation_and_function_are_kept() -> None:
    handler = streamify_response(generate)

    assert handler.__name__ == "generate"
    assert handler.__doc__ == "Makes two chunks."
    assert handler.__module__ == __name__
    assert handler.__wrapped__ is generate


def test_arguments_of_the_decorator_are_optional() -> None:
    for decorate in (
        streamify_response,
        streamify_response(),
        streamify_response(on_error="log"),
        functools.partial(streamify_response, on_error="raise"),
    ):
        assert decorate(generate)({}, None) == "ab"
        assert decorate(generate)({}) == "ab"


@pytest.mark.parametrize("function", [generate, generate_async, write, answer_async])
def test_a_handler_is_a_function_of_event_and_context(function: Any) -> None:
    assert streamify_response(function)({}, None) == "ab"


class Application:
    def handle(self, event: Any, context: Any) -> Iterator[str]:
        yield "ab"

    async def stream(self, event: Any, response: ResponseStream, context: Any) -> None:
        await response.write("ab")

    async def __call__(self, event: Any, response: ResponseStream, context: Any) -> None:
        await response.write("ab")


def traced(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        return function(*arguments, **options)

    return call


async def write_for(tenant: str, event: Any, response: ResponseStream, context: Any) -> None:
    await response.write(tenant)


async def write_with_default(
    event: Any, response: ResponseStream, context: Any, more: str = "ab"
) -> None:
    await response.write(more)


@pytest.mark.parametrize(
    "function",
    [
        Application().handle,
        Application().stream,
        Application(),
        traced(generate),
        traced(write),
        traced(Application().stream),
        functools.partial(write_for, "ab"),
        write_with_default,
        lambda event, context, more="ab": more,
        lambda *arguments: "ab",
    ],
)
def test_methods_objects_partials_and_wrapped_functions_are_handlers(function: Any) -> None:
    assert streamify_response(function)({}, None) == "ab"


async def write_without_context(event: Any, response: ResponseStream, context: Any = None) -> None:
    await response.write("ab")


async def write_with_defaults(
    event: Any = None, response: Any = None, _: Any = None, more: str = "ab"
) -> None:
    await response.write(more)


def generate_for(event: Any, context: Any, tenant: str) -> Iterator[str]:
    yield tenant


@pytest.mark.parametrize(
    "function",
    [
        write_without_context,
        traced(write_without_context),
        write_with_defaults,
        functools.partial(generate_for, tenant="ab"),
    ],
)
def test_a_response_is_known_by_its_name_although_a_default_follows(function: Any) -> None:
    assert streamify_response(function)({}, None) == "ab"


async def write_by_keyword(event: Any, response: Any, *, context: Any = None) -> None: ...


@pytest.mark.parametrize(
    ("function", "shown"),
    [
        (lambda: None, "()"),
        (lambda event: None, "(event)"),
        (lambda event, response: None, "(event, response)"),
        (write_by_keyword, "(event, response)"),
        (lambda event, response, context, more: None, "(event, response, context, more)"),
    ],
)
def test_a_signature_that_is_neither_form_is_refused_when_it_is_declared(
    function: Any, shown: str
) -> None:
    message = f"takes (event, context) or (event, response, context), not {shown}"
    with pytest.raises(TypeError, match=re.escape(message)):
        streamify_response(function)


def test_a_builtin_is_called_with_event_and_context() -> None:
    assert streamify_response(max)([1], [2]) == [2]


def test_what_cannot_be_a_handler_is_refused_when_it_is_declared() -> None:
    with pytest.raises(TypeError, match="must be an async def function"):
        streamify_response(lambda event, response, context: None)  # type: ignore[type-var]
    with pytest.raises(TypeError, match="a handler is a function, not int"):
        streamify_response(3)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r'on_error is "log" or "raise", not .ignore.'):
        streamify_response(generate, on_error="ignore")  # type: ignore[call-overload]


# --- without a callback: the result --------------------------------------------------------------


def test_an_http_event_gets_a_result_of_format_2() -> None:
    @streamify_response
    def handler(event: Any, context: Any) -> Iterator[Head | str]:
        yield Head(201, [("a", "1"), ("A", "2")], ["c=1", "d=2"])
        yield "zw"
        yield "ölf"

    assert handler(HTTP, None) == {
        "statusCode": 201,
        "headers": {"a": "1, 2"},
        "cookies": ["c=1", "d=2"],
        "body": "zwölf",
        "isBase64Encoded": False,
    }


def test_binary_bodies_are_base64_in_a_result() -> None:
    result = streamify_response(lambda event, context: iter([b"\xff\xfe"]))(HTTP, None)

    assert result["body"] == "//4="
    assert result["isBase64Encoded"] is True
    assert result["headers"] == {"content-type": "application/octet-stream"}


@pytest.mark.parametrize(
    ("chunks", "result"),
    [
        (["a", "", "ä"], "aä"),
        ([b"a", b"\xff"], b"a\xff"),
        (["ä", b"\xff"], b"\xc3\xa4\xff"),
        ([b"", "a"], "a"),
        ([], ""),
        ([Head(404), "a"], "a"),
    ],
)
def test_any_other_event_gets_the_body_alone(chunks: list[Any], result: object) -> None:
    assert streamify_response(lambda event, context: iter(chunks))({}, None) == result


@pytest.mark.parametrize("event", [HTTP, {}])
@pytest.mark.parametrize("result", [None, {"statusCode": "418"}, {"a": [1]}, "x", [1], object()])
def test_a_plain_result_is_returned_untouched(event: Any, result: object) -> None:
    assert streamify_response(lambda event, context: result)(event, None) is result


def test_a_plain_result_of_bytes_is_base64_for_an_http_event() -> None:
    """Behind a Function URL it would be a 502; for every other event it stays what it is."""
    handler = streamify_response(lambda event, context: b"\xff\xfe")

    assert handler(HTTP, None) == {
        "statusCode": 200,
        "headers": {"content-type": "application/octet-stream"},
        "body": "//4=",
        "isBase64Encoded": True,
    }
    assert handler({}, None) == b"\xff\xfe"


@pytest.mark.parametrize("event", [None, [], "x", 3, {"requestContext": None}, {"tailrace": 1}])
def test_events_of_any_type_are_served(event: Any) -> None:
    assert streamify_response(generate)(event, None) == "ab"


@pytest.mark.parametrize("status", [204, 304])
def test_bodiless_responses_end_with_their_head(status: int) -> None:
    log: list[str] = []

    @streamify_response
    def handler(event: Any, context: Any) -> Iterator[Head | str]:
        try:
            yield Head(status)
            yield "x"
        except GeneratorExit:
            log.append("closed")

    result = handler(HTTP, None)
    assert (result["statusCode"], result["body"]) == (status, "")
    assert log == ["closed"]


@pytest.mark.parametrize("function", [generate, generate_async, write])
def test_the_result_of_a_head_request_is_that_of_get(function: Any) -> None:
    """Lambda takes the content-length from the body, and drops the body."""
    head_request = {"requestContext": {"http": {"method": "HEAD"}}}

    assert streamify_response(function)(head_request, None)["body"] == "ab"


def test_a_result_over_lambdas_limit_names_the_limit() -> None:
    closed: list[bool] = []

    @streamify_response
    def handler(event: Any, context: Any) -> Iterator[bytes]:
        try:
            while True:
                yield bytes(1_000_000)
        finally:
            closed.append(True)

    with pytest.raises(ResponseTooLargeError, match=str(BUFFERED_RESPONSE_BYTES_MAX)):
        handler({}, None)
    assert closed == [True]


def test_a_result_that_lacks_what_was_over_the_limit_is_none() -> None:
    """Though the handler continues, and ends in good order."""

    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        await response.write("a")
        with contextlib.suppress(ResponseTooLargeError):
            await response.write("b" * BUFFERED_RESPONSE_BYTES_MAX)
        await response.end()

    with pytest.raises(ResponseTooLargeError):
        streamify_response(handler)(HTTP, None)


def test_base64_counts_toward_the_limit() -> None:
    body = b"\xff" * (BUFFERED_RESPONSE_BYTES_MAX * 4 // 5)

    with pytest.raises(ResponseTooLargeError):
        streamify_response(lambda event, context: iter([body]))(HTTP, None)


@pytest.mark.parametrize("on_error", ["log", "raise"])
@pytest.mark.parametrize("is_async", [False, True])
def test_without_a_callback_a_failure_is_the_invocations(on_error: Any, is_async: bool) -> None:
    def fail(event: Any, context: Any) -> Iterator[str]:
        yield "x"
        raise ValueError("boom")

    async def fail_async(event: Any, context: Any) -> AsyncIterator[str]:
        yield "x"
        raise ValueError("boom")

    handler: Any = fail_async if is_async else fail
    with pytest.raises(ValueError, match="boom"):
        streamify_response(handler, on_error=on_error)({}, None)


def test_what_is_no_chunk_is_shown_where_it_was_yielded() -> None:
    @streamify_response
    def handler(event: Any, context: Any) -> Iterator[Any]:
        yield {"a": 1}

    with pytest.raises(TypeError, match=r"not dict: \{'a': 1\}") as caught:
        handler({}, None)
    assert any(entry.frame.code.name == "handler" for entry in caught.traceback)


def test_a_head_that_http_does_not_allow_is_refused_where_it_is_made() -> None:
    @streamify_response
    def handler(event: Any, context: Any) -> Iterator[Head]:
        yield Head(200, {"x": "a\r\nset-cookie: b"})

    with pytest.raises(HeadError, match=r"U\+000D"):
        handler({}, None)


def test_a_writers_wrong_head_or_chunk_is_a_type_error() -> None:
    @streamify_response
    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        with pytest.raises(TypeError, match="a Head is wanted, not int: 404"):
            response.set_head(404)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="not NoneType: None"):
            await response.write(None)  # type: ignore[arg-type]
        await response.write("ok")

    assert handler({}, None) == "ok"


def test_an_unknown_version_without_a_callback_is_returned_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    event = {"tailrace": {"v": "next", "frames": "wss://x"}}

    assert streamify_response(generate)(event, None) == "ab"
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        "the event's tailrace version is 'next', this SDK knows 1: the response is returned"
    )


def test_another_writers_response_cannot_be_written_outside_its_handler() -> None:
    kept: list[ResponseStream] = []

    @streamify_response
    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        kept.append(response)

    handler({}, None)

    with pytest.raises(RuntimeError, match="has ended"):
        asyncio.run(kept[0].write("x"))


# --- the exchange, for log lines -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "exchange_id"),
    [
        (
            {
                "tailrace": {"v": 1, "transport": "response-stream"},
                "requestContext": {"requestId": "8f5b6a0e", "http": {"method": "GET"}},
            },
            "8f5b6a0e",
        ),
        ({"requestContext": {"requestId": "of-lambda", "http": {"method": "GET"}}}, None),
        ({"tailrace": {"v": 1}}, None),
        ({"tailrace": {"v": 1}, "requestContext": {"requestId": 3}}, None),
        (None, None),
    ],
)
def test_the_context_names_the_exchange_of_a_gateways_event(
    event: object, exchange_id: str | None
) -> None:
    seen = []

    @streamify_response
    def handler(event: Any, context: Any) -> str:
        seen.append(context.tailrace_exchange_id)
        return "ok"

    handler(event, SimpleNamespace())

    assert seen == [exchange_id]


class Slotted:
    __slots__ = ()


@dataclasses.dataclass(frozen=True)
class Frozen:
    aws_request_id: str = "1"


@pytest.mark.parametrize("context", [None, Slotted(), Frozen(), object()])
def test_a_context_that_takes_no_attributes_is_left_as_it_is(context: object) -> None:
    event = {"tailrace": {"v": 1}, "requestContext": {"requestId": "8f5b6a0e"}}

    assert streamify_response(lambda event, context: context is None)(event, context) is not None
