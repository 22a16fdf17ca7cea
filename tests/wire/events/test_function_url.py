import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.limits import EVENT_CONTROLS_MAX
from tailrace.wire.events.fields import context_of
from tailrace.wire.events.function_url import (
    FUNCTION_URL,
    FunctionUrlReader,
    event_from_request,
)
from tailrace.wire.integration import encode_prelude

DOMAIN = "abc123.lambda-url.us-east-1.on.aws"

few = settings(max_examples=40, deadline=None)


def parts(
    path: str = "/",
    query: str = "",
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
    **others: Any,
) -> dict[str, Any]:
    required: dict[str, Any] = {
        "method": "GET",
        "source_ip": "203.0.113.9",
        "request_id": "8f5b6a0e-5d0e-4f1c-9a53-0e3a2b6f1c11",
        "time_epoch_ms": 1795283123000,
        "host": DOMAIN,
    }
    return {"path": path, "query": query, "headers": headers, "body": body, **required, **others}


def event(**given_parts: Any) -> dict[str, Any]:
    return event_from_request(**parts(**given_parts))


# --- requests as events --------------------------------------------------------------------------


def test_a_whole_event() -> None:
    """As events of Function URLs look in recordings and in the Developer Guide."""
    headers = (
        ("host", DOMAIN),
        ("content-type", "application/json"),
        ("content-length", "9"),
        ("cookie", "s=1; t=2"),
        ("accept", "*/*"),
        ("user-agent", "demo/1"),
        ("x-amzn-trace-id", "Root=1-6920a000-0123456789abcdef01234567"),
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-port", "443"),
        ("x-forwarded-proto", "https"),
    )

    whole = event(method="POST", path="/a%20b", query="x=1&x=2", headers=headers, body=b'{"a": 42}')

    assert whole == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/a%20b",
        "rawQueryString": "x=1&x=2",
        "cookies": ["s=1", "t=2"],
        "headers": dict(headers),
        "queryStringParameters": {"x": "1,2"},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abc123",
            "domainName": DOMAIN,
            "domainPrefix": "abc123",
            "http": {
                "method": "POST",
                "path": "/a b",
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.9",
                "userAgent": "demo/1",
            },
            "requestId": "8f5b6a0e-5d0e-4f1c-9a53-0e3a2b6f1c11",
            "routeKey": "$default",
            "stage": "$default",
            "time": "21/Nov/2026:17:45:23 +0000",
            "timeEpoch": 1795283123000,
        },
        "body": '{"a": 42}',
        "isBase64Encoded": False,
    }


def test_the_smallest_event_leaves_out_what_there_is_none_of() -> None:
    assert event() == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/",
        "rawQueryString": "",
        "headers": {},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abc123",
            "domainName": DOMAIN,
            "domainPrefix": "abc123",
            "http": {
                "method": "GET",
                "path": "/",
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.9",
                "userAgent": "",
            },
            "requestId": "8f5b6a0e-5d0e-4f1c-9a53-0e3a2b6f1c11",
            "routeKey": "$default",
            "stage": "$default",
            "time": "21/Nov/2026:17:45:23 +0000",
            "timeEpoch": 1795283123000,
        },
        "isBase64Encoded": False,
    }


def test_account_protocol_and_a_host_without_dots() -> None:
    context = event_from_request(
        **parts(protocol="HTTP/1.0", host="localhost", account_id="123456789012")
    )["requestContext"]

    assert context["accountId"] == "123456789012"
    assert context["http"]["protocol"] == "HTTP/1.0"
    assert (context["domainName"], context["domainPrefix"]) == ("localhost", "localhost")


@pytest.mark.parametrize(
    ("host", "name"),
    [("a.test:80", "a.test"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("8080", "8080")],
)
def test_the_domain_name_is_the_host_without_its_port(host: str, name: str) -> None:
    assert event_from_request(**parts(host=host))["requestContext"]["domainName"] == name


@pytest.mark.parametrize(
    ("raw", "decoded"),
    [
        ("/capture/space%20value", "/capture/space value"),
        ("/pa2%Fth/1", "/pa2%Fth/1"),
        ("/a+b", "/a+b"),
        ("/caf%C3%A9", "/café"),
        ("/%FF", "/\ufffd"),
        ("/a%2Fb%3F", "/a/b?"),
        ("/%2520", "/%20"),
    ],
)
def test_the_raw_path_is_as_sent_and_the_context_has_it_decoded(raw: str, decoded: str) -> None:
    made = event(path=raw)

    assert made["rawPath"] == raw
    assert made["requestContext"]["http"]["path"] == decoded


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("a=1", {"a": "1"}),
        ("tag=one&b=2&tag=two", {"tag": "one,two", "b": "2"}),
        ("empty=&bare", {"empty": "", "bare": ""}),
        ("a=1&a=", {"a": "1,"}),
        ("q=a+b%20c%2Bd", {"q": "a b c+d"}),
        ("%C3%A9=%E2%82%AC", {"é": "€"}),
        ("a=b=c&&a;b=1", {"a": "b=c", "a;b": "1"}),
        ("=x", {"": "x"}),
        ("a=%FF&b=%2", {"a": "\ufffd", "b": "%2"}),
    ],
)
def test_query_parameters_are_decoded_and_joined(query: str, parameters: dict[str, str]) -> None:
    made = event(query=query)

    assert made["rawQueryString"] == query
    assert made["queryStringParameters"] == parameters


def test_a_query_of_separators_only_has_no_parameters() -> None:
    assert "queryStringParameters" not in event(query="&&")


def test_repeated_headers_are_joined_with_a_comma_and_no_space() -> None:
    headers = (("x-multi", "first"), ("accept", "a, b"), ("x-multi", "second"), ("accept", "c"))

    assert event(headers=headers)["headers"] == {"x-multi": "first,second", "accept": "a, b,c"}


def test_headers_keep_bytes_that_are_not_ascii_as_latin_1() -> None:
    headers = event(headers=(("x-name", b"caf\xc3\xa9".decode("latin-1")),))["headers"]

    assert headers["x-name"].encode("latin-1").decode("utf-8") == "café"


@pytest.mark.parametrize(
    ("fields", "cookies", "header"),
    [
        (["a=1; b=2"], ["a=1", "b=2"], "a=1; b=2"),
        (["a=1;b=2 ;"], ["a=1", "b=2"], "a=1;b=2 ;"),
        (["a=1", "b=x,y"], ["a=1", "b=x,y"], "a=1; b=x,y"),
        (["bare"], ["bare"], "bare"),
    ],
)
def test_cookies_are_split_and_their_header_stays(
    fields: list[str], cookies: list[str], header: str
) -> None:
    made = event(headers=tuple(("cookie", field) for field in fields))

    assert made["cookies"] == cookies
    assert made["headers"]["cookie"] == header


def test_an_empty_cookie_header_is_no_cookie() -> None:
    assert "cookies" not in event(headers=(("cookie", " ; "),))


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("application/json", '{"a":"wörld"}'.encode(), '{"a":"wörld"}'),
        ("Application/JSON; charset=utf-8", b"{}", "{}"),
        ("text/plain", b"hi", "hi"),
        ("text/csv ;header=present", b"a,b", "a,b"),
        ("application/xml", b"<a/>", "<a/>"),
        ("application/javascript", b"1", "1"),
        ("application/problem+json", b"{}", None),
        ("image/svg+xml", b"<svg/>", None),
        ("application/json", b"\xff\xfe", None),
        ("text/plain; charset=latin-1", b"caf\xe9", None),
        ("application/x-www-form-urlencoded", b"a=1", None),
        ("multipart/form-data; boundary=x", b"--x--", None),
        ("application/octet-stream", b"hi", None),
        ("application/jsonlines", b"{}", None),
        ("", b"hi", None),
    ],
)
def test_bodies_are_text_or_base64(content_type: str, body: bytes, text: str | None) -> None:
    made = event(headers=(("content-type", content_type),), body=body)

    assert made["isBase64Encoded"] == (text is None)
    assert made["body"] == (base64.b64encode(body).decode() if text is None else text)


def test_a_body_without_content_type_is_base64() -> None:
    made = event(body=b"hi")

    assert (made["body"], made["isBase64Encoded"]) == ("aGk=", True)


def test_an_empty_body_is_absent_whatever_its_type() -> None:
    made = event(headers=(("content-type", "application/octet-stream"),))

    assert "body" not in made
    assert made["isBase64Encoded"] is False


@pytest.mark.parametrize(
    ("epoch_ms", "text"),
    [
        (0, "01/Jan/1970:00:00:00 +0000"),
        (1783711146999, "10/Jul/2026:19:19:06 +0000"),
        (1709210096000, "29/Feb/2024:12:34:56 +0000"),
        (1798761599999, "31/Dec/2026:23:59:59 +0000"),
    ],
)
def test_times(epoch_ms: int, text: str) -> None:
    context = event(time_epoch_ms=epoch_ms)["requestContext"]

    assert (context["time"], context["timeEpoch"]) == (text, epoch_ms)


def test_every_month_is_named_in_english() -> None:
    months = "".join(
        event(time_epoch_ms=(n * 2_629_800 + 86_400) * 1000)["requestContext"]["time"][3:6]
        for n in range(12)
    )

    assert months == "JanFebMarAprMayJunJulAugSepOctNovDec"


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30), st.binary(max_size=30))
@few
def test_any_request_has_an_event_that_json_carries(
    path: str, query: str, value: str, body: bytes
) -> None:
    headers = (("content-type", value), ("cookie", value))

    made = event(path=path, query=query, headers=headers, body=body)

    assert json.loads(json.dumps(made)) == made
    sent = made.get("body", "")
    assert (base64.b64decode(sent) if made["isBase64Encoded"] else sent.encode()) == body


def test_many_values_of_one_name_are_joined() -> None:
    event = event_from_request(**parts(query="b&a=1&" * 1_000))

    assert event["queryStringParameters"] == {"a": ",".join(["1"] * 1_000), "b": "," * 999}


@pytest.mark.parametrize(
    ("body", "is_text"),
    [
        (b"\x1b[31m\0", True),
        (b"a\tb\r\n\f\b" * 100_000, True),
        (b"\x1b" * EVENT_CONTROLS_MAX, True),
        (b"\x1b" * (EVENT_CONTROLS_MAX + 1), False),
        (b"x" + bytes(EVENT_CONTROLS_MAX + 1), False),
    ],
)
def test_what_is_mostly_control_characters_is_no_text(body: bytes, is_text: bool) -> None:
    """JSON makes six bytes of each, so that a body within its limit made too long an event."""
    event = event_from_request(**parts(headers=[("content-type", "text/plain")], body=body))

    assert event["isBase64Encoded"] is not is_text
    assert event["body"] == (body.decode() if is_text else base64.b64encode(body).decode())


# --- events as requests --------------------------------------------------------------------------


def reader_of(fields: dict[str, Any]) -> FunctionUrlReader:
    return FunctionUrlReader(fields, context_of(fields))


@given(
    st.sampled_from(["GET", "HEAD", "POST"]),
    st.text(max_size=30).map(quote),
    st.text(max_size=30),
    st.dictionaries(st.sampled_from(["a", "b", "cookie"]), st.text(max_size=10)),
    st.sampled_from(["", "text/plain", "image/png"]),
    st.binary(max_size=30),
)
@few
def test_the_request_of_an_event_comes_back(
    method: str, path: str, query: str, headers: dict[str, str], media_type: str, body: bytes
) -> None:
    headers["content-type"] = media_type
    fields = event(method=method, path=path, query=query, headers=tuple(headers.items()), body=body)

    read = reader_of(json.loads(json.dumps(fields)))

    assert (read.method, read.raw_path, read.query) == (method, path, query)
    assert (read.header_pairs, read.body) == ([*headers.items()], body)
    assert (read.source_ip, read.protocol, read.root_path) == ("203.0.113.9", "HTTP/1.1", "")
    assert read.request_id == "8f5b6a0e-5d0e-4f1c-9a53-0e3a2b6f1c11"


def test_an_http_apis_cookies_are_a_field_again() -> None:
    """It takes the Cookie field out of the headers, unlike a Function URL."""
    fields = {"headers": {"Accept": "*/*"}, "cookies": ["s=1", "t=2"]}

    assert reader_of(fields).header_pairs == [("accept", "*/*"), ("cookie", "s=1; t=2")]


def test_what_an_event_lacks_is_empty() -> None:
    read = reader_of({"requestContext": None, "headers": [], "rawPath": 7})

    assert (read.method, read.raw_path, read.query, read.request_id) == ("", "", "", "")
    assert (read.header_pairs, read.body, read.source_ip, read.protocol) == ([], b"", "", "")


def test_a_body_that_should_be_base64_must_be() -> None:
    with pytest.raises(
        ValueError, match=r"^the event's body cannot be read: isBase64Encoded is true"
    ):
        _ = reader_of({"body": "a-_=", "isBase64Encoded": True}).body


def test_a_body_with_half_of_a_surrogate_pair_is_an_error_that_says_so() -> None:
    with pytest.raises(ValueError, match=r"half of a surrogate pair at character 1$"):
        _ = reader_of({"body": "a\ud800"}).body


@pytest.mark.parametrize(
    ("raw_path", "read"),
    [
        ("/a%2Fb%20c+d|~", "/a%2Fb%20c+d|~"),
        ("/100%", "/100%"),
        ("/a b", "/a%20b"),
        ("/é?#\n", "/%C3%A9%3F%23%0A"),
    ],
)
def test_what_cannot_stand_in_a_path_is_encoded(raw_path: str, read: str) -> None:
    """An HTTP API with a custom domain decodes paths, and its events look like these."""
    assert reader_of({"rawPath": raw_path}).raw_path == read


def test_a_streamed_response_begins_with_a_prelude() -> None:
    assert FUNCTION_URL.prelude is encode_prelude
