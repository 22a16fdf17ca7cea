"""How the shape of an event is recognized, and that a request comes back from each."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.event_shapes import DOCUMENTED, EVENTS, Sent, grouped, pairs, raw_pairs

from tailrace.wire.events import EventCodec, EventReader, alb, function_url, http_api, rest
from tailrace.wire.events.fields import context_of
from tailrace.wire.events.shapes import SHAPES, find_shape

CODECS: dict[str, EventCodec] = {
    "function-url": function_url.FUNCTION_URL,
    "http-api-2": http_api.HTTP_API,
    "http-api-1": http_api.HTTP_API_1,
    "rest": rest.REST,
    "alb": alb.ALB,
    "alb-multi-value": alb.ALB_MULTI_VALUE,
}


def codec_of(fields: dict[str, Any]) -> EventCodec | None:
    shape = find_shape(fields, context_of(fields))
    return None if shape is None else shape.codec


def reader_of(fields: dict[str, Any]) -> EventReader:
    codec = codec_of(fields)
    assert codec is not None
    return codec.reader(fields, context_of(fields))


@pytest.mark.parametrize("name", CODECS)
def test_the_examples_of_the_guides_are_recognized(name: str) -> None:
    assert codec_of(DOCUMENTED[name]) is CODECS[name]


@pytest.mark.parametrize("name", CODECS)
def test_what_is_written_here_is_recognized(name: str) -> None:
    assert codec_of(EVENTS[name](Sent())) is CODECS[name]


@pytest.mark.parametrize(
    ("front_end", "fields"),
    [
        ("a Function URL", {"requestContext": {"http": {}, "elb": {}}, "httpMethod": "GET"}),
        ("an Application Load Balancer", {"requestContext": {"elb": {}}, "httpMethod": "GET"}),
        (
            "an Application Load Balancer",  # nulls, as some programs add them
            {"requestContext": {"elb": {}}, "headers": {}, "multiValueHeaders": None},
        ),
        ("API Gateway's WebSocket API", {"requestContext": {"connectionId": "c"}}),
        ("API Gateway's REST API", {"requestContext": {"requestId": "r"}, "httpMethod": "GET"}),
        ("VPC Lattice", {"raw_path": "/", "method": "GET"}),
        ("VPC Lattice", {"requestContext": {"serviceNetworkArn": "arn"}, "version": "2.0"}),
        ("CloudFront (Lambda@Edge)", {"Records": [{"cf": {}}]}),
        (None, {}),
        (None, {"raw_path": "/"}),
        (None, {"requestContext": []}),
        (None, {"Records": []}),
        (None, {"Records": ["cf"]}),
        (None, {"Records": [{"s3": {}}]}),
    ],
)
def test_the_shape_of_an_event_is_found(front_end: str | None, fields: dict[str, Any]) -> None:
    shape = find_shape(fields, context_of(fields))

    assert (None if shape is None else shape.front_end) == front_end


def test_front_ends_have_names_of_their_own() -> None:
    names = [shape.front_end for shape in SHAPES]

    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    (("changes", "codec")),
    [
        ({"routeKey": "GET /my/path"}, http_api.HTTP_API),
        ({"domainName": "api.example.com"}, function_url.FUNCTION_URL),  # cannot be told apart
        ({"domainName": "api.example.com", "stage": "dev"}, http_api.HTTP_API),
        ({"domainName": "localhost"}, function_url.FUNCTION_URL),
    ],
)
def test_an_http_api_is_told_from_a_function_url(
    changes: dict[str, str], codec: EventCodec
) -> None:
    event = DOCUMENTED["http-api-2"]
    context = event["requestContext"] | changes
    fields = event | {"requestContext": context, "routeKey": context["routeKey"]}

    assert codec_of(fields) is codec


@pytest.mark.parametrize("value", [None, "", 1, False, [], ["GET /"], {}])
@pytest.mark.parametrize("name", ["routeKey", "stage"])
def test_a_name_that_is_no_text_makes_no_http_api(name: str, value: object) -> None:
    """An event that was written by hand or rebuilt streams as that of a Function URL does."""
    context = {"http": {}} | ({"stage": value} if name == "stage" else {})

    assert codec_of({"requestContext": context, "routeKey": value}) is function_url.FUNCTION_URL


def test_an_event_of_the_gateway_is_a_function_urls_whatever_its_host() -> None:
    fields = DOCUMENTED["http-api-2"] | {"tailrace": {"v": 1}}

    assert codec_of(fields) is function_url.FUNCTION_URL


# --- requests come back --------------------------------------------------------------------------

SEGMENTS = st.text(max_size=8).map(lambda text: quote(text, safe="!$&'()*+,;=:@"))
NAMES = st.sampled_from(["a", "b", "c d", "é=&", "x+y"]).map(lambda text: quote(text, safe=""))
QUERIES = st.lists(
    st.tuples(NAMES, SEGMENTS.map(lambda text: text.replace("&", "%26"))), max_size=4
)
VALUES = st.text("abc ,;=é", min_size=1, max_size=6).map(str.strip)
HEADERS = st.lists(st.tuples(st.sampled_from(["x-a", "x-b", "cookie"]), VALUES), max_size=5)
SENT = st.builds(
    Sent,
    method=st.sampled_from(["GET", "HEAD", "POST", "PATCH"]),
    path=st.lists(SEGMENTS, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts)),
    query=QUERIES.map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)),
    headers=HEADERS.map(tuple),
    body=st.binary(max_size=20),
)


@pytest.mark.parametrize("name", CODECS)
@given(sent=SENT)
@settings(max_examples=60, deadline=None)
def test_a_request_comes_back_from_its_event(name: str, sent: Sent) -> None:
    """All but what the shape itself loses: see `lost`."""
    read = reader_of(json.loads(json.dumps(EVENTS[name](sent))))

    assert (read.method, read.body) == (sent.method, sent.body)
    assert read.raw_path.startswith(read.root_path)
    lost = LOSSES[name]
    own_path = read.raw_path.removeprefix(read.root_path)
    assert lost.path(own_path) == lost.path(sent.path)
    assert lost.query(read.query) == lost.query(sent.query)
    sent_cookies = [value for name, value in sent.headers if name == "cookie"]
    kept = lost.headers([field for field in sent.headers if field[0] != "cookie"])
    fields = [field for field in read.header_pairs if field[0] in ("x-a", "x-b")]
    assert lost.headers(fields) == kept
    cookies = [value for name, value in read.header_pairs if name == "cookie"]
    assert cookies == lost.cookies(sent_cookies)


class Loss:
    """What one shape does not keep: a view of a request in which the lost parts look the same."""

    def path(self, path: str) -> str:
        return path

    def query(self, query: str) -> object:
        return query

    def headers(self, fields: list[tuple[str, str]]) -> object:
        """Repeated fields are one, joined with commas."""
        return {name: ",".join(values) for name, values in grouped(fields).items()}

    def cookies(self, cookies: list[str]) -> list[str]:
        """White space and empty cookies may go."""
        return ["; ".join(cookies)] if cookies else []


class DecodedPath(Loss):
    """An HTTP API decodes the path."""

    def path(self, path: str) -> str:
        return unquote(path)

    def cookies(self, cookies: list[str]) -> list[str]:
        pieces = [piece.strip() for cookie in cookies for piece in cookie.split(";")]
        kept = [piece for piece in pieces if piece]
        return ["; ".join(kept)] if kept else []


class Order(Loss):
    """Parameters and fields of one name stand together; parameters are decoded."""

    def query(self, query: str) -> object:
        return grouped(pairs(query))

    def headers(self, fields: list[tuple[str, str]]) -> object:
        return grouped(fields)


class OrderAndPath(Order):
    def path(self, path: str) -> str:
        return unquote(path)


class OrderAlone(Order):
    """Parameters are as sent."""

    def query(self, query: str) -> object:
        return grouped(raw_pairs(query))


class Repeats(Loss):
    """The last value of a name is the only one."""

    def query(self, query: str) -> object:
        return dict(raw_pairs(query))

    def headers(self, fields: list[tuple[str, str]]) -> object:
        return dict(fields)

    def cookies(self, cookies: list[str]) -> list[str]:
        return cookies[-1:]


LOSSES = {
    "function-url": Loss(),
    "http-api-2": DecodedPath(),
    "http-api-1": OrderAndPath(),
    "rest": Order(),
    "alb": Repeats(),
    "alb-multi-value": OrderAlone(),
}
