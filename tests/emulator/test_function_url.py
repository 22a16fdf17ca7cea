"""Function URLs: their events, BUFFERED answers, limits, CORS, signatures, and their life."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvloop
from botocore.auth import SigV4QueryAuth
from tests.emulator.harness import Harness, config, playing, request, running, wait_until
from tests.emulator.test_signature import signed
from tests.emulator.url_client import BUFFERED, INTEGRATION, ask, asking, prelude, serve
from tests.fakes import Broken, Client, Response, encode_chunk

from tailrace import limits
from tailrace.config import Address, CorsConfig, UrlConfig
from tailrace.emulator.signature import KeyPair

ERROR = {"errorType": "TypeError", "errorMessage": "boom", "stackTrace": []}
STREAM = UrlConfig(invoke_mode="RESPONSE_STREAM")


async def send(
    emulator: Harness,
    method: str = "GET",
    target: str = "/",
    headers: Any = (),
    body: bytes = b"",
    name: str = "f",
) -> Response:
    """The answer to any request; a playing function answers with its event."""
    client = await Client.connect(emulator.service.function_urls[name])
    try:
        await client.request(method, target, headers, body)
        return await client.read_response(method)
    finally:
        client.close()


# --- events -----------------------------------------------------------------------------------


def test_the_event_is_a_payload_of_version_two(tmp_path: Path) -> None:
    async def story(emulator: Harness) -> None:
        port = int(emulator.service.function_urls["f"].rpartition(":")[2])
        headers = [
            ("host", f"fun.localhost:{port}"),
            ("content-type", "application/json"),
            ("user-agent", "demo/1"),
            ("cookie", "s=1; t=2"),
            ("x-a", "first"),
            ("x-a", "second"),
            ("connection", "keep-alive"),
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-proto", "gopher"),
        ]
        body = '["é"]'.encode()
        answer = await send(emulator, "POST", "/a%20b?x=1&x=2&y=a+b", headers, body)
        event = answer.json()

        context = event.pop("requestContext")
        given = event.pop("headers")
        assert event == {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": "/a%20b",
            "rawQueryString": "x=1&x=2&y=a+b",
            "cookies": ["s=1", "t=2"],
            "queryStringParameters": {"x": "1,2", "y": "a b"},
            "body": '["é"]',
            "isBase64Encoded": False,
        }
        assert list(given)[-4:] == [
            "x-amzn-trace-id",
            "x-forwarded-for",
            "x-forwarded-port",
            "x-forwarded-proto",
        ]
        trace = given.pop("x-amzn-trace-id")
        assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", trace)
        assert given == {
            "host": f"fun.localhost:{port}",
            "content-type": "application/json",
            "content-length": str(len(body)),
            "user-agent": "demo/1",
            "cookie": "s=1; t=2",
            "x-a": "first,second",
            "x-forwarded-for": "203.0.113.9, 127.0.0.1",
            "x-forwarded-port": str(port),
            "x-forwarded-proto": "http",
        }
        assert re.fullmatch(r"\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000", context.pop("time"))
        assert isinstance(context.pop("timeEpoch"), int)
        url_id = context.pop("apiId")
        assert re.fullmatch(r"[a-z2-7]{32}", url_id)
        assert context == {
            "accountId": "anonymous",
            "domainName": "fun.localhost",
            "domainPrefix": url_id,
            "http": {
                "method": "POST",
                "path": "/a b",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "demo/1",
            },
            "requestId": answer.get("x-amzn-requestid"),
            "routeKey": "$default",
            "stage": "$default",
        }
        assert f"START RequestId: {context['requestId']}" in emulator.log
        lineage = r";Parent=[0-9a-f]{16};Sampled=0;Lineage=1:[0-9a-f]{8}:0"
        assert re.fullmatch(re.escape(trace) + lineage, answer.get("x-amzn-trace-id") or "")

    serve(story, tmp_path, BUFFERED)


def test_a_body_that_is_no_text_is_base64(tmp_path: Path) -> None:
    async def story(emulator: Harness) -> None:
        event = (await send(emulator, "PUT", "/", [("content-type", "image/png")], b"\x89P")).json()
        assert (event["body"], event["isBase64Encoded"]) == (
            base64.b64encode(b"\x89P").decode(),
            True,
        )
        event = (await send(emulator)).json()
        assert "body" not in event and event["isBase64Encoded"] is False

    serve(story, tmp_path, BUFFERED)


def test_a_clients_trace_goes_on(tmp_path: Path) -> None:
    async def story(emulator: Harness) -> None:
        root = "1-5bef4de7-ad49b0e87f6ef6c87fc2e700"
        answer = await send(emulator, headers=[("x-amzn-trace-id", f"Root={root};Parent=1")])
        assert answer.json()["headers"]["x-amzn-trace-id"] == f"Root={root}"
        assert (answer.get("x-amzn-trace-id") or "").startswith(f"Root={root};Parent=")

    serve(story, tmp_path, BUFFERED)


# --- BUFFERED ---------------------------------------------------------------------------------


def test_an_envelope_is_a_response(tmp_path: Path) -> None:
    async def story(emulator: Harness) -> None:
        envelope = {
            "statusCode": "418",
            "headers": {"X-A": "1", "Content-Length": "99", "Date": "once", "Keep-Alive": "x"},
            "cookies": ["a=1", "b=2"],
            "body": base64.b64encode(b"\0\1").decode(),
            "isBase64Encoded": True,
        }
        answer = await ask(emulator, {"return": envelope})
        assert (answer.status, answer.body) == (418, b"\0\1")
        assert answer.get("x-a") == "1"
        assert answer.all("set-cookie") == ["a=1", "b=2"]
        assert answer.all("content-length") == ["2"]
        assert answer.get("x-amzn-remapped-content-length") == "99"
        assert answer.get("x-amzn-remapped-date") == "once"
        assert answer.get("date") != "once"
        assert answer.get("keep-alive") is None

    serve(story, tmp_path, BUFFERED)


@pytest.mark.parametrize(
    ("result", "body"),
    [
        ("hello", b"hello"),
        ({"a": [1, "é"]}, '{"a":[1,"é"]}'.encode()),
        ([1, 2], b"[1,2]"),
        (None, b"null"),
    ],
)
def test_anything_else_is_inferred(tmp_path: Path, result: Any, body: bytes) -> None:
    async def story(emulator: Harness) -> None:
        answer = await ask(emulator, {"return": result})
        assert (answer.status, answer.get("content-type")) == (200, "application/json")
        assert answer.body == body

    serve(story, tmp_path, BUFFERED)


@pytest.mark.parametrize(
    "step",
    [
        {"return": {"statusCode": 99}},
        {"return": {"statusCode": 200, "headers": {"a b": "c"}}},
        {"return": {"statusCode": 200, "body": 7}},
        {"return_bytes": 10},
        {"return_bytes": limits.BUFFERED_RESPONSE_BYTES_MAX + 1},
        {"raise": ERROR},
        {"exit": 3},
        {"wait": "/never"},
    ],
)
def test_what_is_no_response_is_a_502(tmp_path: Path, step: dict[str, Any]) -> None:
    async def story(emulator: Harness) -> None:
        answer = await ask(emulator, step)
        assert (answer.status, answer.body) == (502, b"Internal Server Error")
        assert answer.get("x-amzn-errortype") == "InternalServerErrorException"

    serve(story, tmp_path, BUFFERED, timeout_s=1.0)


@pytest.mark.parametrize(
    ("steps", "length"),
    [
        ([{"return": {"statusCode": 200, "body": "hello"}}], "5"),
        ([{"return": {"statusCode": 200, "body": ""}}], "0"),
        ([{"return": "hello"}], "5"),
        ([{"stream": INTEGRATION}, prelude(200), {"chunk": "hello"}, {"end": True}], "5"),
        # A function that streams leaves the body out: its length is unknown, not zero.
        ([{"stream": INTEGRATION}, prelude(200), {"end": True}], None),
        ([{"stream": "text/plain"}, {"end": True}], None),
    ],
)
def test_a_head_request_gets_the_length_that_get_has(
    tmp_path: Path, steps: list[dict[str, Any]], length: str | None
) -> None:
    async def story(emulator: Harness) -> None:
        answer = await ask(emulator, *steps, method="HEAD")
        assert (answer.status, answer.body) == (200, b"")
        assert answer.get("content-length") == length
        assert answer.get("transfer-encoding") is None
        again = await ask(emulator, *steps)
        assert again.get("content-length") == (length or "0")

    serve(story, tmp_path, BUFFERED)


@pytest.mark.parametrize("url", [BUFFERED, STREAM])
def test_a_header_that_is_lambdas_own_is_a_500(tmp_path: Path, url: UrlConfig) -> None:
    async def story(emulator: Harness) -> None:
        headers = {"x-amzn-remapped-connection": "close"}
        steps: list[dict[str, Any]] = [{"return": {"statusCode": 200, "headers": headers}}]
        if url is STREAM:
            steps = [{"stream": INTEGRATION}, prelude(200, headers=headers), {"end": None}]
        answer = await ask(emulator, *steps)
        assert (answer.status, answer.body) == (500, b"Internal Server Error")
        assert "500: x-amzn-remapped-connection: no function may set" in emulator.log

    serve(story, tmp_path, url)


def test_a_stream_is_collected_with_one_warning(tmp_path: Path) -> None:
    async def story(emulator: Harness) -> None:
        head = prelude(201, headers={"x-a": "1"}, cookies=["a=1"])
        for _ in range(2):
            answer = await ask(
                emulator, {"stream": INTEGRATION}, head, {"chunk": "bo"}, {"chunk": "dy"}, END
            )
            assert (answer.status, answer.body) == (201, b"body")
            assert (answer.get("x-a"), answer.get("set-cookie")) == ("1", "a=1")
            assert answer.get("content-length") == "4"
        answer = await ask(emulator, {"stream": "text/csv"}, {"chunk": "a,b"}, END)
        assert (answer.status, answer.get("content-type"), answer.body) == (200, "text/csv", b"a,b")
        (line,) = [line for line in emulator.log.splitlines() if "WARNING" in line]
        for word in ("BUFFERED", "streamifyResponse", "TAILRACE_RESPONSE_MODE", "RESPONSE_STREAM"):
            assert word in line

    serve(story, tmp_path, BUFFERED)


END: dict[str, Any] = {"end": None}


@pytest.mark.parametrize("url", [BUFFERED, STREAM])
@pytest.mark.parametrize("is_streamed", [False, True])
def test_multi_value_headers_that_say_nothing_new_are_no_warning(
    tmp_path: Path, url: UrlConfig, is_streamed: bool
) -> None:
    """As AWS's runtime for Rust writes them: each header in both keys."""
    keys: dict[str, Any] = {
        "headers": {"x-a": "1"},
        "multiValueHeaders": {"x-a": ["1"]},
        "cookies": ["a=1"],
    }
    steps: list[dict[str, Any]] = [{"return": {"statusCode": 200, "body": "x", **keys}}]
    if is_streamed:
        steps = [{"stream": INTEGRATION}, prelude(200, **keys), {"chunk": "x"}, END]

    async def story(emulator: Harness) -> None:
        assert (await ask(emulator, *steps)).status == 200
        assert "multiValueHeaders" not in emulator.log

    serve(story, tmp_path, url)


@pytest.mark.parametrize("url", [BUFFERED, STREAM])
@pytest.mark.parametrize("is_streamed", [False, True])
def test_multi_value_headers_are_dropped_with_one_warning(
    tmp_path: Path, url: UrlConfig, is_streamed: bool
) -> None:
    """A function for a load balancer gives its cookies there too: each reaches the client once."""
    keys: dict[str, Any] = {
        "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"], "X-A": ["1"]},
        "cookies": ["a=1", "b=2"],
    }
    steps: list[dict[str, Any]] = [{"return": {"statusCode": 200, "body": "x", **keys}}]
    if is_streamed:
        steps = [{"stream": INTEGRATION}, prelude(200, **keys), {"chunk": "x"}, END]

    async def story(emulator: Harness) -> None:
        for _ in range(2):
            answer = await ask(emulator, *steps)
            assert answer.status == 200
            if is_streamed or url is BUFFERED:
                assert answer.all("set-cookie") == ["a=1", "b=2"]
                assert answer.get("x-a") is None
        warnings = [line for line in emulator.log.splitlines() if "multiValueHeaders" in line]
        # A result is not looked into where nothing is inferred.
        assert len(warnings) == (1 if is_streamed or url is BUFFERED else 0)
        assert all("WARNING: the function set multiValueHeaders" in line for line in warnings)

    serve(story, tmp_path, url)


@pytest.mark.parametrize(
    "steps",
    [
        [{"stream": INTEGRATION}, END],
        [{"stream": INTEGRATION}, {"chunk": "none"}, END],
        [{"stream": INTEGRATION}, {"chunk": "{"}, END],
        [{"stream": INTEGRATION}, prelude(), {"chunk": "x"}, {"fail": ERROR}],
    ],
)
def test_a_collected_stream_that_fails_is_a_502(tmp_path: Path, steps: list[Any]) -> None:
    async def story(emulator: Harness) -> None:
        assert (await ask(emulator, *steps)).status == 502

    serve(story, tmp_path, BUFFERED)


@pytest.mark.parametrize("url", [BUFFERED, STREAM])
def test_gzip_is_passed_on_or_decompressed_when_asked(tmp_path: Path, url: UrlConfig) -> None:
    data = gzip.compress(b"x" * 1_000_000)
    envelope = {
        "statusCode": 200,
        "headers": {"content-encoding": "gzip"},
        "body": base64.b64encode(data).decode(),
        "isBase64Encoded": True,
    }
    steps: list[dict[str, Any]] = [{"return": envelope}]
    if url is STREAM:
        halves = [data[:20], data[20:]]
        steps = [{"stream": INTEGRATION}, prelude(200, headers={"content-encoding": "gzip"})]
        steps += [{"chunk64": base64.b64encode(half).decode()} for half in halves] + [END]

    async def plain(emulator: Harness) -> None:
        answer = await ask(emulator, *steps)
        assert (answer.get("content-encoding"), answer.body) == ("gzip", data)

    async def decoded(emulator: Harness) -> None:
        answer = await ask(emulator, *steps)
        assert (answer.get("content-encoding"), answer.body) == (None, b"x" * 1_000_000)

    serve(plain, tmp_path, url)
    serve(decoded, tmp_path, replace(url, decode_gzip=True))


def test_what_is_said_to_be_gzip_and_is_not_fails(tmp_path: Path) -> None:
    head = prelude(200, headers={"Content-Encoding": "GZIP"})

    async def story(emulator: Harness) -> None:
        steps = [{"stream": INTEGRATION}, head, {"chunk": "plain"}, END]
        with pytest.raises(Broken):
            await ask(emulator, *steps)
        assert "the body is not gzip" in emulator.log

    serve(story, tmp_path, replace(STREAM, decode_gzip=True))


def test_gzip_that_ends_too_early_is_no_complete_body(tmp_path: Path) -> None:
    """Decompressed, its client could not see that anything is missing."""
    data = base64.b64encode(gzip.compress(b"body")[:-4]).decode()
    headers = {"content-encoding": "gzip"}
    steps: list[dict[str, Any]] = [{"stream": INTEGRATION}, prelude(200, headers=headers)]
    steps += [{"chunk64": data}, END]

    async def streamed(emulator: Harness) -> None:
        with pytest.raises(Broken):
            await ask(emulator, *steps)
        assert "the body ends inside its gzip data; it was broken off" in emulator.log

    async def buffered(emulator: Harness) -> None:
        assert (await ask(emulator, *steps)).status == 502

    serve(streamed, tmp_path, replace(STREAM, decode_gzip=True))
    serve(buffered, tmp_path, replace(BUFFERED, decode_gzip=True))


def gzipped(data: bytes, url: UrlConfig) -> list[dict[str, Any]]:
    """The steps that answer with a body that says to be gzip."""
    headers = {"content-encoding": "gzip"}
    text = base64.b64encode(data).decode()
    if url is STREAM:
        return [{"stream": INTEGRATION}, prelude(200, headers=headers), {"chunk64": text}, END]
    envelope = {"statusCode": 200, "headers": headers, "body": text, "isBase64Encoded": True}
    return [{"return": envelope}]


@pytest.mark.parametrize("url", [BUFFERED, STREAM])
def test_others_are_served_while_a_body_is_decompressed(tmp_path: Path, url: UrlConfig) -> None:
    """Of 4.4 MB of empty members; all at once they stopped the process for 11 s."""
    data = gzip.compress(b"") * 220_000

    async def story(emulator: Harness) -> None:
        async with asking(emulator, *gzipped(data, url)) as client:
            if url is STREAM:
                head = await client.read_head()
            else:
                await wait_until(lambda: "END RequestId" in emulator.log)
            other = await request(emulator.port, "GET", "/")
            assert other.status == 200
            assert await client.is_silent()

            if url is BUFFERED:
                head = await client.read_head()
            assert await client.read_body(head) == b""

    serve(story, tmp_path, replace(url, decode_gzip=True))


@pytest.mark.parametrize("url", [BUFFERED, STREAM])
def test_a_large_body_is_decompressed_at_the_clients_pace(tmp_path: Path, url: UrlConfig) -> None:
    size = 12_000_000
    data = gzip.compress(bytes(size), 1)

    async def story(emulator: Harness) -> None:
        async with asking(emulator, *gzipped(data, url), receive_bytes=65_536) as client:
            head = await client.read_head()
            servers = emulator.service._urls._urls.values()
            (connection,) = [c for each in servers for c in each._server._connections]
            assert connection.unsent_bytes < 4 * limits.READ_BYTES_MAX
            assert await client.read_body(head) == bytes(size)

    serve(story, tmp_path, replace(url, decode_gzip=True))


@pytest.mark.parametrize("url", [BUFFERED, STREAM])
def test_a_bomb_is_refused(tmp_path: Path, url: UrlConfig) -> None:
    bomb = gzip.compress(bytes(limits.STREAM_RESPONSE_BYTES_MAX + 1), 9)

    async def story(emulator: Harness) -> None:
        async with asking(emulator, *gzipped(bomb, url)) as client:
            if url is BUFFERED:
                assert (await client.read_head()).status == 502
            else:
                last = b""
                while data := await client.read_some():  # and drop it: it is 200 MB
                    last = data
                assert not last.endswith(b"0\r\n\r\n")
        assert "the body is over 209715200 bytes, decompressed" in emulator.log

    serve(story, tmp_path, replace(url, decode_gzip=True))


def test_a_client_that_leaves_early_changes_nothing(tmp_path: Path) -> None:
    """In the middle of its request, or before the answer."""

    async def story(emulator: Harness) -> None:
        client = await Client.connect(emulator.service.function_urls["f"])
        await client.request("POST", "/", [("content-length", "10")])
        await client.send(b"half")
        client.close()
        go = tmp_path / "go"
        async with asking(emulator, {"wait": str(go)}, {"return": 1}):
            await wait_until(lambda: "START" in emulator.log)
        await wait_until(lambda: emulator.service.statistics().connections == 0)
        go.touch()
        await wait_until(lambda: "REPORT" in emulator.log)
        assert emulator.log.count("START") == 1

    serve(story, tmp_path, BUFFERED)


# --- limits -----------------------------------------------------------------------------------


def test_an_event_over_six_megabytes_is_refused(tmp_path: Path) -> None:
    async def story(emulator: Harness) -> None:
        binary = [("content-type", "image/png")]
        room = limits.SYNC_INVOKE_BYTES_MAX * 3 // 4  # as base64
        assert (await send(emulator, "POST", "/", binary, bytes(room - 3_000))).status == 200
        for size in (room, limits.SYNC_INVOKE_BYTES_MAX + 1):
            answer = await send(emulator, "POST", "/", binary, bytes(size))
            assert answer.status == 413
            assert answer.get("x-amzn-errortype") == "RequestEntityTooLargeException"
            assert "must be smaller than 6291456 bytes" in answer.json()["message"]

    serve(story, tmp_path, BUFFERED)


def test_one_that_never_ends_is_refused_in_the_middle(tmp_path: Path) -> None:
    async def story(emulator: Harness) -> None:
        client = await Client.connect(emulator.service.function_urls["f"])
        await client.request("POST", "/", [("transfer-encoding", "chunked")])
        piece = encode_chunk(bytes(1_000_000))
        for _ in range(51):
            await client.send(piece)
        answer = await client.read_response()
        assert (answer.status, answer.get("connection")) == (413, "close")
        client.close()

    serve(story, tmp_path, BUFFERED)


def test_one_that_waits_for_leave_to_send_is_refused_at_once(tmp_path: Path) -> None:
    async def story(emulator: Harness) -> None:
        client = await Client.connect(emulator.service.function_urls["f"])
        fields = [("expect", "100-continue"), ("content-length", "7000000")]
        await client.request("POST", "/", fields)
        assert (await client.read_response()).status == 413
        client.close()

    serve(story, tmp_path, BUFFERED)


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND"])
def test_other_methods_are_refused(tmp_path: Path, method: str) -> None:
    async def story(emulator: Harness) -> None:
        target = "x:1" if method == "CONNECT" else "/"
        answer = await send(emulator, method, target)
        assert answer.status in ((400, 405) if method == "CONNECT" else (405,))
        assert "START" not in emulator.log

    serve(story, tmp_path, BUFFERED)


@pytest.mark.parametrize("url", [BUFFERED, STREAM])
def test_a_busy_function_is_a_429(tmp_path: Path, url: UrlConfig) -> None:
    async def story(emulator: Harness) -> None:
        go = tmp_path / "go"
        async with asking(emulator, {"wait": str(go)}, {"return": 1}) as first:
            await wait_until(lambda: "START" in emulator.log)
            answer = await ask(emulator)
            assert answer.status == 429
            assert answer.get("x-amzn-errortype") == "TooManyRequestsException"
            for _ in range(2):
                assert (await ask(emulator)).status == 429
            request_id = answer.get("x-amzn-requestid")
            warnings = [line for line in emulator.log.splitlines() if " 429: " in line]
            assert warnings == [
                f"f | WARNING: RequestId: {request_id} 429: all of its environments are busy"
                " (concurrency = 1)"
            ]
            go.touch()
            assert (await first.read_response()).body == b"1"

    serve(story, tmp_path, url, concurrency=1)


def test_an_environment_that_is_not_free_in_time_is_a_429(tmp_path: Path) -> None:
    """It has answered and is about to ask for its next event: a caller waits a little for that."""

    async def story(emulator: Harness) -> None:
        go = tmp_path / "go"
        assert (await ask(emulator, {"return": 1}, {"wait": str(go)})).body == b"1"
        assert (await ask(emulator)).status == 429
        assert " 429: all of its environments are busy" in emulator.log
        go.touch()

    serve(story, tmp_path, BUFFERED, concurrency=1)


# --- CORS -------------------------------------------------------------------------------------


CORS = CorsConfig(allow_origins=("https://example.com",), allow_methods=("PUT",), max_age_s=60)


@pytest.mark.parametrize("url", [BUFFERED, STREAM, UrlConfig(auth="AWS_IAM")])
def test_a_preflight_is_answered_without_the_function(tmp_path: Path, url: UrlConfig) -> None:
    async def story(emulator: Harness) -> None:
        asked = [("origin", "https://example.com"), ("access-control-request-method", "PUT")]
        answer = await send(emulator, "OPTIONS", "/any", asked)
        assert (answer.status, answer.body) == (200, b"")
        assert answer.get("access-control-allow-origin") == "https://example.com"
        assert answer.get("access-control-allow-methods") == "PUT"
        assert answer.get("access-control-max-age") == "60"
        assert answer.get("vary") == "Origin"
        assert answer.get("x-amzn-requestid")
        assert "START" not in emulator.log

    serve(story, tmp_path, replace(url, cors=CORS))


@pytest.mark.parametrize("url", [BUFFERED, STREAM])
def test_a_response_has_the_urls_policy_and_the_functions(tmp_path: Path, url: UrlConfig) -> None:
    """Both, in two fields, as Lambda sends them: browsers refuse that, and the log warns once."""
    headers = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET", "x": "y"}
    steps: list[dict[str, Any]] = [{"return": {"statusCode": 200, "headers": headers}}]
    if url is STREAM:
        steps = [{"stream": INTEGRATION}, prelude(200, headers=headers), END]

    async def story(emulator: Harness) -> None:
        answer = await ask(emulator, *steps, headers=[("origin", "https://example.com")])
        assert answer.all("access-control-allow-origin") == ["*", "https://example.com"]
        assert answer.all("access-control-allow-methods") == ["GET"]
        assert answer.get("x") == "y"
        answer = await ask(emulator, *steps, headers=[("origin", "http://localhost:3000")])
        assert answer.all("access-control-allow-origin") == ["*"]
        (line,) = [line for line in emulator.log.splitlines() if "WARNING" in line]
        assert "set access-control-allow-origin or -credentials, and its URL has a cors" in line

    serve(story, tmp_path, replace(url, cors=CORS))


def test_what_a_function_may_set_beside_a_policy_is_no_warning(tmp_path: Path) -> None:
    headers = {"Vary": "Accept", "Access-Control-Expose-Headers": "x-a"}
    steps = [{"return": {"statusCode": 200, "headers": headers}}]

    async def story(emulator: Harness) -> None:
        answer = await ask(emulator, *steps, headers=[("origin", "https://example.com")])
        assert answer.all("vary") == ["Accept", "Origin"]
        assert answer.all("access-control-allow-origin") == ["https://example.com"]
        assert "WARNING" not in emulator.log

    serve(story, tmp_path, replace(BUFFERED, cors=CORS))


def test_without_a_policy_the_function_answers_for_itself(tmp_path: Path) -> None:
    async def story(emulator: Harness) -> None:
        asked = [("origin", "http://localhost:3000"), ("access-control-request-method", "PUT")]
        answer = await send(emulator, "OPTIONS", "/", asked)
        assert answer.json()["requestContext"]["http"]["method"] == "OPTIONS"
        headers = {"Access-Control-Allow-Origin": "*"}
        answer = await ask(emulator, {"return": {"statusCode": 200, "headers": headers}})
        assert answer.get("access-control-allow-origin") == "*"

    serve(story, tmp_path, BUFFERED)


# --- AWS_IAM ----------------------------------------------------------------------------------


IAM = UrlConfig(auth="AWS_IAM")


def test_only_signed_requests_reach_a_url_with_aws_iam(tmp_path: Path) -> None:
    async def story(emulator: Harness) -> None:
        answer = await send(emulator)
        assert answer.status == 403
        assert answer.get("x-amzn-errortype") == "AccessDeniedException"
        assert answer.body == (
            b'{"Message":"Forbidden. For troubleshooting Function URL authorization issues, see:'
            b' https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"}'
        )
        assert "403: it is not signed" in emulator.log
        assert "START" not in emulator.log

        body = b'{"a": 1}'
        head = signed("/x?a=1", body, keys=KeyPair("tailrace", "tailrace"))
        fields = [(name.decode(), value.decode()) for name, value in head.headers]
        answer = await send(emulator, "POST", head.target, fields, body)
        assert answer.status == 200
        context = answer.json()["requestContext"]
        assert context["accountId"] == "000000000000"
        assert context["authorizer"]["iam"] == {
            "accessKey": "tailrace",
            "accountId": "000000000000",
            "callerId": "tailrace",
            "cognitoIdentity": None,
            "principalOrgId": None,
            "userArn": "arn:aws:iam::000000000000:user/tailrace",
            "userId": "tailrace",
        }
        changed = await send(emulator, "POST", head.target, fields, body.replace(b"1", b"2"))
        assert changed.status == 403
        assert changed.get("x-amzn-errortype") == "InvalidSignatureException"
        assert changed.json()["message"].startswith("The request signature we calculated does not")
        signature = dict(fields)["authorization"].rpartition("=")[2]
        assert signature not in emulator.log

    serve(story, tmp_path, IAM)


def test_a_presigned_url_is_enough(tmp_path: Path) -> None:
    async def story(emulator: Harness) -> None:
        keys = KeyPair("tailrace", "tailrace")
        head = signed("/a?b=1", method="GET", keys=keys, auth=SigV4QueryAuth, expires=60)
        fields = [("host", "127.0.0.1:8123")]
        answer = await send(emulator, "GET", head.target, fields)
        assert answer.status == 200
        assert answer.json()["queryStringParameters"]["b"] == "1"
        assert (await send(emulator, "GET", head.target + "&c=2", fields)).status == 403

    serve(story, tmp_path, IAM)


@pytest.mark.parametrize(("secret", "status"), [("tailrace", 200), ("wrong", 403)])
def test_curl_signs(tmp_path: Path, secret: str, status: int) -> None:
    async def story(emulator: Harness) -> None:
        command = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10"]
        command += ["--aws-sigv4", "aws:amz:us-east-1:lambda", "-u", f"tailrace:{secret}"]
        command += ["-d", '{"a": 1}', emulator.service.function_urls["f"] + "/path?a=1&b=2"]
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        output, _ = await process.communicate()
        assert output == str(status).encode()

    serve(story, tmp_path, IAM)


def test_botocore_is_not_loaded_to_verify_signatures(tmp_path: Path) -> None:
    script = (
        "import sys, tailrace.emulator.service, tailrace.emulator.function_url as f;"
        "print('botocore' in sys.modules);"
        "from tailrace.config import EmulatorConfig; f._fault_finder(EmulatorConfig());"
        "print('botocore' in sys.modules)"
    )
    output = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True, timeout=30
    )

    assert output.stdout.split() == ["False", "False"]


# --- life -------------------------------------------------------------------------------------


def test_each_url_has_an_address_of_its_own(tmp_path: Path) -> None:
    async def run() -> None:
        f, g = (playing(name, path=tmp_path, url=BUFFERED) for name in "fg")
        async with running(f, g, playing("h", path=tmp_path)) as emulator:
            urls = emulator.service.function_urls
            assert sorted(urls) == ["f", "g"]
            assert len(set(urls.values())) == 2
            for name in "fg":
                assert re.fullmatch(r"http://127\.0\.0\.1:\d+", urls[name])
                answer = await send(emulator, name=name)
                assert answer.status == 200
                assert f"{name} | START" in emulator.log

    uvloop.run(run())


def test_a_reload_keeps_addresses_and_changes_the_rest(tmp_path: Path) -> None:
    async def run() -> None:
        f = playing(path=tmp_path, url=BUFFERED)
        async with running(f) as emulator:
            before = emulator.service.function_urls
            envelope = {"return": {"statusCode": 201, "body": "x"}}
            assert (await ask(emulator, envelope)).status == 201
            await emulator.service.reload(config(replace(f, url=STREAM)))
            assert emulator.service.function_urls == before
            assert (await ask(emulator, envelope)).status == 200

            await emulator.service.reload(config(replace(f, url=None)))
            assert emulator.service.function_urls == {}
            with pytest.raises(OSError, match=r"refused|failed"):
                await Client.connect(before["f"])
            await emulator.service.reload(config(f))
            assert emulator.service.function_urls == before
            assert f"Function URL {before['f']}/  BUFFERED" in emulator.log
            assert (await ask(emulator, envelope)).status == 201

    uvloop.run(run())


def test_what_is_open_when_a_url_goes_ends_on_its_own(tmp_path: Path) -> None:
    async def run() -> None:
        go = tmp_path / "go"
        f = playing(path=tmp_path, url=STREAM)
        steps = [{"stream": "text/plain"}, {"chunk": "a"}, {"wait": str(go)}, {"chunk": "b"}, END]
        async with running(f) as emulator, asking(emulator, *steps) as client:
            head = await client.read_head()
            assert await client.read_chunk() == b"a"
            await emulator.service.reload(config(replace(f, url=None)))
            go.touch()
            assert await client.read_body(head) == b"b"
            await wait_until(lambda: emulator.service.statistics().connections == 0)

    uvloop.run(run())


def test_a_url_moves_to_the_address_that_the_file_names(tmp_path: Path) -> None:
    async def run() -> None:
        f = playing(path=tmp_path, url=BUFFERED)
        async with running(f) as emulator:
            port = int(emulator.service.function_urls["f"].rpartition(":")[2])
            await emulator.service.reload(config(replace(f, url=None)))
            moved = UrlConfig(listen=Address("127.0.0.1", port))
            await emulator.service.reload(config(replace(f, url=moved)))
            assert emulator.service.function_urls == {"f": f"http://127.0.0.1:{port}"}
            taken = UrlConfig(listen=Address("127.0.0.1", emulator.port))
            await emulator.service.reload(config(replace(f, url=taken)))
            assert emulator.service.function_urls == {}
            assert "no Function URL: 127.0.0.1" in emulator.log
            assert "functions.f.url.listen" in emulator.log

    uvloop.run(run())


def test_an_address_in_use_keeps_the_emulator_from_starting(tmp_path: Path) -> None:
    async def run() -> None:
        f = playing(path=tmp_path, url=BUFFERED)
        async with running(f) as emulator:
            port = int(emulator.service.function_urls["f"].rpartition(":")[2])
            g = playing("g", path=tmp_path, url=UrlConfig(listen=Address("127.0.0.1", port)))
            with pytest.raises(OSError, match=r"functions\.g\.url\.listen"):
                async with running(f, g):
                    pass

    uvloop.run(run())


def test_stop_cuts_clients_of_urls_off(tmp_path: Path) -> None:
    async def run() -> None:
        f = playing(path=tmp_path, url=STREAM)
        steps = [{"stream": "text/plain"}, {"chunk": "a"}, {"wait": "/never"}]
        async with running(f) as emulator, asking(emulator, *steps) as client:
            await client.read_head()
            assert await client.read_chunk() == b"a"
            await emulator.service.stop()
            with pytest.raises(Broken):
                await client.read_chunk()

    uvloop.run(run())


def test_stop_ends_what_a_reload_has_left_open(tmp_path: Path) -> None:
    async def run() -> None:
        f = playing(path=tmp_path, url=STREAM)
        steps = [{"stream": "text/plain"}, {"chunk": "a"}, {"wait": "/never"}]
        async with running(f) as emulator, asking(emulator, *steps) as client:
            await client.read_head()
            await emulator.service.reload(config(replace(f, url=None)))
            assert emulator.service.statistics().connections == 1
            await emulator.service.stop()
            with pytest.raises(Broken):
                await client.read_body(Response(200, [("transfer-encoding", "chunked")]))

    uvloop.run(run())


def test_the_lambda_api_tells_the_address(tmp_path: Path) -> None:
    async def story(emulator: Harness) -> None:
        client = await Client.connect(emulator.service.url)
        await client.request("GET", "/2021-10-31/functions/f/url")
        answer = json.loads((await client.read_response()).body)
        client.close()
        assert answer["FunctionUrl"] == emulator.service.function_urls["f"] + "/"

    serve(story, tmp_path, BUFFERED)
