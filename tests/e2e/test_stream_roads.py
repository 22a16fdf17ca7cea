"""Events, lines of JSON and one JSON array, unchanged, on every road."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from tests.e2e.page_roads import STOPPING, STREAMING, Pages, Road, serving_pages
from tests.fakes import Broken

BUFFERED = Road("buffered")
STREAMED = {name: road for name, road in STREAMING.items() if name != "invoke"}  # in frames
ROADS = {**STREAMED, "buffered": BUFFERED}


class Form(NamedTuple):
    """What is sent before the gate is opened, and behind it; if the function fails, `failed`."""

    first: str
    rest: str
    failed: str
    is_complete: bool


FORMS = {
    "feed": Form(
        "event: tick\ndata: one\n\n",
        'data: {"number":2}\n\nid: ~done\nevent: done\ndata: {}\n\n',
        "id: ~failed\nevent: failed\ndata: {}\n\n",
        is_complete=True,
    ),
    "lines": Form("1\n", "2\n", '{"failed":true', is_complete=False),
    "array": Form("[1\n", ",2\n]\n", "", is_complete=False),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    with serving_pages(tmp_path_factory.mktemp("streams")) as served:
        served.chain.failures_expected = True
        yield served


@pytest.fixture
def pages(served: Pages) -> Iterator[Pages]:
    yield served
    served.chain.settle()


@pytest.fixture(params=FORMS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def unpadded(name: str, text: str) -> str:
    """Without what a flush adds."""
    padding = r"^:.*\n" if name == "feed" else " +"
    return re.sub(padding, "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("road", STREAMED.values(), ids=STREAMED)
def test_each_value_comes_before_the_next_can_be_made(pages: Pages, road: Road, name: str) -> None:
    form = FORMS[name]
    (gate,) = pages.gates(1)
    reader = pages.reader(road, name, gate)

    first = reader.until(form.first)
    gate.open()

    assert form.rest not in first
    assert unpadded(name, reader.rest()) == form.first + form.rest


def test_a_buffered_response_is_complete(pages: Pages, name: str) -> None:
    (gate,) = pages.gates(1)
    client = pages.ask(BUFFERED, name, gate)
    gate.open()

    assert client.answer().body.decode() == FORMS[name].first + FORMS[name].rest


def received(reader: Any) -> tuple[str, bool]:
    """What comes, and whether it looks complete."""
    try:
        return reader.rest(), True
    except Broken:
        return reader.text, False


@pytest.mark.parametrize("road", STREAMED.values(), ids=STREAMED)
def test_a_failure_can_be_seen(pages: Pages, road: Road, name: str) -> None:
    """On Lambda's own paths, and behind Starlette's BaseHTTPMiddleware, by what is sent alone."""
    form = FORMS[name]
    (gate,) = pages.gates(1)
    reader = pages.reader(road, name, gate, fails="yes")

    reader.until(form.first)
    gate.open()
    text, is_complete = received(reader)

    assert unpadded(name, text) == form.first + form.failed
    assert is_complete or not form.is_complete
    if road in STOPPING.values() and not road.where.startswith("starlette"):
        assert is_complete == form.is_complete


@pytest.mark.parametrize("road", ROADS.values(), ids=ROADS)
def test_a_reconnect_behind_the_end_is_204(pages: Pages, road: Road) -> None:
    client = pages.ask(road, "feed", lastEventId="~done")  # the function would look for its gate

    assert client.answer().status == 204
