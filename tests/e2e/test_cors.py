"""Cross-origin pages of a real browser at Function URLs."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.browser import Chromium
from tests.e2e.chain import Chain, serving

APP = """
import json

def page(event, context):
    return {"statusCode": 200, "headers": {"content-type": "text/html"}, "body": "<p>a page"}

def plain(event, context):
    return {"statusCode": 200, "body": json.dumps("fine")}

def allowing(event, context):
    headers = {"Access-Control-Allow-Origin": "*"}
    return {"statusCode": 200, "headers": headers, "body": json.dumps("fine")}
"""
STREAMED = """
import json
from tailrace.function import Head, streamify_response

@streamify_response
def allowing(event, context):
    yield Head(200, {"Access-Control-Allow-Origin": "*"})
    yield json.dumps("fine")
"""
CORS = """
[functions.{name}.url.cors]
allow_origins = ["*"]
allow_methods = ["PUT"]
allow_headers = ["X-Own"]
"""
CONFIGURATION = """
[functions.page]
handler = "app.page"
[functions.page.url]
[functions.url]
handler = "app.plain"
[functions.url.url]
[functions.own]
handler = "app.allowing"
[functions.own.url]
[functions.none]
handler = "app.plain"
[functions.none.url]
[functions.twice]
handler = "app.allowing"
[functions.twice.url]
[functions.streamed]
handler = "streamed.allowing"
environment = { TAILRACE_RESPONSE_MODE = "stream" }
[functions.streamed.url]
invoke_mode = "RESPONSE_STREAM"
""" + "".join(CORS.format(name=name) for name in ("url", "twice", "streamed"))


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    directory = tmp_path_factory.mktemp("cors")
    (directory / "app.py").write_text(APP)
    (directory / "streamed.py").write_text(STREAMED)
    (directory / "tailrace.toml").write_text(CONFIGURATION)
    with serving(directory / "tailrace.toml") as chain:
        yield chain


@pytest.fixture(scope="module")
def page(chain: Chain) -> Iterator[Chromium]:
    """A page of another origin: each Function URL has a port of its own."""
    with Chromium() as browser:
        browser.call("Page.navigate", url=chain.function_url("page"))
        browser.wait_until("document.body?.innerText === 'a page'")
        yield browser


def fetched(page: Chromium, url: str, **options: object) -> object:
    """What the page gets of a fetch; None when its browser refuses the response."""
    page.problems.clear()
    given = json.dumps(options)
    return page.evaluate(
        f"fetch({url!r}, {given}).then(answer => answer.json()).catch(error => null)"
    )


@pytest.mark.parametrize("name", ["url", "own"])
def test_a_page_reads_what_one_place_allows(chain: Chain, page: Chromium, name: str) -> None:
    assert fetched(page, chain.function_url(name)) == "fine"
    assert page.problems == []


def test_a_page_reads_nothing_that_no_place_allows(chain: Chain, page: Chromium) -> None:
    assert fetched(page, chain.function_url("none")) is None
    assert "No 'Access-Control-Allow-Origin' header is present" in str(page.problems)


@pytest.mark.parametrize("name", ["twice", "streamed"])
def test_a_page_is_refused_what_two_places_allow(chain: Chain, page: Chromium, name: str) -> None:
    """As at Lambda's Function URLs: what works here works there."""
    assert fetched(page, chain.function_url(name)) is None
    origin = chain.function_url("page")
    assert f"contains multiple values '*, {origin}'" in str(page.problems)


def test_a_preflight_gets_the_urls_answer_alone(chain: Chain, page: Chromium) -> None:
    """So what needs one is allowed, and the response itself is refused all the same."""
    put = {"method": "PUT", "headers": {"x-own": "1"}}
    assert fetched(page, chain.function_url("url"), **put) == "fine"
    assert fetched(page, chain.function_url("twice"), **put) is None
    assert "contains multiple values" in str(page.problems)
    assert fetched(page, chain.function_url("url"), method="DELETE") is None
    assert "Method DELETE is not allowed" in str(page.problems)
