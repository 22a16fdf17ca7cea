"""Routes of response streams through the whole chain: gateway, emulator, real processes.

`tests/gateway/test_lambda_stream.py` has a Lambda that misbehaves; here everybody does his best.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import pytest
from tests.command import Command
from tests.e2e.chain import ANY_PORT, Chain, serving, until
from tests.e2e.client import Client
from tests.e2e.gate import SOURCE
from tests.fakes import Broken

MIB = 1024 * 1024
TOTAL = 64 * MIB
PIECE = 64 * 1024

APP = '''
import base64
import os
import time

from gate import Gate, query
from tailrace.function import Head, streamify_response

TEXT = Head(201, {"content-type": "text/plain"}, ["a=1"])


@streamify_response
def counts(event, context):
    """Each chunk when the test lets it go."""
    with Gate(event) as gate:
        yield TEXT
        for number in range(3):
            gate.wait()
            yield f"{number}\\n"
        gate.wait()


@streamify_response
def says(event, context):
    """What it was asked."""
    body = base64.b64decode(event.get("body", ""))
    yield Head(headers={"x-transport": event["tailrace"].get("transport", "callback")})
    yield f"{event['requestContext']['http']['method']} {len(body)}"


@streamify_response
def fails(event, context):
    if query(event)["at"] == "body":
        yield TEXT
        yield "half"
    raise ValueError("the password is swordfish")


@streamify_response
def dies(event, context):
    yield TEXT
    yield "half"
    with Gate(event) as gate:
        gate.wait()
    os._exit(1)


@streamify_response
def pours(event, context):
    with Gate(event) as gate:
        yield TEXT
        for count in range(1024):
            yield bytes(65536)
            gate.tell(count)


@streamify_response
def works_on(event, context):
    """Notes when it has ended."""
    with Gate(event) as gate:
        yield TEXT
        gate.wait()
        yield "x"
        gate.wait()
        yield "y"
        gate.tell("done")


def plain(event, context):
    """Does not stream."""
    return {"statusCode": 404, "headers": {"x-a": "1"}, "cookies": ["a=1"], "body": "gone"}


@streamify_response
def sleeps(event, context):
    yield TEXT
    yield "half"
    time.sleep(60)
'''

NAMES = ("counts", "says", "fails", "dies", "pours", "works_on", "plain", "sleeps")


def configuration() -> str:
    lines = ["[emulator]", "retry_delay_scale = 0"]
    for name in NAMES:
        lines += [f"[functions.{name}]", f'handler = "app.{name}"', "concurrency = 2"]
        lines += ["timeout_s = 1" if name == "sleeps" else "timeout_s = 60"]
        lines += ["[[routes]]", f'path = "/{name}/*"', f'function = "{name}"']
        lines += ['transport = "response-stream"']
        lines += ["[[routes]]", f'path = "/callback/{name}"', f'function = "{name}"']
    return "\n".join([*lines, ""])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    directory = tmp_path_factory.mktemp("functions")
    (directory / "app.py").write_text(APP)
    (directory / "gate.py").write_text(SOURCE)
    path = directory / "tailrace.toml"
    path.write_text(configuration())
    with serving(path) as chain:
        chain.failures_expected = True
        yield chain


def broken_body(client: Client) -> bytes:
    """What came of a body that must not be complete."""
    with pytest.raises(Broken) as broken:
        client.rest()
    return broken.value.received


def test_a_chunk_is_at_the_client_before_the_next_is_written(chain: Chain) -> None:
    gate = chain.gate()
    client = chain.ask(f"/counts/?gate={gate.port}")

    head = client.head()
    assert (head.status, head.get("content-type"), head.all("set-cookie")) == (
        201,
        "text/plain",
        ["a=1"],
    )
    for number in range(3):
        gate.open()
        assert client.body(2) == b"%d\n" % number
    assert not client.has_more
    gate.open()
    assert client.rest() == b""
    until(lambda: chain.outcomes("/counts/") == ["complete"], "the exchange to end")


def test_one_handler_serves_both_transports(chain: Chain) -> None:
    natively = chain.ask("/says/it").answer()
    by_callback = chain.ask("/callback/says").answer()

    assert (natively.get("x-transport"), natively.body) == ("response-stream", b"GET 0")
    assert (by_callback.get("x-transport"), by_callback.body) == ("callback", b"GET 0")


def test_a_body_that_no_callback_could_have_reaches_the_function(chain: Chain) -> None:
    body = bytes(range(256)) * (4 * MIB // 256)

    answer = chain.ask("/says/large", "POST", body=body).answer()
    refused = chain.ask("/callback/says", "POST", [("content-length", str(len(body)))]).answer()

    assert answer.body == b"POST %d" % len(body)
    assert refused.status == 413


def test_a_function_that_fails_before_its_head_is_a_502(chain: Chain) -> None:
    answer = chain.ask("/fails/early?at=head").answer()

    assert answer.status == 502
    assert answer.json()["detail"] == "the function failed"
    assert b"swordfish" not in answer.body
    until(lambda: "swordfish" in chain.output, "the traceback")


def test_a_function_that_fails_after_its_head_breaks_the_response(chain: Chain) -> None:
    client = chain.ask("/fails/late?at=body")
    assert client.head().status == 201

    assert b"half".startswith(broken_body(client))
    until(lambda: chain.outcomes("/fails/late") == ["function-failed"], "the exchange to end")
    assert "the password is swordfish" in chain.log.text()


def test_a_process_that_dies_breaks_the_response(chain: Chain) -> None:
    gate = chain.gate()
    client = chain.ask(f"/dies/?gate={gate.port}")
    assert client.head().status == 201
    assert client.body(4) == b"half"

    gate.open()

    assert broken_body(client) == b""
    until(lambda: chain.outcomes("/dies/") == ["function-failed"], "the exchange to end")


def test_a_function_that_lambda_ends_for_its_time_out_breaks_the_response(chain: Chain) -> None:
    client = chain.ask("/sleeps/")
    assert client.head().status == 201

    assert broken_body(client) == b"half"
    until(lambda: chain.outcomes("/sleeps/") == ["function-failed"], "the exchange to end")
    assert "Timedout" in chain.log.text()


def test_a_busy_function_is_refused_at_once(chain: Chain) -> None:
    """A callback's event would wait."""
    gates = [chain.gate() for _ in range(2)]
    clients = [chain.ask(f"/counts/busy?gate={gate.port}") for gate in gates]
    assert [client.head().status for client in clients] == [201, 201]

    refused = chain.ask("/counts/refused").answer()

    assert (refused.status, refused.get("retry-after")) == (503, "1")
    for gate, client in zip(gates, clients, strict=True):
        for _ in range(4):
            gate.open()
        assert client.rest() == b"0\n1\n2\n"


def test_a_result_that_is_no_stream_is_what_it_means(chain: Chain) -> None:
    answer = chain.ask("/plain/").answer()

    assert (answer.status, answer.get("x-a"), answer.body) == (404, "1", b"gone")
    assert "function=plain buffered=1" in chain.log.text()


def test_a_client_that_reads_nothing_holds_the_function_back(chain: Chain) -> None:
    gate = chain.gate()
    client = chain.client(receive_bytes=64 * 1024).ask(f"/pours/?gate={gate.port}")
    assert client.head().status == 201
    until(lambda: chain.look(lambda: is_paused(chain, "/pours/")), "Lambda to be held back")

    written = int(gate.latest("0"))

    assert written * PIECE < TOTAL - PIECE
    assert len(client.rest()) == TOTAL


def is_paused(chain: Chain, path: str) -> bool:
    """Whether the gateway reads no more of a stream; looked at from inside, on its loop."""
    source: Any = chain.held(path).source
    return not source.stream._transport.is_reading()


def test_a_client_that_leaves_does_not_stop_the_function(chain: Chain) -> None:
    """As on Lambda: what streams natively is not told."""
    gate = chain.gate()
    client = chain.ask(f"/works_on/?gate={gate.port}")
    assert client.head().status == 201

    client.close()
    until(lambda: chain.outcomes("/works_on/") == ["client-left"], "the exchange to end")
    gate.open()
    gate.open()

    assert gate.line() == "done"


class FunctionGateway(Command):
    """A gateway before one function, without a file."""

    def __init__(self, *arguments: str) -> None:
        ports = ("--listen", str(ANY_PORT), "--callback-listen", str(ANY_PORT))
        super().__init__(["gateway", *ports, *arguments])

    def __enter__(self) -> Self:
        super().__enter__()
        self.url = self.wait_line(r"gateway on (http://\S+), called back")[1]
        return self


def test_a_function_that_lambda_does_not_know_is_502(chain: Chain) -> None:
    arguments = ("--function", "nobody", "--endpoint-url", chain.emulator_url)
    with FunctionGateway(*arguments, "--transport", "response-stream") as gateway:
        answer = chain.client(gateway.url).ask("/").answer()

        assert answer.status == 502
        gateway.wait_line("Lambda answered 404")


def test_a_function_may_be_invoked_by_a_url(chain: Chain) -> None:
    """Here the URL is that of a synchronous invocation: it answers when the function has ended."""
    url = f"{chain.emulator_url}/2015-03-31/functions/counts/invocations"
    with FunctionGateway("--function", url) as gateway:
        gate = chain.gate()
        client = chain.client(gateway.url).ask(f"/?gate={gate.port}")
        assert client.head().status == 201
        for number in range(3):
            gate.open()
            assert client.body(2) == b"%d\n" % number
        gate.open()
        assert client.rest() == b""
        gateway.wait_line(r"transport=callback status=201 outcome=complete")


def test_what_the_options_do_not_allow_is_said() -> None:
    for arguments, said in (
        (["--transport", "response-stream"], "--transport: belongs to --function"),
        (
            ["--function", "https://example.com/", "--transport", "response-stream"],
            "--transport: what a URL invokes calls back",
        ),
    ):
        with Command(["gateway", *arguments]) as command:
            command.wait_line(said)
            assert command.wait_exit() == 2
