"""Frames through the whole chain, with an emulator that holds small chunks back as Lambda does.

A function waits at its gate for the test, which opens it only when the client has read what came
before: without a flush every one of these tests would wait in vain.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from tests.e2e.chain import Chain, serving, until
from tests.e2e.gate import SOURCE
from tests.fakes import Broken

from tailrace.emulator.outlet import Outlet

APP = '''
import os

from gate import Gate, query
from tailrace.function import FLUSH, FlushPolicy, Head, streamify_response

PNG = Head(201, {"content-type": "image/png"})
PIECES = (b"\\x89PNG\\r\\n", bytes(64), b"P\\0\\0\\0\\5E\\0\\0\\0\\x08")


@streamify_response
def image(event, context):
    """Each piece is flushed, and the next one made when the test lets it."""
    with Gate(event) as gate:
        yield PNG
        yield FLUSH
        for piece in PIECES:
            gate.wait()
            yield piece
            yield FLUSH
        gate.wait()


@streamify_response
async def writer(event, response, context):
    """The same by a writer; and nothing is flushed twice."""
    with Gate(event) as gate:
        response.set_head(PNG)
        await response.flush()
        for piece in PIECES:
            await gate.wait_async()
            await response.write(piece)
            await response.flush()
            await response.flush()
        await gate.wait_async()


@streamify_response(flush="adaptive")
async def adaptive(event, response, context):
    """Nobody asks for a flush."""
    with Gate(event) as gate:
        response.set_head(PNG)
        await response.flush()
        for piece in PIECES:
            await gate.wait_async()
            await response.write(piece)
        await gate.wait_async()


@streamify_response(flush="adaptive")
def adaptive_sync(event, context):
    with Gate(event) as gate:
        yield PNG
        gate.wait()
        for piece in PIECES:
            yield piece
            gate.wait()


@streamify_response
def unflushed(event, context):
    with Gate(event) as gate:
        yield PNG
        yield PIECES[0]
        gate.wait()


def old(event, context):
    """An SDK that knows no frames does not look whether it is asked for them."""
    event["tailrace"] = {"v": 1, "transport": "response-stream"}
    return unflushed(event, context)


@streamify_response
def empty(event, context):
    yield Head(int(query(event)["status"]), {"x-a": "1"})
    yield FLUSH
    yield b"nobody reads this"


@streamify_response
def fails(event, context):
    yield PNG
    yield b"half"
    yield FLUSH
    with Gate(event) as gate:
        gate.wait()
    if query(event)["how"] == "exit":
        os._exit(1)
    raise ValueError("the password is swordfish")


@streamify_response
def large(event, context):
    yield PNG
    for number in range(64):
        yield bytes([number]) * 50_000
        if number % 8 == 0:
            yield FLUSH
'''

NAMES = (
    *("image", "writer", "adaptive", "adaptive_sync"),
    *("unflushed", "old", "empty", "fails", "large"),
)
PIECES = (b"\x89PNG\r\n", bytes(64), b"P\0\0\0\5E\0\0\0\x08")


def configuration() -> str:
    lines = ["[emulator]", "retry_delay_scale = 0"]
    for name in NAMES:
        lines += [f"[functions.{name}]", f'handler = "app.{name}"', 'hold_back = "lambda"']
        lines += ["timeout_s = 60", "concurrency = 2"]
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


def held_bytes(chain: Chain) -> int:
    """How much the emulator holds back now."""
    # From inside: no socket tells it.
    outlets = [found for found in gc.get_objects() if issubclass(type(found), Outlet)]
    return chain.look(lambda: sum(outlet.held_bytes for outlet in outlets))


def summary(chain: Chain, path: str) -> str:
    """The gateway's line of the one exchange of a path."""
    until(lambda: chain.outcomes(path), "the exchange to end")
    lines = chain.log.named("tailrace.gateway.exchange")
    (line,) = [line for line in lines if f" path={path} " in line]
    return line


@pytest.mark.parametrize("name", ["image", "writer", "adaptive", "adaptive_sync"])
def test_a_flushed_image_is_at_the_client_before_the_function_goes_on(
    chain: Chain, name: str
) -> None:
    gate = chain.gate()
    client = chain.ask(f"/{name}/?gate={gate.port}")

    head = client.head()
    assert (head.status, head.get("content-type")) == (201, "image/png")
    assert head.get("tailrace-frames") is None
    for piece in PIECES:
        gate.open()
        assert client.body(len(piece)) == piece
    assert not client.has_more  # no padding, and no end
    gate.open()
    assert client.rest() == b""

    size = sum(map(len, PIECES))
    line = summary(chain, f"/{name}/")
    assert f" status=201 outcome=complete bytes={size} padded=400000 first_byte_ms=" in line


def test_the_same_function_calls_back_without_padding(chain: Chain) -> None:
    gate = chain.gate()
    client = chain.ask(f"/callback/image?gate={gate.port}")

    assert client.head().status == 201
    for piece in PIECES:
        gate.open()
        assert client.body(len(piece)) == piece
    gate.open()
    assert client.rest() == b""

    assert " outcome=complete bytes=80 padded=0 " in summary(chain, "/callback/image")


@pytest.mark.parametrize("name", ["unflushed", "old"])
def test_what_is_not_flushed_is_held_back(chain: Chain, name: str) -> None:
    """With frames and without: a function that knows none is served as ever."""
    gate = chain.gate()
    client = chain.ask(f"/{name}/?gate={gate.port}")

    until(lambda: held_bytes(chain), "the emulator to hold something back")
    assert not client.has_more
    gate.open()

    head = client.head()
    assert (head.status, head.get("content-type")) == (201, "image/png")
    assert client.rest() == PIECES[0]
    assert " outcome=complete bytes=6 padded=0 " in summary(chain, f"/{name}/")


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_a_response_without_a_body_has_none(chain: Chain, method: str, status: int) -> None:
    path = f"/empty/{method}-{status}"

    client = chain.ask(f"{path}?status={status}", method)

    head = client.head()
    assert (head.status, head.get("x-a"), client.rest()) == (status, "1", b"")
    assert not client.has_more
    assert " outcome=complete bytes=0 " in summary(chain, path)


def test_a_failure_after_the_head_breaks_the_response(chain: Chain) -> None:
    gate = chain.gate()
    client = chain.ask(f"/fails/raise?how=raise&gate={gate.port}")
    assert client.head().status == 201
    assert client.body(4) == b"half"

    gate.open()

    with pytest.raises(Broken) as broken:
        client.rest()
    assert broken.value.received == b""
    line = summary(chain, "/fails/raise")
    assert " outcome=function-failed bytes=4 padded=100000 " in line
    (said,) = [line for line in chain.log.text().splitlines() if "swordfish" in line]
    assert '{"errorType": "ValueError", "errorMessage": "the password is swordfish"}' in said


def test_a_process_that_dies_breaks_the_response(chain: Chain) -> None:
    gate = chain.gate()
    client = chain.ask(f"/fails/exit?how=exit&gate={gate.port}")
    assert client.head().status == 201
    assert client.body(4) == b"half"

    gate.open()

    with pytest.raises(Broken):
        client.rest()
    assert " outcome=function-failed " in summary(chain, "/fails/exit")


def test_a_large_body_comes_through_its_frames_and_flushes(chain: Chain) -> None:
    answer = chain.ask("/large/").answer()

    assert answer.body == b"".join(bytes([number]) * 50_000 for number in range(64))
    assert " outcome=complete bytes=3200000 padded=800000 " in summary(chain, "/large/")
