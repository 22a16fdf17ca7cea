"""`Request`: the HTTP request in an event, whatever the form of the event."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.event_shapes import EVENTS, Sent
from tests.function.event_forms import FORMS, request_event

from tailrace.function import Headers, Request
from tailrace.function.input import Input
from tailrace.wire.events.function_url import event_from_request

# --- the parts of a request ----------------------------------------------------------------------


def posted(body: bytes, content_type: str = "text/plain") -> dict[str, Any]:
    """The event of a POST with a query, repeated headers and cookies."""
    return event_from_request(
        method="POST",
        path="/a%20b",
        query="x=1&x=2",
        headers=[("content-type", content_type), ("x-a", "1"), ("x-a", "2"), ("cookie", "a=1")],
        body=body,
        source_ip="127.0.0.1",
        request_id="8f5b6a0e-5d0e-4f1c-9a53-0e3a2b6f1c11",
        time_epoch_ms=1_795_288_703_702,
        host="example.com",
    )


@pytest.mark.parametrize("form", FORMS)
def test_a_request_is_read_from_an_event_of_any_form(
    form: Callable[[dict[str, Any]], Any],
) -> None:
    event = form(posted("ä".encode()))

    request = Request(event)

    assert request.event is event
    assert (request.method, request.path, request.raw_path) == ("POST", "/a b", "/a%20b")
    assert (request.root_path, request.raw_query) == ("", "x=1&x=2")
    assert request.headers == {"content-type": "text/plain", "x-a": "1,2", "cookie": "a=1"}
    assert request.body == "ä".encode()
    assert (request.client, request.http_version) == ("127.0.0.1", "1.1")
    assert repr(request) == "Request(POST /a%20b)"


@pytest.mark.parametrize("body", [b"", b"text", "ä\n".encode(), b"\xff\0\x80", bytes(range(256))])
@pytest.mark.parametrize("content_type", ["text/plain", "image/png"])
def test_a_body_is_the_bytes_that_were_sent(body: bytes, content_type: str) -> None:
    assert Request(posted(body, content_type)).body == body


def test_a_body_that_is_not_the_base64_that_it_should_be_is_an_error() -> None:
    request = Request(posted(b"") | {"body": "!", "isBase64Encoded": True})

    with pytest.raises(ValueError, match="this is not base64"):
        _ = request.body


def test_cookies_of_an_http_api_are_a_header_again() -> None:
    event = request_event(headers={"Host": "x"}, cookies=["a=1", "b=2"])

    assert Request(event).headers == {"host": "x", "cookie": "a=1; b=2"}


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (None, "no HTTP request"),
        ([], "no HTTP request"),
        ("text", "no HTTP request"),
        ({}, "no HTTP request"),
        ({"requestContext": {"http": "x"}}, "no HTTP request"),
        ({"requestContext": {"connectionId": "c"}}, "one of API Gateway's WebSocket API"),
    ],
)
def test_an_event_of_another_kind_is_refused(event: Any, kind: str) -> None:
    with pytest.raises(TypeError, match=f"the event is {kind}: Request reads those of Function"):
        Request(event)

    incoming = Input(event)
    assert (incoming.request, incoming.method, incoming.is_http) == (None, "", False)


def test_the_sdk_has_the_request_of_its_input() -> None:
    request = Input(request_event("HEAD")).request

    assert request is not None
    assert request.method == Input(request_event("HEAD")).method == "HEAD"


def test_each_part_is_read_once() -> None:
    """An event may be large, and its form slow to read."""
    read: list[str] = []

    class Event(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            read.append(key)
            return super().get(key, default)

    request = Request(Event(posted(b"\xff", "image/png")))
    assert sorted(read) == ["requestContext", "routeKey"]
    for _ in range(2):
        assert (request.body, len(request.headers)) == (b"\xff", 3)

    assert sorted(read) == [
        *("body", "cookies", "headers", "isBase64Encoded", "requestContext", "routeKey"),
    ]


@pytest.mark.parametrize(
    ("raw_path", "path"),
    [
        ("/", "/"),
        ("/a%2Fb%20c+d", "/a/b c+d"),
        ("/%C3%A9", "/é"),
        ("/%ff", "/\ufffd"),
        ("/100%", "/100%"),
    ],
)
def test_a_path_is_decoded(raw_path: str, path: str) -> None:
    request = Request(request_event(rawPath=raw_path))

    assert (request.raw_path, request.path) == (raw_path, path)


def test_an_empty_path_is_that_of_the_root() -> None:
    request = Request(request_event(rawPath=""))

    assert (request.raw_path, request.path) == ("/", "/")


@pytest.mark.parametrize(
    ("headers", "scheme", "host", "port"),
    [
        ({}, "https", "example.com", 443),
        ({"Host": "a.example"}, "https", "a.example", 443),
        ({"host": "a.example:8080"}, "https", "a.example", 8080),
        ({"host": "[::1]:8080"}, "https", "[::1]", 8080),
        ({"host": "[::1]"}, "https", "[::1]", 443),
        ({"host": "a.example", "x-forwarded-proto": "http"}, "http", "a.example", 80),
        ({"host": "a:1", "x-forwarded-proto": "HTTP, https"}, "http", "a", 1),
        ({"host": "a:1", "x-forwarded-port": "2"}, "https", "a", 2),
        ({"host": "a:1", "x-forwarded-port": "x"}, "https", "a", 1),
        ({"host": "a:1", "x-forwarded-port": "9" * 5000}, "https", "a", 1),
        ({"host": "a:x", "x-forwarded-proto": "gopher"}, "https", "a", 443),
    ],
)
def test_the_server_is_what_the_client_has_called(
    headers: dict[str, str], scheme: str, host: str, port: int
) -> None:
    request = Request(request_event(headers=headers))

    assert (request.scheme, request.host, request.port) == (scheme, host, port)


def test_a_client_that_is_not_known_is_none() -> None:
    request = Request({"requestContext": {"http": {"method": "GET"}}})

    assert (request.client, request.host, request.http_version) == (None, "", "1.1")


@pytest.mark.parametrize(
    ("header", "cookies"),
    [
        ("a=1; b=2", {"a": "1", "b": "2"}),
        ("a=1;b=x=y ; bare; a=2", {"a": "1", "b": "x=y"}),
        ('a="1 2"', {"a": '"1 2"'}),
        ("", {}),
    ],
)
def test_cookies_are_read_by_name(header: str, cookies: dict[str, str]) -> None:
    assert Request(request_event(headers={"cookie": header})).cookies == cookies


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("aé\ud800 /%"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab"), inner, max_size=2),
    max_leaves=4,
)
PARTS = [
    *("method", "path", "raw_path", "root_path", "raw_query", "headers", "cookies", "client"),
    *("scheme", "host", "port", "http_version", "body"),
]


def places(value: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The keys that lead to each member of an event."""
    for key in value if isinstance(value, dict) else ():
        yield (*place, key)
        yield from places(value[key], (*place, key))


@pytest.mark.parametrize("shape", EVENTS)
@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_no_event_is_an_error_of_another_kind(shape: str, data: st.DataObject) -> None:
    """Any caller of the function can make its event."""
    sent = Sent("POST", "/a", "b=c", (("cookie", "d=e"), ("f", "g")), b"h")
    event = EVENTS[shape](sent)
    *parents, key = data.draw(st.sampled_from([*places(event)]))
    holder = event
    for parent in parents:
        holder = holder[parent]
    holder[key] = data.draw(JSON)

    try:
        request = Request(event)
    except TypeError:
        return  # it is no HTTP request any more
    for part in PARTS:
        try:
            getattr(request, part)
        except ValueError:
            assert part == "body"


# --- header fields -------------------------------------------------------------------------------


def test_headers_are_found_whatever_the_case_of_their_names() -> None:
    headers = Headers([("Accept", "a"), ("x-b", "1"), ("ACCEPT", "b")])

    assert headers.pairs == (("accept", "a"), ("x-b", "1"), ("accept", "b"))
    assert (headers["accept"], headers["Accept"], headers.get("X-B")) == ("a,b", "a,b", "1")
    assert (headers.get_all("Accept"), headers.get_all("c")) == (["a", "b"], [])
    assert (list(headers), len(headers)) == (["accept", "x-b"], 2)
    assert "X-b" in headers
    assert "c" not in headers
    assert 7 not in headers
    with pytest.raises(KeyError):
        headers["c"]


def test_cookies_in_several_fields_are_joined_as_cookies() -> None:
    assert Headers([("Cookie", "a=1"), ("cookie", "b=2")])["Cookie"] == "a=1; b=2"


def test_the_repr_of_headers_shows_no_credentials() -> None:
    assert repr(Headers([("authorization", "secret")])) == "Headers(['authorization'])"
