"""The companion: what it writes, how it is asked, and that it runs on every path."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from tests.e2e.chain import Chain, serving
from tests.test_imports import foreign, imported, slow

from tailrace.probe import companion
from tailrace.probe.companion import make_handler
from tailrace.probe.limits import PROBE_COUNT_MAX, PROBE_SIZE_BYTES_MAX
from tailrace.probe.protocol import ALIASES, FIELD, FORMS, parse_parameters

MARK = re.compile(r"\[(\d+):(\d+)\]")
NOW_NS = 1_700_000_000_000_000_000


def ticking(start_ns: int = NOW_NS) -> Callable[[], int]:
    """A clock that goes on by one with each look."""
    moments = iter(range(start_ns, start_ns + 10**6))
    return lambda: next(moments)


def event(field: str | None = None, query: dict[str, str] | None = None, **more: Any) -> Any:
    headers = {} if field is None else {FIELD: field}
    return {
        "version": "2.0",
        "headers": headers,
        "queryStringParameters": query or {},
        "requestContext": {"http": {"method": "GET", "path": "/"}},
        **more,
    }


def answered(asked: Any, clock_ns: Callable[[], int] | None = None) -> Any:
    """The response as a result: nothing streams here."""
    return make_handler(clock_ns or ticking())(asked, None)


def streamed(field: str) -> str:
    result = answered(event(f"stream; interval_ms=0; {field}"))
    assert result["statusCode"] == 200, result
    return str(result["body"])


# --- what it writes --------------------------------------------------------------------------


def test_each_chunk_ends_with_the_moment_before_its_write() -> None:
    body = streamed("count=3; size=40")

    lines = body.splitlines(keepends=True)
    assert [len(line) for line in lines] == [40, 40, 40]
    marks = [MARK.search(line) for line in lines]
    assert [(m[1], m[2]) for m in marks if m] == [
        (str(i), str(NOW_NS + 1 + i))
        for i in range(3)  # the first look was at the start
    ]
    assert all(re.fullmatch(r"[0-9a-f]+ \[\d+:\d+\]\n", line) for line in lines)


def test_every_answer_names_its_environment_and_start() -> None:
    for asked in ("ping", "stream; count=1; interval_ms=0", "stream; count=x"):
        said = parse_parameters(answered(event(asked))["headers"][FIELD])

        assert said == {
            "v": "1",
            "environment": companion.environment_name(),
            "started_ns": str(NOW_NS),
        }


def test_an_environment_keeps_its_name_and_has_none_before_its_first_invocation() -> None:
    """Environments may start from one snapshot."""
    program = (
        "from tailrace.probe import companion as c; print(c._environment);"
        " print(c.environment_name() == c.environment_name(), c.environment_name())"
    )
    names = set()
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        before, after = done.stdout.splitlines()
        assert (before, after[:5]) == ("[]", "True ")
        names.add(after)
    assert len(names) == 2


def test_a_ping_is_answered_by_two_moments() -> None:
    result = answered(event("ping"))

    assert result["headers"]["content-type"] == "application/json"
    assert json.loads(result["body"]) == {
        "environment": companion.environment_name(),
        "received_ns": NOW_NS,
        "sent_ns": NOW_NS + 1,
    }


def test_chunks_are_paced_by_the_interval() -> None:
    """From the first one on, so that pauses do not add up what the writes take."""
    result = make_handler()(event("stream; count=3; interval_ms=40"), None)

    times = [int(match[2]) for match in MARK.finditer(result["body"])]
    started_ns = int(parse_parameters(result["headers"][FIELD])["started_ns"])
    for index, at_ns in enumerate(times):
        assert at_ns >= started_ns + index * 40_000_000 - 1_000_000
    assert len(times) == 3


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data)


def read_html(body: str) -> list[str]:
    parser = _Tags()
    parser.feed(body)
    return parser.texts


READERS: dict[str, Callable[[str], list[str]]] = {
    "text/plain": str.splitlines,
    "text/html": read_html,
    "text/event-stream": lambda body: [
        block.removeprefix("data: ") for block in body.split("\n\n") if block
    ],
    "application/x-ndjson": lambda body: [json.loads(x)["chunk"] for x in body.splitlines()],
    "application/json": json.loads,
    "text/css": lambda body: re.findall(r"^/\* (.*) \*/$", body, re.MULTILINE),
    "text/javascript": lambda body: re.findall(r"^// (.*)$", body, re.MULTILINE),
    "application/xml": lambda body: [x.text or "" for x in ElementTree.fromstring(body)],
}


@pytest.mark.parametrize("content_type", READERS)
@pytest.mark.parametrize("size", [1, 200])
def test_each_content_type_is_what_it_says(content_type: str, size: int) -> None:
    chunks = READERS[content_type](streamed(f"count=4; size={size}; type={content_type}"))

    found = [MARK.search(chunk) for chunk in chunks]
    assert [match[1] if match else None for match in found] == ["0", "1", "2", "3"]


@pytest.mark.parametrize("content_type", FORMS)
@pytest.mark.parametrize("size", [90, 91, 5_000])
def test_chunks_have_the_size_that_was_asked_for(content_type: str, size: int) -> None:
    result = answered(event(f"stream; interval_ms=0; count=3; size={size}; type={content_type}"))

    body = result["body"]
    length = len(body) * 3 // 4 if result.get("isBase64Encoded") else len(body)
    assert length == 3 * size


def test_every_short_name_is_that_of_a_type() -> None:
    assert sorted(ALIASES.values()) == sorted(FORMS)
    assert answered(event("stream; count=1; type=sse"))["headers"]["content-type"] == (
        "text/event-stream; charset=utf-8"
    )


# --- how it is asked -------------------------------------------------------------------------


def test_without_the_probe_it_takes_a_query() -> None:
    result = answered(event(query={"count": "2", "interval_ms": "0", "size": "50"}))

    assert [len(line) for line in result["body"].splitlines()] == [49, 49]


def test_other_front_ends_may_keep_the_case_of_a_field() -> None:
    asked = event(headers={"Tailrace-Probe": "ping"})

    assert json.loads(answered(asked)["body"])["received_ns"] == NOW_NS


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("pong", "tailrace-probe: 'pong' is neither ping nor stream"),
        ("stream; count=-1", f"count: '-1' is no whole number from 0 to {PROBE_COUNT_MAX}"),
        ("stream; count=10001", f"count: '10001' is no whole number from 0 to {PROBE_COUNT_MAX}"),
        ("stream; size=1e3", f"size: '1e3' is no whole number from 0 to {PROBE_SIZE_BYTES_MAX}"),
        ("stream; size=" + "9" * 99, f"size: '{'9' * 40}' is no whole number"),
        ("stream; interval_ms=", "interval_ms: '' is no whole number from 0 to 900000"),
        ("stream; pad=²", "pad: '²' is no whole number"),
        ("stream; count=35; size=6000000", "count: with its size and pad over 209715200 bytes"),
        ("stream; count=35; pad=6000000", "count: with its size and pad over 209715200 bytes"),
        ("stream; type=image/png", "type: 'image/png' is none of text/plain, text/html,"),
    ],
)
def test_what_it_cannot_do_it_refuses(asked: str, reason: str) -> None:
    result = answered(event(asked))

    assert result["statusCode"] == 400
    assert result["body"].startswith(reason)


@pytest.mark.parametrize("asked", [None, {}, {"headers": None}, [], "x"])
def test_any_event_is_answered(asked: Any) -> None:
    """By a plain invocation, too, whose event is whatever its caller sends."""
    assert companion._asked(asked) == companion._asked(event())


def test_a_plain_invocation_gets_the_text_alone() -> None:
    asked = {"queryStringParameters": {"count": "2", "interval_ms": "0"}}

    assert answered(asked).count("\n") == 2


# --- what it imports -------------------------------------------------------------------------


def test_it_is_cheap_to_import() -> None:
    modules = imported("from tailrace.probe import handler")

    assert foreign(modules) == set()
    assert slow(modules) == set()
    assert {name for name in modules if name.startswith("tailrace.probe")} == {
        "tailrace.probe",
        "tailrace.probe.companion",
        "tailrace.probe.limits",
        "tailrace.probe.protocol",
    }
    assert not any(
        name.startswith(("tailrace.net.client.connection", "tailrace.cli")) for name in modules
    )


def test_the_package_has_nothing_but_its_handler() -> None:
    import tailrace.probe

    assert callable(tailrace.probe.handler)
    with pytest.raises(AttributeError, match="has no attribute 'handle'"):
        _ = tailrace.probe.handle  # type: ignore[attr-defined]


# --- on every path ---------------------------------------------------------------------------

CONFIG = f"""
[functions.ours]
handler = "tailrace.probe.handler"
[functions.ours.url]
invoke_mode = "RESPONSE_STREAM"

[functions.buffered]
handler = "tailrace.probe.handler"
[functions.buffered.url]
invoke_mode = "BUFFERED"

[functions.awslambdaric]
command = [{json.dumps(sys.executable)}, "-m", "awslambdaric", "tailrace.probe.handler"]

[[routes]]
path = "/ours"
function = "ours"

[[routes]]
path = "/stream"
function = "ours"
transport = "response-stream"

[[routes]]
path = "/awslambdaric"
function = "awslambdaric"
"""


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    path = tmp_path_factory.mktemp("companion") / "tailrace.toml"
    path.write_text(CONFIG)
    with serving(path) as chain:
        yield chain


PATHS = ("/ours", "/stream", "/awslambdaric", "ours", "buffered")


def asked_at(chain: Chain, path: str, query: str, field: str | None = None) -> tuple[Any, bytes]:
    """The head and the body of an answer, by a path of the gateway or a function's URL."""
    is_route = path.startswith("/")
    client = chain.client(None if is_route else chain.function_url(path))
    fields = [] if field is None else [(FIELD, field)]
    client.ask(f"{path if is_route else '/'}?{query}", headers=fields)
    head = client.head()
    return head, client.rest()


@pytest.mark.parametrize("path", PATHS)
def test_it_streams_on_every_path(chain: Chain, path: str) -> None:
    head, body = asked_at(chain, path, "count=3&interval_ms=1&type=ndjson")

    assert head.status == 200
    assert head.get("content-type") == "application/x-ndjson"
    said = parse_parameters(head.get(FIELD) or "")
    assert said["v"] == "1" and said["started_ns"].isdigit()
    assert [json.loads(line)["chunk"].rpartition(" ")[2][:3] for line in body.splitlines()] == [
        "[0:",
        "[1:",
        "[2:",
    ]


@pytest.mark.parametrize("path", PATHS)
def test_it_is_pinged_on_every_path(chain: Chain, path: str) -> None:
    head, body = asked_at(chain, path, "", field="ping")

    said = json.loads(body)
    assert said["environment"] == parse_parameters(head.get(FIELD) or "")["environment"]
    assert said["received_ns"] <= said["sent_ns"]


def test_padding_is_written_where_it_is_needed_only(chain: Chain) -> None:
    def size(path: str) -> int:
        return len(asked_at(chain, path, "count=2&interval_ms=1&size=100&pad=1000")[1])

    assert size("/ours") == size("/stream") == 200
    assert size("ours") == 2 * (100 + 1000)


def test_it_is_found_by_its_handler_string() -> None:
    from tailrace.runtime.loading import load_handler

    assert load_handler("tailrace.probe.handler") is companion.handler


def test_a_function_that_has_it_needs_no_other_file(tmp_path: Path) -> None:
    """As deployed: the package beside nothing, the base install alone."""
    program = (
        "import sys; sys.modules.update(dict.fromkeys(('click', 'httptools', 'matplotlib')));"
        " from tailrace.probe import handler; print(handler({'headers': {'tailrace-probe':"
        " 'ping'}, 'requestContext': {'http': {'method': 'GET'}}})['statusCode'])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ""},
    )

    assert done.stdout == "200\n"
