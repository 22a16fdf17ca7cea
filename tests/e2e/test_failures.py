"""What happens when something fails, through the whole chain.

Each row of docs/topics/failures.md names the test that shows it; those that need no real function
are in tests/gateway. After every test the chain must settle: no exchange, no connection, no
invocation and no event may be left, and no secret may have been logged.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from tests.e2e.chain import Chain, Client, GatewayCommand, running, until
from tests.e2e.fails import (
    FILES,
    broken_off,
    change,
    effects,
    ended,
    event_of,
    handlers,
    invoke,
)
from tests.fakes import Broken

from tailrace.gateway.exchange import state as exchange

FAILURES = Path(__file__).parents[2] / "docs" / "topics" / "failures.md"
TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """With the deadlines as they are by default."""
    names = handlers(
        *("throws", "throws_async", "throws_writing", "wrong_chunk", "illegal_head", "short"),
        *("long", "killed", "exits", "waits_for_ever", "waits", "waits_async", "waits_writing"),
        *("floods", "answers", "answers_gated", "twice", "wrong_secret", "raw", "dies_first"),
    )
    with running(tmp_path_factory.mktemp("functions"), FILES, names) as chain:
        chain.failures_expected = True
        yield chain


@pytest.fixture
def chain(serving: Chain) -> Iterator[Chain]:
    """Settled after every test."""
    yield serving
    serving.settle()


# --- the function fails --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["throws", "throws_async", "throws_writing", "wrong_chunk"])
def test_an_exception_before_the_head_is_a_complete_500(chain: Chain, name: str) -> None:
    answer = chain.ask(f"/{name}").answer()

    assert answer.status == 500
    assert answer.json() == {"message": "Internal Server Error"}
    ended(chain, f"/{name}", ["complete"])
    until(lambda: "[ERROR]" in chain.output, "the traceback")


@pytest.mark.parametrize("name", ["throws", "throws_async", "throws_writing", "wrong_chunk"])
def test_an_exception_after_the_head_breaks_the_response(chain: Chain, name: str) -> None:
    broken = broken_off(chain.ask(f"/{name}/body?at=body"))

    assert b"half".startswith(broken.received)
    ended(chain, f"/{name}/body", ["callback-broken"])


def test_a_failed_function_is_not_tried_again(chain: Chain) -> None:
    """Its client has its answer: a second run could only have a second effect."""
    chain.ask("/throws/once").answer()
    chain.settle()

    assert effects(chain, "/throws/once") == 1


def test_an_illegal_header_is_a_complete_500(chain: Chain) -> None:
    answer = chain.ask("/illegal_head").answer()

    assert answer.status == 500
    assert answer.all("set-cookie") == []
    until(lambda: "HeadError" in chain.output, "the traceback")


@pytest.mark.parametrize(
    "body",
    [
        "<!doctype html>",
        '{"statusCode":200}',
        '{"statusCode":200,"headers":{"x":"1\\r\\nset-cookie: evil=1"}}NULS',
        '{"statusCode":99}NULS',
    ],
)
def test_a_malformed_response_is_a_complete_502(chain: Chain, body: str) -> None:
    gate = chain.gate()

    client = chain.ask(f"/raw?gate={gate.port}&body={quote(body)}")

    answer = client.answer()
    assert answer.status == 502
    assert answer.all("set-cookie") == []
    assert gate.line() == "400"
    until(lambda: chain.outcomes("/raw")[-1:] == ["malformed"], "the exchange to end")


@pytest.mark.parametrize("name", ["short", "long"])
def test_a_body_of_another_length_than_announced_is_never_complete(chain: Chain, name: str) -> None:
    broken = broken_off(chain.ask(f"/{name}"))

    assert b"half".startswith(broken.received)
    ended(chain, f"/{name}", ["malformed"])


# --- its process ends ----------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["head", "body"])
def test_a_killed_process_is_seen_at_once_and_never_run_again(chain: Chain, at: str) -> None:
    """Lambda repeats the invocation, but the callback refuses it before user code runs."""
    gate, path = chain.gate(), f"/killed/{at}"
    earlier = len(chain.output)
    client = chain.ask(f"{path}?at={at}&gate={gate.port}")
    if at == "body":
        assert client.head().status == 200
        assert client.body(4) == b"half"

    gate.open()

    if at == "body":
        with pytest.raises(Broken):
            client.rest()
    else:
        answer = client.answer()
        assert answer.status == 502
        assert "ended before it answered" in answer.json()["detail"]
    ended(chain, path, ["callback-broken"])
    chain.settle()  # the second attempt has come and gone
    assert effects(chain, path) == 1
    starts = re.findall(r"killed +\| START RequestId: (\S+)", chain.output)
    assert starts[-2] == starts[-1]
    # The second attempt is a success for Lambda. Another delivery of the event, which Lambda does
    # not rule out, is refused as well.
    assert invoke(chain, "killed", event_of(chain, path)) == b"null"
    assert effects(chain, path) == 1
    refused = r"killed +\| \[WARNING\].*the handler was not run: the peer answered 409"
    until(lambda: len(re.findall(refused, chain.output[earlier:])) == 2, "warnings")


@pytest.mark.parametrize("at", ["head", "body"])
def test_a_process_that_exits_is_like_a_killed_one(chain: Chain, at: str) -> None:
    path = f"/exits/{at}"
    client = chain.ask(f"{path}?at={at}")

    if at == "body":
        broken_off(client)
    else:
        assert client.answer().status == 502
    chain.settle()
    assert effects(chain, path) == 1


def test_a_process_killed_before_it_called_back_is_tried_again(chain: Chain) -> None:
    """Nothing has run yet, as far as the gateway knows: the client gets the second attempt."""
    answer = chain.ask("/dies_first").answer()

    assert (answer.status, answer.body) == (200, b"answer")
    assert effects(chain, "/dies_first") == 1


@pytest.mark.parametrize("at", ["head", "body"])
def test_a_function_that_lambda_ends_for_its_time_out_is_seen_at_once(
    chain: Chain, at: str
) -> None:
    change(chain, "waits_for_ever", timeout_s=1)
    path = f"/waits_for_ever/{at}"

    client = chain.ask(f"{path}?at={at}")

    if at == "body":
        broken_off(client)
    else:
        assert client.answer().status == 502
    ended(chain, path, ["callback-broken"])
    chain.settle()
    assert effects(chain, path) == 1
    until(lambda: "Task timed out" in chain.output, "the emulator's line")


# --- calling back --------------------------------------------------------------------------------


def test_a_second_callback_is_not_run(chain: Chain) -> None:
    gate = chain.gate()
    client = chain.ask(f"/twice?gate={gate.port}")
    assert client.answer().body == b"answer"
    assert gate.line() == "once"

    gate.open()

    assert gate.line() == "returned None"
    assert effects(chain, "/twice") == 1


def test_a_wrong_secret_disturbs_nobody(chain: Chain) -> None:
    answer = chain.ask("/wrong_secret").answer()

    assert (answer.status, answer.body) == (200, b"answer")
    assert effects(chain, "/wrong_secret") == 1


def test_an_event_that_is_delivered_twice_runs_once(chain: Chain) -> None:
    gate, path = chain.gate(), "/answers_gated/twice"
    client = chain.ask(f"{path}?gate={gate.port}")
    client.head()
    assert client.body(4) == b"half"

    assert invoke(chain, "answers_gated", event_of(chain, path)) == b"null"

    gate.open()
    assert client.rest() == b"whole"
    assert effects(chain, path) == 1


PROXY = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {gateway}; }} }}
}}
"""


@contextmanager
def proxy_before(gateway_url: str, folder: Path) -> Iterator[str]:
    """An nginx before the callback listener; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    settings = folder / "nginx.conf"
    settings.write_text(PROXY.format(folder=folder, port=port, gateway=gateway_url))
    process = subprocess.Popen(
        ["nginx", "-p", folder, "-c", settings], stderr=subprocess.DEVNULL,
        env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin"},
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: not refuses(url), "nginx to listen")
        yield url
    finally:
        process.terminate()
        process.wait(10)


def test_a_proxy_that_answers_for_the_gateway_runs_nothing(chain: Chain, tmp_path: Path) -> None:
    """nginx says 100 before it has asked the gateway: also for an exchange that is gone."""
    path = "/answers/proxied"
    assert chain.ask(path).answer().status == 200
    event = event_of(chain, path)
    gateway_url = re.search(rb"http://[0-9.]+:\d+(?=/[0-9a-f-]{36}/)", event)
    assert gateway_url is not None

    with proxy_before(gateway_url[0].decode(), tmp_path) as proxy_url:
        event = event.replace(gateway_url[0], proxy_url.encode())
        assert invoke(chain, "answers", event) == b"null"

    assert effects(chain, path) == 1
    warning = "the handler was not run: something between here and the gateway answers"
    until(lambda: warning in chain.output, "the warning")


# --- Lambda --------------------------------------------------------------------------------------


def test_a_function_that_lambda_does_not_know_is_502(chain: Chain) -> None:
    class Elsewhere:
        function = "no-such-function"
        transport = "callback"
        invoke_url = None
        concurrency = 10

    routes = chain.look(lambda: chain._gateway._front.find_route)
    chain.look(lambda: chain._gateway.route_by(lambda host, path: Elsewhere()))
    try:
        answer = chain.ask("/elsewhere").answer()
    finally:
        chain.look(lambda: chain._gateway.route_by(routes))

    assert answer.status == 502
    ended(chain, "/elsewhere", ["invoke-refused"])
    assert "ResourceNotFoundException" in chain.log.text()


# --- the client leaves ---------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["head", "body"])
@pytest.mark.parametrize("name", ["waits_async", "waits_writing"])
def test_an_async_handler_is_cancelled_where_it_waits(chain: Chain, name: str, at: str) -> None:
    gate, path = chain.gate(), f"/{name}/{at}"
    client = chain.ask(f"{path}?at={at}&gate={gate.port}")
    assert gate.line() == "waiting"
    if at == "body":
        client.head()
        assert client.body(4) == b"half"

    client.close()

    assert gate.line() == "cancelled"
    ended(chain, path, ["client-left"])


@pytest.mark.parametrize("at", ["head", "body"])
def test_a_sync_handler_ends_at_its_next_yield(chain: Chain, at: str) -> None:
    gate, path = chain.gate(), f"/waits/{at}"
    client = chain.ask(f"{path}?at={at}&gate={gate.port}")
    assert gate.line() == "waiting"

    client.close()
    until(lambda: chain.outcomes(path) == ["client-left"], "the gateway to notice")
    gate.open()

    assert gate.line() == "closed at its yield"
    chain.settle()
    assert effects(chain, path) == 1


def test_a_function_that_writes_is_told_that_its_client_has_left(chain: Chain) -> None:
    gate = chain.gate()
    client = chain.ask(f"/floods/leaves?gate={gate.port}")
    client.head()
    client.body(1_000_000)

    client.close()

    assert gate.line() == "closed at its yield"
    ended(chain, "/floods/leaves", ["client-left"])


def test_a_client_that_leaves_before_the_function_starts_is_not_served(chain: Chain) -> None:
    """Its event is in Lambda's queue: when its time comes, the callback is refused."""
    change(chain, "answers_gated", concurrency=1)
    gate = chain.gate()
    first = chain.ask(f"/answers_gated/first?gate={gate.port}")
    first.head()
    second = chain.ask("/answers_gated/second")
    until(lambda: chain.look(lambda: chain._gateway.statistics()["held"]) == 2, "both")

    second.close()
    until(lambda: chain.outcomes("/answers_gated/second") == ["client-left"], "the leaving")
    gate.open()

    assert first.rest() == b"halfwhole"
    chain.settle()
    assert effects(chain, "/answers_gated/second") == 0


# --- the gateway ends ----------------------------------------------------------------------------


def refuses(url: str) -> bool:
    """Whether new clients are refused."""
    parts = urlsplit(url)
    with socket.socket() as sock:
        return sock.connect_ex((parts.hostname, parts.port)) != 0


def test_a_gateway_told_to_stop_lets_streams_end(chain: Chain) -> None:
    gate = chain.gate()
    with GatewayCommand(chain) as gateway:
        client = Client(gateway.url).ask(f"/answers_gated/drain?gate={gate.port}")
        client.head()
        assert client.body(4) == b"half"

        gateway.signal(signal.SIGTERM)
        until(lambda: refuses(gateway.url), "the drain")
        gate.open()

        assert client.rest() == b"whole"
        assert gateway.wait_exit() == 0
        client.close()


def test_a_gateway_told_twice_breaks_streams_off(chain: Chain) -> None:
    streaming, waiting = chain.gate(), chain.gate()
    with GatewayCommand(chain) as gateway:
        client = Client(gateway.url).ask(f"/waits_async?at=body&gate={streaming.port}")
        client.head()
        assert client.body(4) == b"half"
        held = Client(gateway.url).ask(f"/waits_writing?gate={waiting.port}")
        assert streaming.line() == waiting.line() == "waiting"

        gateway.signal(signal.SIGTERM)
        until(lambda: refuses(gateway.url), "the drain")
        gateway.signal(signal.SIGTERM)

        with pytest.raises(Broken):
            client.rest()
        assert held.answer().status == 503
        assert streaming.line() == waiting.line() == "cancelled"
        gateway.wait_exit()
        client.close()
        held.close()


def test_a_gateway_that_is_killed_breaks_streams_off(chain: Chain) -> None:
    gate = chain.gate()
    with GatewayCommand(chain) as gateway:
        client = Client(gateway.url).ask(f"/waits_async?at=body&gate={gate.port}")
        client.head()
        assert client.body(4) == b"half"
        assert gate.line() == "waiting"

        gateway.kill()

        with pytest.raises(Broken):
            client.rest()
        assert gate.line() == "cancelled"
        until(lambda: "the response was cut short" in chain.output, "the warning")
        client.close()


# --- the table -----------------------------------------------------------------------------------

ROWS = [line for line in FAILURES.read_text().splitlines() if line.startswith("| ")]


def test_every_row_of_the_table_names_a_test() -> None:
    rows = [row for row in ROWS if not row.startswith(("| what happened", "| ---"))]
    assert len(rows) > 40

    for row in rows:
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", row)
        assert len(named) == 1, row
        file, test = named[0]
        assert f"def {test}(" in (TESTS / file).read_text(), row


def test_the_table_knows_every_outcome() -> None:
    deadlines, sources = ("first-byte", "idle", "stall", "total"), ("callback", "stream")
    outcomes = {
        loss.outcome.format(name=name)
        for event, loss in exchange.LOSSES.items()
        for name in (sources if event is exchange.SourceBroken else deadlines)
    }

    table = "\n".join(ROWS)

    assert {outcome for outcome in outcomes | {"complete"} if f"`{outcome}`" not in table} == set()
