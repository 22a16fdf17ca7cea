"""One page function, unchanged, on every road: each part is there before the next may be made."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.e2e.page_roads import STREAMING, Pages, Road, serving_pages

FIRST = "<b>one is done</b>"
SECOND = "<b>two is done</b>"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    with serving_pages(tmp_path_factory.mktemp("pages")) as served:
        yield served


@pytest.fixture
def pages(served: Pages) -> Iterator[Pages]:
    yield served
    served.chain.settle()


@pytest.mark.parametrize("road", STREAMING.values(), ids=STREAMING)
def test_each_part_comes_when_it_is_done(pages: Pages, road: Road) -> None:
    one, two = pages.gates(2)
    reader = pages.reader(road, "report", one, two, title="<Q3>")

    shell = reader.until("the end")
    assert "<h1>&lt;Q3&gt;</h1>" in shell
    assert "adding up" in shell
    assert "done" not in shell

    two.open()
    assert FIRST not in reader.until(SECOND)
    one.open()
    reader.until(FIRST)
    assert "</body></html>" in reader.rest()


def test_a_buffered_page_is_finished_and_in_order(pages: Pages) -> None:
    one, two = pages.gates(2)
    client = pages.ask(Road("buffered"), "report", one, two)

    two.open()
    assert two.line() == "begun"
    assert two.line() == "ended"
    assert not client.has_more
    one.open()
    answer = client.answer()

    assert answer.status == 200
    assert answer.body.decode() == (
        "<!doctype html><title>Report</title><h1>Sales</h1>"
        f"{FIRST}{SECOND}<p>the end</p></body></html>"
    )


REQUESTS = {
    "plain": ("GET", "/a", (), b""),
    "encoded": ("GET", "/a%20b%2Fc/%C3%A4?q=%26&q=2&empty=&plus=a+b", (), b""),
    "percent": ("GET", "/100%25/%zz", (), b""),
    "latin-1": ("GET", "/%E4", (("x-name", "caf\u00e9"),), b""),
    "dots": ("GET", "/a/../b//c/.", (), b""),
    "repeated": ("GET", "/a", (("x-a", "1"), ("X-A", "2"), ("accept", "a, b")), b""),
    "cookies": ("GET", "/a", (("cookie", "a=1; b=2"), ("cookie", "c=3")), b""),
    "body": ("POST", "/a", (("content-type", "text/plain; charset=latin-1"),), b"\xe4 body"),
    "method": ("PATCH", "/a?", (("content-type", "application/json"),), b"{}"),
    "question": ("GET", "/a??b?c=d", (), b""),
}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_the_request_is_the_same_under_a_server_and_in_a_function(
    pages: Pages, request_: tuple[str, str, tuple[tuple[str, str], ...], bytes]
) -> None:
    method, target, fields, body = request_
    roads = (Road("free"), Road("uvicorn"), Road("uvicorn-h11"), Road("hypercorn"))

    seen = [pages.get(road, target, method, fields, body).body for road in roads]

    of_function, *of_servers = [comparable(each) for each in seen]
    for of_server in of_servers:
        assert of_server == of_function


def comparable(body: bytes) -> tuple[object, ...]:
    """What a page has seen of a request, without what its front end adds or knows."""
    seen, fields, text, query = json.loads(body)
    added = ("x-forwarded-", "x-amzn-", "x-amz-", "host", "content-length")
    for name in ("port", "host"):  # each listens somewhere else
        del seen[name]
    return seen, {n: v for n, v in fields.items() if not n.startswith(added)}, text, query


@pytest.mark.parametrize("name", [name for name in STREAMING if name not in ("invoke", "fastapi")])
def test_the_answer_to_head_is_a_head(pages: Pages, name: str) -> None:
    road = STREAMING[name]

    answer = pages.get(road, pages.target(road, "hello"), "HEAD")

    assert answer.status == 200
    assert answer.get("content-type") == "text/html; charset=utf-8"
    assert answer.body == b""


@pytest.mark.parametrize("name", ["url-held-back", "url-asgi", "gateway-stream", "callback"])
def test_a_page_that_cannot_be_flushed_is_complete(pages: Pages, name: str) -> None:
    (one,) = pages.gates(1)
    road = STREAMING[name]
    size = len("half<b>one is done</b>rest")
    client = pages.ask(road, "promises", one, length=str(size))
    one.open()

    assert client.answer().body == b"half<b>one is done</b>rest"
