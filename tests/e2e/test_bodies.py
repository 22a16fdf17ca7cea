"""Methods, headers, cookies and bodies cross the whole chain unharmed."""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.config
import pytest
from tests.e2e.chain import Chain, GatewayCommand, running, until
from tests.e2e.gate import WAIT_S

MIB = 1024 * 1024
ALL_BYTES = bytes(range(256)) * 17
GIB_BLOCKS = 1024
RSS_GROWTH_BYTES_MAX = 16 * MIB

APP = '''
import base64
import hashlib
import http.client
import json
import random
from urllib.parse import urlsplit

from gate import Gate, query
from tailrace.function import Head, streamify_response


@streamify_response
def seen(event, context):
    """The event, as the function sees it, but for its secret."""
    shown = {key: value for key, value in event.items() if key not in ("origin", "tailrace")}
    return {"statusCode": 200, "body": json.dumps(shown)}


def body_of(event):
    body = event.get("body", "")
    return base64.b64decode(body) if event["isBase64Encoded"] else body.encode()


@streamify_response
def echo(event, context):
    body = body_of(event)
    yield Head(headers={"content-type": event["headers"]["content-type"]})
    yield body[:100]
    yield body[100:]


@streamify_response
def heads(event, context):
    yield Head(
        203,
        [
            ("Content-Type", "text/plain"),
            ("X-Twice", "one"),
            ("X-Twice", "two, three"),
            ("Link", "</a>; rel=preload"),
            ("Link", "</b>; rel=preload"),
            ("Set-Cookie", "in=header; Path=/"),
        ],
        cookies=["first=1; HttpOnly", "second=a, b; Expires=Wed, 21 Oct 2026 07:28:00 GMT"],
    )
    yield "ok"


RESULTS = {
    "dict": {"answer": [42, "ü"]},
    "text": "wörter",
    "null": None,
    "envelope": {
        "statusCode": 201,
        "headers": {"content-type": "text/css", "x-a": "1"},
        "cookies": ["a=1", "b=2"],
        "body": "p { }",
    },
    "base64": {
        "statusCode": 200,
        "headers": {"content-type": "image/png"},
        "body": base64.b64encode(bytes(range(256))).decode(),
        "isBase64Encoded": True,
    },
    "bytes": bytes(range(256)),
}


@streamify_response
def result(event, context):
    return RESULTS[query(event)["name"]]


@streamify_response
def nothing(event, context):
    return
    yield


def bodiless_head(event):
    asked = query(event)
    headers = {"location": "/elsewhere"} if asked["status"] == "302" else {}
    if "length" in asked:
        headers["content-length"] = asked["length"]
    return Head(int(asked["status"]), headers)


@streamify_response
async def ends(event, response, context):
    """Ends its response, which has no body, and works on."""
    with Gate(event) as gate:
        response.set_head(bodiless_head(event))
        await response.end()
        gate.tell("works on")
        await gate.wait_async()
        gate.tell("has ended")


@streamify_response
def yields(event, context):
    """Says nothing but a head that says that no body follows, and works on."""
    with Gate(event) as gate:
        try:
            yield bodiless_head(event)
        finally:
            gate.tell("works on")
            gate.wait()
            gate.tell("has ended")


def header_style(event, context):
    """The same without the SDK, in the style of the proof of concept."""
    origin = urlsplit(event["origin"])
    upload = http.client.HTTPConnection(origin.netloc)
    with Gate(event) as gate:
        upload.putrequest("POST", origin.path)
        upload.putheader("x-status-code", query(event)["status"])
        upload.putheader("transfer-encoding", "chunked")
        upload.endheaders()
        gate.tell("works on")
        gate.wait()
        upload.send(b"0\\r\\n\\r\\n")
        assert upload.getresponse().status == 200
        upload.close()
        gate.tell("has ended")


@streamify_response
def download(event, context):
    """Blocks of 1 MiB, no two alike."""
    tail = random.Random(7).randbytes(1024 * 1024 - 8)
    whole = hashlib.sha256()
    with Gate(event) as gate:
        yield Head(headers={"content-type": "application/octet-stream"})
        for number in range(int(query(event)["blocks"])):
            block = number.to_bytes(8, "big") + tail
            whole.update(block)
            yield block
        gate.tell(whole.hexdigest())


@streamify_response
def words(event, context):
    yield Head(201, {"content-type": "text/plain", "x-a": "1"}, cookies=["a=1"])
    yield "wör"
    yield "ter" if event.get("text", True) else bytes([255])
'''

BUFFERED = ("env", "TAILRACE_RESPONSE_MODE=buffer", sys.executable, "-m", "tailrace.runtime")
NAMES = (
    "seen",
    "echo",
    "heads",
    "result",
    "nothing",
    "ends",
    "yields",
    "header_style",
    "download",
    "words",
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    functions: dict[str, str | tuple[str, ...]] = {name: f"app.{name}" for name in NAMES}
    functions["words"] = (*BUFFERED, "app.words")
    with running(tmp_path_factory.mktemp("bodies"), {"app.py": APP}, functions) as chain:
        yield chain


def curl(*arguments: str, data: bytes = b"") -> bytes:
    """What curl prints; it fails when the response is not complete."""
    command = ["curl", "--silent", "--show-error", "--max-time", str(WAIT_S), *arguments]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- requests --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_carries_a_body(chain: Chain, method: str) -> None:
    headers = [("content-type", "text/plain; charset=utf-8")]
    client = chain.ask("/seen", method, headers, "wörter".encode())

    event = json.loads(client.answer().body)

    assert event["requestContext"]["http"]["method"] == method
    assert (event["body"], event["isBase64Encoded"]) == ("wörter", False)


def test_a_request_without_a_body_makes_none(chain: Chain) -> None:
    event = json.loads(chain.ask("/seen").answer().body)

    assert "body" not in event


def test_head_has_the_headers_of_get_and_no_body(chain: Chain) -> None:
    client = chain.client()

    head = client.ask("/result?name=envelope", "HEAD").answer()
    same = client.ask("/result?name=envelope").answer()

    assert (head.status, head.body, same.body) == (201, b"", b"p { }")
    assert head.all("set-cookie") == ["a=1", "b=2"]
    assert (head.get("content-type"), head.get("x-a")) == ("text/css", "1")


def test_path_and_query_arrive_as_they_were_sent(chain: Chain) -> None:
    query = "a=1&a=2&b=%20x%2B+y&e%C3%A9=%C3%BC&empty=&flag&q=/?"

    event = json.loads(chain.ask(f"/seen/%7Euser/a%20b%2Fc?{query}").answer().body)

    assert event["rawPath"] == "/seen/%7Euser/a%20b%2Fc"
    assert event["requestContext"]["http"]["path"] == "/seen/~user/a b/c"
    assert event["rawQueryString"] == query
    assert event["url"] == f"/seen/%7Euser/a%20b%2Fc?{query}"
    assert event["queryStringParameters"] == {
        "a": "1,2",
        "b": " x+ y",
        "eé": "ü",
        "empty": "",
        "flag": "",
        "q": "/?",
    }


def test_repeated_headers_and_cookies_of_a_request_arrive_in_order(chain: Chain) -> None:
    headers = [("X-Twice", "one"), ("x-twice", "two, three"), ("Cookie", "a=1; b=2, 3; a=4")]

    event = json.loads(chain.ask("/seen", headers=headers).answer().body)

    assert event["headers"]["x-twice"] == "one,two, three"
    assert event["cookies"] == ["a=1", "b=2, 3", "a=4"]
    assert event["headers"]["cookie"] == "a=1; b=2, 3; a=4"


@pytest.mark.parametrize("media_type", ["application/octet-stream", "text/plain"])
def test_every_byte_crosses_in_both_directions(chain: Chain, media_type: str) -> None:
    answer = chain.ask("/echo", "POST", [("content-type", media_type)], ALL_BYTES).answer()

    assert answer.body == ALL_BYTES
    assert answer.get("content-type") == media_type


def test_the_largest_request_body_crosses(chain: Chain) -> None:
    body = random.Random(3).randbytes(750_000)
    headers = [("content-type", "application/octet-stream")]

    assert chain.ask("/echo", "POST", headers, body).answer().body == body


def test_a_chunked_request_body_arrives_as_one(chain: Chain) -> None:
    headers = [("transfer-encoding", "chunked"), ("content-type", "application/octet-stream")]
    client = chain.ask("/echo", "PUT", headers)
    for start in range(0, len(ALL_BYTES), 1000):
        piece = ALL_BYTES[start : start + 1000]
        client.send(b"%x;extension=1\r\n%b\r\n" % (len(piece), piece))
    client.send(b"0\r\nx-trailer: 1\r\n\r\n")

    assert client.answer().body == ALL_BYTES


def test_a_client_that_asks_first_is_told_to_go_on(chain: Chain) -> None:
    fields = [("content-type", "text/plain"), ("content-length", "5"), ("expect", "100-continue")]
    client = chain.ask("/echo", "POST", fields)

    assert client.head().status == 100
    client.send(b"hello")
    assert client.answer().body == b"hello"


def test_curl_uploads_chunks_after_asking_first(chain: Chain) -> None:
    fields = ("-H", "expect: 100-continue", "-H", "content-type: application/octet-stream")

    received = curl("--upload-file", "-", *fields, f"{chain.url}/echo", data=ALL_BYTES)

    assert received == ALL_BYTES


# --- responses -------------------------------------------------------------------------------


def test_repeated_headers_and_cookies_of_a_response_reach_the_client(chain: Chain) -> None:
    answer = chain.ask("/heads").answer()

    assert (answer.status, answer.body) == (203, b"ok")
    assert answer.get("content-type") == "text/plain"
    assert ", ".join(answer.all("x-twice")) == "one, two, three"
    assert ", ".join(answer.all("link")) == "</a>; rel=preload, </b>; rel=preload"
    assert sorted(answer.all("set-cookie")) == [
        "first=1; HttpOnly",
        "in=header; Path=/",
        "second=a, b; Expires=Wed, 21 Oct 2026 07:28:00 GMT",
    ]


def test_curl_brings_back_each_cookie_that_was_set(chain: Chain, tmp_path: Path) -> None:
    jar = str(tmp_path / "cookies")

    curl("--cookie-jar", jar, f"{chain.url}/result?name=envelope")
    event = json.loads(curl("--cookie", jar, f"{chain.url}/seen"))

    assert sorted(event["cookies"]) == ["a=1", "b=2"]


@pytest.mark.parametrize(
    ("name", "status", "media_type", "body"),
    [
        ("dict", 200, "application/json", '{"answer":[42,"ü"]}'.encode()),
        ("text", 200, "application/json", "wörter".encode()),
        ("null", 200, "application/json", b"null"),
        ("envelope", 201, "text/css", b"p { }"),
        ("base64", 200, "image/png", bytes(range(256))),
        ("bytes", 200, "application/octet-stream", bytes(range(256))),
    ],
)
def test_a_plain_result_is_a_response(
    chain: Chain, name: str, status: int, media_type: str, body: bytes
) -> None:
    answer = chain.ask(f"/result?name={name}").answer()

    assert (answer.status, answer.get("content-type"), answer.body) == (status, media_type, body)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_generator_that_yields_nothing_is_an_empty_response(chain: Chain, method: str) -> None:
    client = chain.client()

    for _ in range(2):  # on one connection
        answer = client.ask("/nothing", method).answer()

        assert (answer.status, answer.body) == (200, b"")


ENDS = [
    ("ends", "GET", "status=200"),
    ("ends", "GET", "status=302"),
    ("ends", "GET", "status=204"),
    ("ends", "GET", "status=304"),
    ("ends", "HEAD", "status=200"),
    ("yields", "GET", "status=200&length=0"),
    ("yields", "GET", "status=302&length=0"),
    ("yields", "GET", "status=204"),
    ("yields", "GET", "status=304"),
    ("yields", "GET", "status=304&length=7"),
    ("yields", "HEAD", "status=200"),
    ("yields", "HEAD", "status=200&length=1000000"),
    ("header_style", "GET", "status=204"),
    ("header_style", "GET", "status=304"),
    ("header_style", "HEAD", "status=200"),
]


@pytest.mark.parametrize(("name", "method", "query"), ENDS)
def test_an_empty_body_ends_while_the_handler_works_on(
    chain: Chain, name: str, method: str, query: str
) -> None:
    gate = chain.gate()
    client = chain.client()

    answer = client.ask(f"/{name}?{query}&gate={gate.port}", method).answer()
    again = client.ask("/result?name=text").answer()

    assert (str(answer.status), answer.body) == (query[7:10], b"")
    assert again.body == "wörter".encode()  # on the same connection
    assert gate.line() == "works on"
    gate.open()
    assert gate.line() == "has ended"


@pytest.mark.parametrize("name", ["ends", "yields"])
def test_a_client_that_has_its_end_may_leave_a_handler_that_works_on(
    chain: Chain, name: str
) -> None:
    gate = chain.gate()
    target = f"/{name}/leave?status=302&length=0&gate={gate.port}"

    with closing(chain.ask(target)) as client:
        assert client.answer().status == 302

    assert gate.line() == "works on"
    gate.open()
    assert gate.line() == "has ended"
    until(lambda: chain.outcomes(f"/{name}/leave") == ["complete"], "the line in the log")


# --- invoked without a gateway ---------------------------------------------------------------


def invoke(chain: Chain, event: dict[str, Any]) -> bytes:
    """What boto3 gets of a function."""
    with closing(
        boto3.client(
            "lambda",
            endpoint_url=chain.emulator_url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=botocore.config.Config(retries={"total_max_attempts": 1}),
        )
    ) as client:
        answer = client.invoke(FunctionName="words", Payload=json.dumps(event))
        with closing(answer["Payload"]) as payload:
            body = payload.read()
    assert "FunctionError" not in answer, body
    assert isinstance(body, bytes)
    return body


def test_boto3_gets_the_buffered_body_of_a_streaming_handler(chain: Chain) -> None:
    assert json.loads(invoke(chain, {})) == "wörter"


def test_boto3_gets_the_buffered_response_to_an_http_event(chain: Chain) -> None:
    http_event = {"requestContext": {"http": {"method": "GET"}}}
    head = {"statusCode": 201, "headers": {"content-type": "text/plain", "x-a": "1"}}

    text = json.loads(invoke(chain, http_event))
    binary = json.loads(invoke(chain, {**http_event, "text": False}))

    cookies = {"cookies": ["a=1"]}
    assert text == {**head, **cookies, "body": "wörter", "isBase64Encoded": False}
    assert binary == {**head, **cookies, "body": "d8O2cv8=", "isBase64Encoded": True}


# --- a gigabyte ------------------------------------------------------------------------------


def test_a_gigabyte_arrives_whole_and_the_gateway_stays_small(chain: Chain) -> None:
    gate = chain.gate()
    whole = hashlib.sha256()
    received = 0
    with GatewayCommand(chain) as gateway:
        client = http.client.HTTPConnection(urlsplit(gateway.url).netloc, timeout=WAIT_S)
        with closing(client):
            client.request("GET", "/result?name=text")
            client.getresponse().read()
            before = gateway.resident_bytes()
            client.request("GET", f"/download?gate={gate.port}&blocks={GIB_BLOCKS}")
            with client.getresponse() as response:
                block = memoryview(bytearray(MIB))
                while size := response.readinto(block):
                    whole.update(block[:size])
                    received += size
            assert gateway.resident_peak_bytes() <= before + RSS_GROWTH_BYTES_MAX
        gateway.process.terminate()
        assert gateway.wait_exit() == 0

    assert received == GIB_BLOCKS * MIB
    assert whole.hexdigest() == gate.line()
