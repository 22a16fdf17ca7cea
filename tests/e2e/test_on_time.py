"""Through the whole chain, chunk n is at the client before chunk n+1 may be written.

The function waits at a gate before each chunk. The test opens it once, reads that chunk at the
client, and only then opens it again: a chunk that is kept back anywhere is waited for in vain.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from tests.e2e.chain import Chain, running
from tests.e2e.gate import WAIT_S

MIB = 1024 * 1024

PYTHON = '''
import http.client
import json
from urllib.parse import urlsplit

from gate import Gate, query
from tailrace.function import Head, streamify_response


def chunks(event):
    """As many as the client asked for, each of another byte."""
    asked = query(event)
    size = int(asked["size"])
    for number in range(int(asked["count"])):
        yield bytes([65 + number]) * size


def head(event):
    asked = query(event)
    headers = {"content-type": "text/plain"}
    if "length" in asked:
        headers["content-length"] = asked["length"]
    return Head(201, headers)


@streamify_response
def generator(event, context):
    with Gate(event) as gate:
        gate.wait()
        yield head(event)
        for chunk in chunks(event):
            gate.wait()
            yield chunk
        gate.wait()


@streamify_response
async def async_generator(event, context):
    with Gate(event) as gate:
        await gate.wait_async()
        yield head(event)
        for chunk in chunks(event):
            await gate.wait_async()
            yield chunk
        await gate.wait_async()


@streamify_response
async def response(event, response, context):
    with Gate(event) as gate:
        await gate.wait_async()
        response.set_head(head(event))
        await response.flush()
        for chunk in chunks(event):
            await gate.wait_async()
            await response.write(chunk)
        await gate.wait_async()


@streamify_response
async def ends_early(event, response, context):
    with Gate(event) as gate:
        await gate.wait_async()
        response.set_head(head(event))
        await response.flush()
        for chunk in chunks(event):
            await gate.wait_async()
            await response.write(chunk)
        await gate.wait_async()
        await response.end()
        gate.tell("works on")
        await gate.wait_async()
        gate.tell("has ended")


def proof_of_concept(event, context):
    """No SDK: what the published proof of concept's handlers do, with Python's HTTP client."""
    origin = urlsplit(event["origin"])
    with Gate(event) as gate:
        upload = http.client.HTTPConnection(origin.netloc)
        gate.wait()
        upload.putrequest("POST", origin.path)
        upload.putheader("content-type", "text/plain")
        upload.putheader("x-status-code", "201")
        upload.putheader("x-request-id", event["requestId"])
        upload.putheader("transfer-encoding", "chunked")
        upload.endheaders()
        for chunk in chunks(event):
            gate.wait()
            upload.send(b"%x\\r\\n%b\\r\\n" % (len(chunk), chunk))
        gate.wait()
        upload.send(b"0\\r\\n\\r\\n")
        answer = upload.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
        upload.close()
'''

# As examples/node/app.mjs: no packages, and of the event only the three keys of the proof of
# concept.
NODE = """
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { pipeline } from "node:stream/promises";

async function* open(asked) {
  const gate = net.connect(Number(asked.get("gate")), "127.0.0.1");
  for await (const data of gate) {
    for (const _ of data) yield;
  }
}

async function* chunks(asked, gate) {
  for (let number = 0; number < Number(asked.get("count")); number++) {
    await gate.next();
    yield Buffer.alloc(Number(asked.get("size")), 65 + number);
  }
  await gate.next();
}

async function handler({ origin, url, requestId }) {
  const asked = new URL(url, "http://client").searchParams;
  const gate = open(asked);
  await gate.next();
  const headers = {
    "content-type": "text/plain",
    "x-status-code": "201",
    "x-request-id": requestId,
  };
  const upload = http.request(origin, { method: "POST", headers });
  upload.flushHeaders();
  const sending = pipeline(chunks(asked, gate), upload);
  const [[answer]] = await Promise.all([once(upload, "response"), sending]);
  answer.resume();
  await gate.return();
  if (answer.statusCode !== 200) throw new Error(`the gateway answered ${answer.statusCode}`);
}

const runtime = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation`;
const agent = new http.Agent({ keepAlive: true });

async function call(method, url, body) {
  const request = http.request(url, { method, agent });
  request.end(body);
  const [response] = await once(request, "response");
  const pieces = await response.toArray();
  return { headers: response.headers, text: Buffer.concat(pieces).toString() };
}

for (;;) {
  const { headers, text } = await call("GET", `${runtime}/next`);
  await handler(JSON.parse(text));
  await call("POST", `${runtime}/${headers["lambda-runtime-aws-request-id"]}/response`, "null");
}
"""

KINDS = ("generator", "async_generator", "response", "proof_of_concept")
FUNCTIONS = {
    **{kind: f"app.{kind}" for kind in (*KINDS, "ends_early")},
    "node": ("node", "app.mjs"),
    "awslambdaric": (sys.executable, "-m", "awslambdaric", "app.async_generator"),
}
every_kind = pytest.mark.parametrize("kind", (*KINDS, "node", "awslambdaric"))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    directory = tmp_path_factory.mktemp("on-time")
    with running(directory, {"app.py": PYTHON, "app.mjs": NODE}, FUNCTIONS) as chain:
        yield chain


def chunk(number: int, size: int) -> bytes:
    return bytes([65 + number]) * size


@every_kind
@pytest.mark.parametrize(("size", "count"), [(1, 20), (MIB, 4)], ids=["1-byte", "1-MB"])
def test_each_chunk_is_there_before_the_next_may_be_written(
    chain: Chain, kind: str, size: int, count: int
) -> None:
    gate = chain.gate()
    client = chain.ask(f"/{kind}?gate={gate.port}&size={size}&count={count}")
    gate.open()
    head = client.head()  # head first: no chunk may be written yet
    assert (head.status, head.get("content-type")) == (201, "text/plain")
    assert not client.has_more
    for number in range(count):
        gate.open()
        assert client.body(size) == chunk(number, size)
        assert not client.has_more
    gate.open()
    assert client.rest() == b""


def test_the_end_is_there_while_the_handler_works_on(chain: Chain) -> None:
    gate = chain.gate()
    client = chain.ask(f"/ends_early?gate={gate.port}&size=1&count=2")
    for _ in range(4):
        gate.open()
    assert client.head().status == 201
    assert client.rest() == b"AB"
    assert gate.line() == "works on"
    gate.open()
    assert gate.line() == "has ended"


def test_an_http_1_0_client_gets_chunks_on_time(chain: Chain) -> None:
    gate = chain.gate()
    client = chain.ask(f"/generator?gate={gate.port}&size=1&count=3", version="1.0")
    gate.open()
    assert client.head().get("connection") == "close"
    for number in range(3):
        gate.open()
        assert client.body(1) == chunk(number, 1)
    gate.open()
    assert client.rest() == b""


def test_a_body_of_announced_length_is_on_time_but_for_its_last_byte(chain: Chain) -> None:
    """The last byte says that the response is complete, so it waits for the function's end."""
    gate = chain.gate()
    client = chain.ask(f"/generator?gate={gate.port}&size=3&count=3&length=9")
    gate.open()
    assert client.head().get("content-length") == "9"
    for number in range(2):
        gate.open()
        assert client.body(3) == chunk(number, 3)
    gate.open()
    assert client.body(2) == b"CC"
    gate.open()
    assert client.rest() == b"C"


def test_pythons_client_gets_chunks_on_time(chain: Chain) -> None:
    gate = chain.gate()
    client = http.client.HTTPConnection(urlsplit(chain.url).netloc, timeout=WAIT_S)
    with closing(client):
        client.request("GET", f"/generator?gate={gate.port}&size=1&count=5")
        gate.open()
        with client.getresponse() as response:
            assert response.status == 201
            for number in range(5):
                gate.open()
                assert response.read1() == chunk(number, 1)
            gate.open()
            assert response.read() == b""


def test_curl_gets_chunks_on_time(chain: Chain) -> None:
    gate = chain.gate()
    url = f"{chain.url}/async_generator?gate={gate.port}&size=1&count=5"
    command = ["curl", "--silent", "--fail", "--no-buffer", "--max-time", str(WAIT_S), url]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as curl:
        assert curl.stdout is not None
        gate.open()  # curl shows the head with the first chunk only
        for number in range(5):
            gate.open()
            assert curl.stdout.read(1) == chunk(number, 1)
        gate.open()
        assert curl.stdout.read() == b""
    assert curl.returncode == 0
