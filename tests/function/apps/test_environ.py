"""The environ of an event, beside the one of a server that has read the request from a socket."""

from __future__ import annotations

import socket
import sys
import threading
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import request_uri

import pytest
from tests.function.event_forms import request_event

from tailrace.function import Request
from tailrace.function.apps.environ import environ_of
from tailrace.wire.events.function_url import event_from_request


def environ_from(root_path: str | None = None, **event: Any) -> dict[str, Any]:
    return environ_of(Request(request_event(**event)), None, root_path)


def rest_event(path: str, stage: str, **more: Any) -> dict[str, Any]:
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": "GET",
        "multiValueHeaders": {"Host": ["abc.execute-api.eu-west-1.amazonaws.com"]},
        "multiValueQueryStringParameters": None,
        "requestContext": {
            "path": f"/{stage}{path}",
            "stage": stage,
            "identity": {"sourceIp": "192.0.2.1"},
            "domainName": "abc.execute-api.eu-west-1.amazonaws.com",
        },
        "body": None,
        "isBase64Encoded": False,
        **more,
    }


def test_the_whole_environ() -> None:
    event = event_from_request(
        method="POST",
        path="/caf%C3%A9/a%2Fb",
        query="q=%20x&q=2",
        headers=[
            ("host", "example.com:8443"),
            ("content-type", "text/plain"),
            ("content-length", "4"),
            ("cookie", "a=1; b=2"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-proto", "https"),
            ("x-list", "1"),
            ("x-list", "2"),
        ],
        body=b"body",
        source_ip="192.0.2.1",
        request_id="r",
        time_epoch_ms=0,
        host="example.com:8443",
    )
    context = object()

    environ = environ_of(Request(event), context, None)

    body = environ.pop("wsgi.input")
    assert (body.readline(), body.read()) == (b"body", b"")
    assert environ == {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/cafÃ©/a/b",
        "QUERY_STRING": "q=%20x&q=2",
        "REQUEST_URI": "/caf%C3%A9/a%2Fb?q=%20x&q=2",
        "RAW_URI": "/caf%C3%A9/a%2Fb?q=%20x&q=2",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "4",
        "SERVER_NAME": "example.com",
        "SERVER_PORT": "8443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "tailrace",
        "REMOTE_ADDR": "192.0.2.1",
        "HTTP_HOST": "example.com:8443",
        "HTTP_COOKIE": "a=1; b=2",
        "HTTP_X_FORWARDED_FOR": "192.0.2.1",
        "HTTP_X_FORWARDED_PROTO": "https",
        "HTTP_X_LIST": "1,2",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "aws.event": event,
        "aws.context": context,
        "serverless.event": event,
        "serverless.context": context,
    }


REQUESTS = [
    b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
    b"GET /a%20b/%C3%A5%C3%A4%C3%B6?x=%C3%A5&y=1+2 HTTP/1.1\r\nhost: localhost:80\r\n\r\n",
    b"GET /%E4%BD%A0%e5%a5%bd/%25/%2F/%E5/%zz/100%?%zz HTTP/1.1\r\nhost: localhost\r\n\r\n",
    b"DELETE /x HTTP/1.1\r\nhost: h\r\nx-a: 1\r\naccept: */*\r\nX-UMLAUT: caf\xc3\xa9\r\n\r\n",
    b"POST /x HTTP/1.1\r\nhost: h\r\ncontent-type: a/b\r\ncontent-length: 3\r\n\r\nabc",
    b"PUT /x HTTP/1.1\r\nhost: h\r\ncontent-type: a/b\r\ncontent-length: 3\r\n\r\n\xff\0\n",
]


@pytest.mark.parametrize("message", REQUESTS)
def test_it_is_that_of_the_reference_server(message: bytes) -> None:
    """`wsgiref` reads the same request from a socket; what differs is explained below."""
    reference = reference_environ(message)
    head, _, body = message.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    method, target, _ = line.split(" ")
    pairs = [(name.lower(), value.strip()) for name, _, value in (f.partition(":") for f in fields)]
    event = event_from_request(
        method=method,
        path=target.partition("?")[0],
        query=target.partition("?")[2],
        headers=pairs,
        body=body,
        source_ip="127.0.0.1",
        request_id="r",
        time_epoch_ms=0,
        host=dict(pairs)["host"],
    )

    environ = environ_of(Request(event), None, None)

    names = ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "REMOTE_ADDR")
    ours = {name: environ[name] for name in environ if name.startswith("HTTP_") or name in names}
    assert ours == {name: reference[name] for name in ours}
    assert [name for name in reference if name.startswith("HTTP_") and name not in ours] == []
    assert environ["wsgi.input"].read() == reference["body"]
    if body:  # without one the reference has an empty text, and its default type
        assert environ["CONTENT_LENGTH"] == reference["CONTENT_LENGTH"]
        assert environ["CONTENT_TYPE"] == reference["CONTENT_TYPE"]
    # The scheme is that of the client's connection to the front end.
    assert request_uri(environ) == request_uri(reference | {"wsgi.url_scheme": "https"})


def reference_environ(message: bytes) -> dict[str, Any]:
    seen: list[dict[str, Any]] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        length = int(environ["CONTENT_LENGTH"] or 0)
        seen.append({**environ, "body": environ["wsgi.input"].read(length)})
        start_response("204 No Content", [])
        return []

    class Silent(WSGIRequestHandler):
        def log_message(self, *unused: object) -> None: ...

    with make_server("127.0.0.1", 0, app, handler_class=Silent) as server:
        server.timeout = 10
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with socket.create_connection(("127.0.0.1", server.server_port), 10) as client:
            client.sendall(message)
            while client.recv(65536):
                pass
        thread.join(10)
    (environ,) = seen
    return environ


# --- the mount point -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw_path", "root_path", "script_name", "path_info"),
    [
        ("/v1/users", None, "", "/v1/users"),
        ("/v1/users", "/v1", "/v1", "/users"),
        ("/v1", "/v1", "/v1", ""),
        ("/v1/", "/v1", "/v1", "/"),
        ("/v10/users", "/v1", "/v1", "/v10/users"),
        ("/users", "/v1", "/v1", "/users"),
        ("/users", "", "", "/users"),
        ("", None, "", "/"),
    ],
)
def test_root_path_is_a_prefix_of_the_path(
    raw_path: str, root_path: str | None, script_name: str, path_info: str
) -> None:
    environ = environ_from(root_path, rawPath=raw_path)

    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (script_name, path_info)


@pytest.mark.parametrize(
    ("root_path", "script_name", "path_info"),
    [(None, "/prod", "/a b"), ("", "", "/a b"), ("/v1", "/v1", "/a b")],
)
def test_a_stage_in_the_url_is_the_mount_point(
    root_path: str | None, script_name: str, path_info: str
) -> None:
    request = Request(rest_event("/a b", "prod"))

    environ = environ_of(request, None, root_path)

    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (script_name, path_info)


# --- header fields -------------------------------------------------------------------------------


def test_fields_that_could_be_taken_for_others_are_left_out() -> None:
    """`x_user` has the variable of `x-user`; `proxy` has that of a proxy's address (httpoxy)."""
    headers = {
        "host": "h",
        "x-user": "alice",
        "x_user": "root",
        "proxy": "http://evil.example",
        "transfer-encoding": "chunked",
    }

    environ = environ_from(headers=headers)

    assert {name: value for name, value in environ.items() if name.startswith("HTTP_")} == {
        "HTTP_HOST": "h",
        "HTTP_X_USER": "alice",
    }


def test_every_text_is_bytes_in_latin_1() -> None:
    environ = environ_from(
        headers={"host": "h", "x-latin": "é", "x-more": "€", "content-type": "text/é"},
        rawPath="/€",
        rawQueryString="é=€",
    )

    texts = [value for name, value in environ.items() if name.isupper()]
    assert [value.encode("latin-1") for value in texts if not value.isascii()] == [
        "/€".encode(),
        "é=€".encode(),
        "/%E2%82%AC?é=€".encode(),
        "/%E2%82%AC?é=€".encode(),
        "text/é".encode("latin-1"),
        "é".encode("latin-1"),
        "€".encode(),
    ]


def test_half_of_a_character_is_kept() -> None:
    """JSON can have one; a server would have read bytes, and an app must not fail for them."""
    assert environ_from(headers={"x": "\ud83d"})["HTTP_X"] == "\xed\xa0\xbd"


def test_an_event_without_a_host_has_a_name_of_the_server() -> None:
    environ = environ_of(Request({"requestContext": {"http": {"method": "GET"}}}), None, None)

    assert environ["SERVER_NAME"] == "localhost"
    assert "HTTP_HOST" not in environ
    assert request_uri(environ) == "https://localhost/"


def test_a_body_that_is_not_base64_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="base64"):
        environ_from(body="%%%", isBase64Encoded=True)
