"""Web pages and a developer's functions, in a real browser.

The same page is opened twice: from a foreign host, whose requests must reach no function, and from
this machine, whose requests must all reach one. So each way in is known to be one. The functions
count their runs themselves.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.browser import Chromium
from tests.command import DevCommand, fetch

APP = """
import json
from pathlib import Path
from tailrace.function import Head, streamify_response

RUNS = Path(__file__).with_name("runs")


def count(event):
    with RUNS.open("a") as runs:
        runs.write(event.get("rawQueryString", json.dumps(event)) + "\\n")


@streamify_response
def streamed(event, context):
    count(event)
    yield Head(headers={"content-type": "text/html"})
    yield "<p>ran"


def plain(event, context):
    count(event)
    return {"statusCode": 200, "headers": {"content-type": "text/html"}, "body": "<p>ran"}
"""

CONFIG = """
[emulator]
allowed_origins = ["SDK"]

[functions.streamed]
handler = "app.streamed"

[functions.plain]
handler = "app.plain"
url = {}

[functions.open]
handler = "app.plain"

[functions.open.url.cors]
allow_origins = ["ORIGIN"]
allow_methods = ["*"]

[[routes]]
path = "/*"
function = "streamed"
"""

# What a page can send without asking first, and what it asks for first. Each gets a URL.
WAYS = {
    "text": "url => fetch(url, {method: 'POST', mode: 'no-cors', body: '{}'})",
    "reading text": "url => fetch(url, {method: 'POST', body: '{}'})",
    "beacon": "url => navigator.sendBeacon(url, '{}')",
    "form": """url => {
      const form = document.createElement('form');
      const frame = document.createElement('iframe');
      frame.name = 'frame' + url;
      Object.assign(form, {action: url, method: 'POST', enctype: 'text/plain', target: frame.name});
      form.innerHTML = '<input name=\\'{"a":"\\' value=\\'"}\\'>';
      document.body.append(frame, form);
      form.submit();
    }""",
    "form without a referrer": """url => {
      const meta = document.createElement('meta');
      Object.assign(meta, {name: 'referrer', content: 'no-referrer'});
      document.head.append(meta);
      const form = document.createElement('form');
      const frame = document.createElement('iframe');
      frame.name = 'frame' + url;
      Object.assign(form, {action: url, method: 'POST', enctype: 'text/plain', target: frame.name});
      document.body.append(frame, form);
      form.submit();
      meta.content = 'strict-origin-when-cross-origin';
    }""",
}
ASKING = {
    "image": "url => { new Image().src = url }",
    "frame": """url => {
      const frame = document.createElement('iframe');
      frame.src = url;
      document.body.append(frame);
    }""",
    "script": """url => {
      const script = document.createElement('script');
      script.src = url;
      document.body.append(script);
    }""",
    "get": "url => fetch(url, {mode: 'no-cors'})",
}
FROM_A_SANDBOX = """url => {
  const frame = document.createElement('iframe');
  frame.sandbox = 'allow-scripts';
  frame.srcdoc = `<script>fetch(${JSON.stringify(url)},
    {method: 'POST', mode: 'no-cors', body: '{}'})<${'/'}script>`;
  document.body.append(frame);
}"""
WITH_A_PREFLIGHT = "url => fetch(url, {method: 'PUT', body: '{}'}).catch(String)"


class Page(BaseHTTPRequestHandler):
    """An empty page at every path."""

    def do_GET(self) -> None:
        body = b"<!doctype html><title>page</title><body>"
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Place:
    """A running `tailrace dev`, and where pages come from."""

    gateway: str
    api: str
    url: str
    open_url: str
    pages_port: int
    runs_path: Path
    dev: DevCommand

    @property
    def invoke(self) -> str:
        return f"{self.api}/2015-03-31/functions/plain/invocations"

    @property
    def invoke_stream(self) -> str:
        return f"{self.api}/2021-11-15/functions/plain/response-streaming-invocations"

    def runs(self, query: str = "") -> int:
        """How often a function has run, for a query if one is given."""
        lines = self.runs_path.read_text().splitlines() if self.runs_path.exists() else []
        return sum(query in line for line in lines)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    directory = tmp_path_factory.mktemp("foreign")
    pages = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=pages.serve_forever)
    thread.start()
    origin = f"http://friend.test:{pages.server_port}"
    (directory / "app.py").write_text(APP)
    config = directory / "tailrace.toml"
    config.write_text(
        CONFIG.replace("ORIGIN", origin).replace("SDK", origin.replace("friend", "sdk"))
    )
    try:
        with DevCommand(config) as dev:
            yield Place(
                gateway=dev.url,
                api=dev.wait_line(r"Lambda +(http://\S+)")[1],
                url=dev.wait_line(r"URL +(http://\S+)/  plain")[1],
                open_url=dev.wait_line(r"URL +(http://\S+)/  open")[1],
                pages_port=pages.server_port,
                runs_path=directory / "runs",
                dev=dev,
            )
    finally:
        pages.shutdown()
        thread.join()
        pages.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    names = ("evil.test", "friend.test", "rebound.test", "sdk.test")
    rules = ", ".join(f"MAP {name} 127.0.0.1" for name in names)
    # In one process, so that one page's events tell of all of its frames.
    isolated = "--disable-features=IsolateOrigins,site-per-process,IsolateSandboxedIframes"
    with Chromium(f"--host-resolver-rules={rules}", isolated) as browser:
        yield browser


def open_page(browser: Chromium, url: str) -> None:
    browser.call("Page.navigate", url=url)
    browser.wait_until(f"location.href === {json.dumps(url)} && document.readyState !== 'loading'")


def page_of(place: Place, host: str) -> str:
    return f"http://{host}:{place.pages_port}/"


def status_of(browser: Chromium, way: str, url: str) -> int:
    """The status of the answer to what a page sends in one way, as the browser's network saw it."""
    browser.events.clear()
    browser.evaluate(f"void ({way})({json.dumps(url)})")

    def answers() -> list[int]:
        browser.evaluate("0")  # takes in what has happened
        sent = {
            event["params"]["requestId"]
            for event in browser.events
            if event["method"] == "Network.requestWillBeSent"
            and event["params"]["request"]["url"] == url
        }
        return [  # also of what the page may not see
            event["params"]["statusCode"]
            for event in browser.events
            if event["method"] == "Network.responseReceivedExtraInfo"
            and event["params"]["requestId"] in sent
        ]

    browser.wait_for(answers)
    return answers()[-1]


def targets(place: Place) -> dict[str, str]:
    return {
        "gateway": place.gateway,
        "Function URL": place.url,
        "Invoke": place.invoke,
        "InvokeWithResponseStream": place.invoke_stream,
    }


TARGETS = ("gateway", "Function URL", "Invoke", "InvokeWithResponseStream")
PATHS = [(target, way) for target in TARGETS for way in WAYS] + [
    (target, way) for target in TARGETS[:2] for way in ASKING
]


@pytest.mark.parametrize(("target", "way"), PATHS)
def test_a_foreign_page_runs_no_function(
    browser: Chromium, place: Place, target: str, way: str
) -> None:
    """And the same page of this machine does."""
    code = {**WAYS, **ASKING}[way]
    before = place.runs()

    open_page(browser, page_of(place, "evil.test"))
    assert status_of(browser, code, f"{targets(place)[target]}/?evil") == 403
    assert fetch(f"{place.gateway}/?own") == (200, "<p>ran")
    assert place.runs() == before + 1

    open_page(browser, page_of(place, "localhost"))
    status = status_of(browser, code, f"{targets(place)[target]}/?friend")
    assert (status, place.runs()) == (200, before + 2)


@pytest.mark.parametrize("target", TARGETS)
def test_a_sandboxed_frame_runs_no_function(browser: Chromium, place: Place, target: str) -> None:
    """Its origin is "null", also when it is a frame of this machine."""
    before = place.runs()

    for host in ("evil.test", "localhost"):
        open_page(browser, page_of(place, host))
        assert status_of(browser, FROM_A_SANDBOX, f"{targets(place)[target]}/?{host}") == 403

    assert place.runs() == before


@pytest.mark.parametrize("target", TARGETS)
def test_a_preflight_of_a_foreign_page_is_refused(
    browser: Chromium, place: Place, target: str
) -> None:
    before = place.runs()
    open_page(browser, page_of(place, "evil.test"))

    code = WITH_A_PREFLIGHT
    text = browser.evaluate(f"({code})({json.dumps(targets(place)[target] + '/?put')})")

    assert "TypeError" in text
    assert place.runs() == before


@pytest.mark.parametrize("target", ["gateway", "Function URL", "api"])
def test_a_name_that_was_rebound_reads_nothing(
    browser: Chromium, place: Place, target: str
) -> None:
    """The page has the server's own origin, as after the answer of a name server has changed."""
    before = place.runs()
    base = {**targets(place), "api": place.api}[target]
    rebound = base.replace("127.0.0.1", "rebound.test")
    open_page(browser, rebound + "/")

    assert "rebound.test" in browser.evaluate("document.body.innerText")
    for path in ("/", "/2015-03-31/functions/plain/invocations"):
        read = "async url => { const a = await fetch(url, {method: 'POST', body: '{}'});"
        read += " return [a.status, await a.text()] }"
        status, text = browser.evaluate(f"({read})({json.dumps(path)})")
        assert status == 403
        assert "--allow-host rebound.test" in text
    assert place.runs() == before


def test_the_cors_of_a_function_url_lets_a_page_call_it(browser: Chromium, place: Place) -> None:
    before = place.runs()
    read = "async url => (await fetch(url, {method: 'POST', body: '{}'})).text()"

    open_page(browser, page_of(place, "friend.test"))
    assert browser.evaluate(f"({read})({json.dumps(place.open_url)})") == "<p>ran"
    assert place.runs() == before + 1
    open_page(browser, page_of(place, "evil.test"))
    assert status_of(browser, WAYS["text"], place.open_url + "/") == 403
    assert place.runs() == before + 1


def test_an_sdk_in_an_allowed_page_reads_what_the_lambda_api_answers(
    browser: Chromium, place: Place
) -> None:
    """With the headers of AWS's SDKs, for which a browser asks first."""
    before = place.runs()
    call = """async url => {
      const headers = {
        "amz-sdk-invocation-id": "1", "authorization": "AWS4-HMAC-SHA256",
        "content-type": "application/octet-stream", "x-amz-date": "20261128T000000Z",
      };
      const answer = await fetch(url, {method: "POST", headers, body: "{}"});
      return [answer.status, await answer.json(), !!answer.headers.get("x-amzn-requestid")];
    }"""

    open_page(browser, page_of(place, "sdk.test"))
    status, result, has_id = browser.evaluate(f"({call})({json.dumps(place.invoke)})")
    assert (status, result["body"], has_id) == (200, "<p>ran", True)
    assert place.runs() == before + 1

    open_page(browser, page_of(place, "friend.test"))  # the CORS of a Function URL is its own
    text = browser.evaluate(f"({call})({json.dumps(place.invoke)}).catch(String)")
    assert "TypeError" in text
    assert place.runs() == before + 1


def test_a_link_on_a_foreign_page_leads_to_a_function(browser: Chromium, place: Place) -> None:
    """As the one with which a login at another site ends."""
    for base in (place.gateway, place.url):
        open_page(browser, page_of(place, "evil.test"))
        browser.evaluate(f"void (location.href = {json.dumps(base + '/?link')})")
        browser.wait_until(f"location.href === {json.dumps(base + '/?link')}")
        browser.wait_until("document.body?.innerText === 'ran'")
    assert place.runs("link") == 2  # and once or twice more for its icon


def test_the_log_names_the_page_and_the_setting(place: Place) -> None:
    line = place.dev.wait_line("refused=")[0]
    assert line
    joined = "\n".join(place.dev.lines)
    assert f"a web page of 'http://evil.test:{place.pages_port}'" in joined
    assert "allowed_origins in [emulator] of tailrace.toml" in joined
