"""What the SDK reads from an event, whatever the form of the event."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import (
    LambdaFunctionUrlEvent,
)
from aws_lambda_powertools.utilities.parser.models import LambdaFunctionUrlModel
from pydantic import BaseModel
from tests.event_shapes import EVENTS, Sent
from tests.function.event_forms import FORMS, request_event
from tests.peers import Peer, Running
from tests.runtime_api import RuntimeLoop

from tailrace.function import Head, streamify_response
from tailrace.function import input as input_module
from tailrace.wire import mark as mark_module


class ClosedModel(BaseModel):
    requestContext: dict[str, Any]


@dataclass
class Request:
    event: dict[str, Any]


REFUSED: list[Callable[[dict[str, Any]], Any]] = [
    LambdaFunctionUrlModel.model_validate,
    ClosedModel.model_validate,
    Request,
    lambda event: object(),
]


@streamify_response
def inner(event: Any, context: Any) -> Iterator[Head | str]:
    yield Head(201, {"x-a": "b"}, ["c=1"])
    yield "hello"


def converted(form: Callable[[dict[str, Any]], Any]) -> Callable[[Any, Any], Any]:
    """A handler whose outer decorator converts the event."""
    return lambda event, context: inner(form(event), context)


@pytest.mark.parametrize("form", FORMS)
def test_a_returned_response_keeps_its_head(form: Callable[[dict[str, Any]], Any]) -> None:
    assert converted(form)(request_event(), None) == {
        "statusCode": 201,
        "headers": {"x-a": "b"},
        "cookies": ["c=1"],
        "body": "hello",
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize("form", FORMS)
def test_a_callback_is_found(form: Callable[[dict[str, Any]], Any]) -> None:
    with Peer() as peer:
        call = Running(converted(form), peer.event(), None)
        callback = peer.accept_callback()
        head, body = callback.serve()
        assert (head.status, head.cookies, body) == (201, ("c=1",), b"hello")
        assert call.result() is None


@pytest.mark.parametrize("form", FORMS)
def test_a_native_stream_begins_with_the_head(form: Callable[[dict[str, Any]], Any]) -> None:
    with Peer() as peer, RuntimeLoop(peer, converted(form)) as loop:
        stream = loop.stream(request_event())
        head = stream.read_response_head()
        assert (head.status, head.cookies) == (201, ("c=1",))
        assert stream.read_body()[0] == b"hello"
        stream.accept_response()


@pytest.mark.parametrize("form", FORMS)
def test_a_head_request_is_seen(form: Callable[[dict[str, Any]], Any]) -> None:
    with Peer() as peer, RuntimeLoop(peer, converted(form)) as loop:
        stream = loop.stream(request_event("HEAD"))
        assert stream.read_response_head().status == 201
        assert stream.read_body()[0] == b""
        stream.accept_response()


@pytest.mark.parametrize("form", REFUSED)
def test_an_event_that_cannot_be_read_is_refused_before_the_handler_runs(
    form: Callable[[dict[str, Any]], Any],
) -> None:
    """A lost callback would leave the client waiting for the gateway's deadline."""
    runs: list[Any] = []

    @streamify_response
    def handler(event: Any, context: Any) -> None:
        runs.append(event)

    event = form(request_event(tailrace={"v": 1, "callback": "http://127.0.0.1:9/a/b"}))
    message = f"the event is a {type(event).__qualname__}, which is not a mapping"
    with pytest.raises(TypeError, match=re.escape(message)):
        handler(event, None)
    assert not runs


def test_the_handler_gets_the_event_in_the_form_that_it_was_called_with() -> None:
    seen: list[Any] = []

    @streamify_response
    def handler(event: Any, context: Any) -> None:
        seen.append(event)

    event = LambdaFunctionUrlEvent(request_event())
    handler(event, None)

    assert seen == [event]
    assert seen[0] is event


def test_an_event_that_was_converted_inside_is_handed_on() -> None:
    """The outer handler has read it, so its form does not matter there."""
    context = object()

    @streamify_response
    def outer(event: Mapping[str, Any], context: Any) -> Any:
        return inner(Request(dict(event)), context)

    with Peer() as peer:
        call = Running(outer, peer.event(), context)
        callback = peer.accept_callback()
        head, body = callback.serve()
        assert (head.status, body) == (201, b"hello")
        assert call.result() is None


# --- events that are not read --------------------------------------------------------------------

OTHERS = {
    "API Gateway's WebSocket API": [
        {
            "requestContext": {"routeKey": "$default", "eventType": "MESSAGE", "connectionId": "c"},
            "body": "hello",
            "isBase64Encoded": False,
        }
    ],
    "VPC Lattice": [
        {
            "version": "2.0",
            "path": "/",
            "method": "GET",
            "headers": {"host": ["x"]},
            "requestContext": {"serviceNetworkArn": "arn", "serviceArn": "arn"},
        },
        {"raw_path": "/", "method": "GET", "headers": {}, "query_string_parameters": {}},
    ],
    "CloudFront (Lambda@Edge)": [
        {"Records": [{"cf": {"config": {}, "request": {"method": "GET", "uri": "/"}}}]}
    ],
}
OTHER_EVENTS = [(name, event) for name, events in OTHERS.items() for event in events]


@pytest.fixture
def fresh_environment() -> None:
    input_module._warn_once.cache_clear()


@pytest.mark.usefixtures("fresh_environment")
@pytest.mark.parametrize(("front_end", "event"), OTHER_EVENTS)
def test_a_head_that_is_lost_is_one_warning(
    caplog: pytest.LogCaptureFixture, front_end: str, event: dict[str, Any]
) -> None:
    for _ in range(2):
        assert inner(event, None) == "hello"

    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith(f"the event is one of {front_end}, whose form")
    assert "status, headers and cookies are lost" in record.getMessage()


@pytest.mark.usefixtures("fresh_environment")
@pytest.mark.parametrize(("front_end", "event"), OTHER_EVENTS)
def test_a_native_stream_warns_of_a_lost_head(
    caplog: pytest.LogCaptureFixture, front_end: str, event: dict[str, Any]
) -> None:
    with Peer() as peer, RuntimeLoop(peer, inner) as loop:
        for _ in range(2):
            stream = loop.stream(event)
            assert stream.read_body()[0] == b"hello"
            stream.accept_response()

    (record,) = caplog.records
    assert record.getMessage().startswith(f"the event is one of {front_end}, whose form")


@pytest.mark.usefixtures("fresh_environment")
@pytest.mark.parametrize(("front_end", "event"), OTHER_EVENTS)
def test_a_result_in_the_form_of_the_front_end_goes_as_it_is(
    caplog: pytest.LogCaptureFixture, front_end: str, event: dict[str, Any]
) -> None:
    result = {"statusCode": 201, "multiValueHeaders": {"x-a": ["1", "2"]}, "body": "hello"}
    handler = streamify_response(lambda event, context: result)

    assert handler(event, None) is result
    with Peer() as peer, RuntimeLoop(peer, handler) as loop:
        loop.give(event)
        peer.socket.accept()[0].close()  # opened before it was known that nothing is streamed
        assert json.loads(loop.report()[2]) == result
    assert not caplog.records


@pytest.mark.usefixtures("fresh_environment")
@pytest.mark.parametrize(
    "event",
    [
        {},
        None,
        [],
        {"Records": []},
        {"Records": [{"eventSource": "aws:sqs", "body": "x"}]},
        {"Records": [None]},
        {"detail-type": "Scheduled Event", "detail": {}},
        {"method": "GET", "path": "/"},
        request_event(),
        request_event("HEAD"),
        # An HTTP API with payload format 2.0.
        request_event(routeKey="GET /", stageVariables={"a": "b"}),
        *(write(Sent()) for write in EVENTS.values()),
    ],
)
def test_any_other_event_is_no_warning(caplog: pytest.LogCaptureFixture, event: Any) -> None:
    inner(event, None)

    assert not caplog.records


# --- the gateway's mark --------------------------------------------------------------------------


def test_an_event_for_a_callback_has_its_url_and_its_exchange() -> None:
    incoming = input_module.Input(
        request_event(**mark_module.keys_for_callback("http://g/x/y", "/", "x"))
    )

    assert incoming.callback == "http://g/x/y"
    assert incoming.exchange_id == "8f5b6a0e-5d0e-4f1c-9a53-0e3a2b6f1c11"
    assert (incoming.wants_stream, incoming.wants_frames) == (False, False)


def test_an_event_for_a_stream_asks_for_frames() -> None:
    keys = mark_module.keys_for_stream()
    incoming = input_module.Input(request_event(**keys))

    assert (incoming.callback, incoming.wants_stream, incoming.wants_frames) == (None, True, True)
    assert not input_module.Input(keys).wants_frames, "no prelude could announce them"


def test_an_event_that_no_gateway_has_sent_has_no_exchange() -> None:
    incoming = input_module.Input(request_event())

    assert (incoming.mark, incoming.callback, incoming.exchange_id) == (None, None, None)
    assert (incoming.wants_stream, incoming.wants_frames) == (False, False)


def test_an_unknown_version_is_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    incoming = input_module.Input({"tailrace": {"v": 9, "callback": "http://g/x/y"}})

    assert (incoming.callback, incoming.callback) == ("http://g/x/y", "http://g/x/y")

    (record,) = caplog.records
    assert "version is 9, this SDK knows 1: its callback is taken" in record.getMessage()
