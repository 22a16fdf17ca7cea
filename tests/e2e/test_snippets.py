"""The functions of the documentation, taken from its pages: success, failure, a client that leaves.

Each keeps the rules of docs/how-to/any-language.md: it asks before it works, a failure in mid-body
is seen by the client, a client that leaves stops it, and Lambda has no reason to run it again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.e2e.chain import Chain, running, until
from tests.e2e.fails import broken_off
from tests.fakes import Broken
from tests.node.runtimes import RUNTIMES, command
from tests.test_docs import ROOT, block, blocks

PAGE = "docs/how-to/any-language.md"
WHOLE = b"line 1\nline 2\nline 3\n"


def replace(text: str, *pairs: tuple[str, str]) -> str:
    """With each text replaced, which must be there."""
    for old, new in pairs:
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
        text = text.replace(old, new)
    return text


def runs(chain: Chain, name: str) -> int:
    """How often Lambda has run a function; a retry counts."""
    lines = [line for line in chain.output.splitlines() if "START RequestId" in line]
    return sum(re.match(rf"(\S+ )?{name}\b", line) is not None for line in lines)


def works(directory: Path) -> int:
    """How often a function has begun to work."""
    path = directory / "works"
    return len(path.read_text().splitlines()) if path.exists() else 0


# --- any language -------------------------------------------------------------------------------

SHELL = block(PAGE, "sh").text
NODE = block(PAGE, "js").text
EXAMPLE = (ROOT / "examples/node/app.mjs").read_text()

# Each: how it notes that it works, how it fails behind its first line, how it goes on for ever.
SHELL_WORKS = ("respond() {\n", "respond() {\n    echo work >>works\n")
NODE_WORKS = (
    "async function* lines() {\n",
    'import fs from "node:fs";\nasync function* lines() {\n'
    '  fs.appendFileSync("works", "work\\n");\n',
)
NODE_FAILS = (
    "    await new Promise",
    '    if (number === 1) throw Error("no luck");\n    await new Promise',
)
EXAMPLE_WORKS = (
    "async function* lines({ url, requestId }) {\n",
    'import fs from "node:fs";\nasync function* lines({ url, requestId }) {\n'
    '  fs.appendFileSync("works", "work\\n");\n',
)

SNIPPETS: dict[str, tuple[str, dict[str, str]]] = {
    "shell": (
        "function.sh",
        {
            "success": replace(SHELL, SHELL_WORKS),
            "failure": replace(SHELL, SHELL_WORKS, ("sleep 0.3", '[ "$number" = 0 ] || return 1')),
            "leaving": replace(
                SHELL, SHELL_WORKS, ("1 2 3", "$(seq 100000)"), ("sleep 0.3", "sleep 0.01")
            ),
        },
    ),
    **{
        runtime: (
            "app.mjs",
            {
                "success": replace(NODE, NODE_WORKS),
                "failure": replace(NODE, NODE_WORKS, NODE_FAILS),
                "leaving": replace(NODE, NODE_WORKS, ("number <= 3", "number <= 1e6")),
            },
        )
        for runtime in RUNTIMES
    },
    "example": (
        "app.mjs",
        {
            "success": replace(EXAMPLE, EXAMPLE_WORKS),
            "failure": replace(
                EXAMPLE, EXAMPLE_WORKS, ("    await sleep(200)", '    throw Error("no luck")')
            ),
            "leaving": replace(EXAMPLE, EXAMPLE_WORKS, ("number <= 10;", "number <= 1e6;")),
        },
    ),
}


def command_of(kind: str) -> Sequence[str]:
    if kind == "shell":
        return ["sh", "function.sh"]
    return ["node", "app.mjs"] if kind == "example" else command(kind, "app.handler")


@pytest.fixture
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Chain]:
    """A chain with the function `f`, of a kind and for a case."""
    kind, case = request.param
    name, texts = SNIPPETS[kind]
    with running(tmp_path, {name: texts[case]}, {"f": command_of(kind)}) as chain:
        chain.failures_expected = case != "success"
        yield chain


def of_case(case: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "served", [(k, case) for k in SNIPPETS], indirect=True, ids=SNIPPETS
    )


@of_case("success")
def test_a_response_is_whole(served: Chain, tmp_path: Path) -> None:
    client = served.ask("/f/")

    assert client.head().status == 200
    body = client.rest()
    assert body == WHOLE or body.count(b" of 10, written at ") == 10
    served.settle()
    assert (runs(served, "f"), works(tmp_path)) == (1, 1)
    assert served.outcomes("/f/") == ["complete"]


@of_case("failure")
def test_a_failure_in_mid_body_is_seen_and_not_tried_again(served: Chain, tmp_path: Path) -> None:
    client = served.ask("/f/")

    broken_off(client)
    served.settle()
    assert (runs(served, "f"), works(tmp_path)) == (1, 1)
    assert served.outcomes("/f/") == ["callback-broken"]


@of_case("leaving")
def test_a_client_that_leaves_stops_the_work_and_costs_one_run(
    served: Chain, tmp_path: Path
) -> None:
    client = served.ask("/f/")
    assert client.head().status == 200
    client.close()

    until(lambda: served.outcomes("/f/") == ["client-left"], "the exchange to end")
    served.settle()  # waits until the function has ended, which would write a million lines
    assert (runs(served, "f"), works(tmp_path)) == (1, 1)


@of_case("success")
def test_nothing_is_done_for_an_exchange_that_is_gone(served: Chain, tmp_path: Path) -> None:
    """A retry, say: the gateway knows no such exchange, and answers 404."""
    gone = "8f5b6a0e-5d0e-4f1c-9a53-0e3a2b6f1c11"
    url = f"{served.callback_url}/{gone}/{'0' * 32}"
    event = {"origin": url, "requestId": gone, "url": "/f/"}
    served.failures_expected = True  # Node.js logs what the gateway has answered

    client = served.client(served.emulator_url)
    path = "/2015-03-31/functions/f/invocations"
    text = json.dumps(event, separators=(",", ":")).encode()
    client.ask(path, method="POST", body=text)

    assert client.head().status == 200
    assert client.rest() == b"null"
    assert works(tmp_path) == 0


# --- Python -------------------------------------------------------------------------------------

COUNTED = '''
"""The decorator of the snippets: notes each run, and fails behind the first chunk if asked to."""

import functools
import inspect
import os
from contextlib import contextmanager
from pathlib import Path

import tailrace.function

FAILS = os.environ.get("FAILS") == "yes"


class Failing:
    """A response whose second write fails."""

    def __init__(self, response):
        self._response = response
        self._count = 0

    def __getattr__(self, name):
        return getattr(self._response, name)

    async def write(self, chunk):
        self._count += 1
        await self._response.write(chunk)
        raise RuntimeError("no luck")


def is_body(item):
    return isinstance(item, (str, bytes)) and bool(item)


def counted(function):
    @functools.wraps(function)
    def generate(event, context):
        note()
        chunks = function(event, context)
        for item in chunks:
            yield item
            if FAILS and is_body(item):
                chunks.throw(RuntimeError("no luck"))

    @functools.wraps(function)
    async def generate_async(event, context):
        note()
        chunks = function(event, context)
        try:
            async for item in chunks:
                yield item
                if FAILS and is_body(item):
                    await chunks.athrow(RuntimeError("no luck"))
        finally:
            await chunks.aclose()

    @functools.wraps(function)
    async def write(event, response, context):
        note()
        await function(event, Failing(response) if FAILS else response, context)

    if inspect.isasyncgenfunction(function):
        return generate_async
    return generate if inspect.isgeneratorfunction(function) else write


def note():
    with open("works", "a") as works:
        works.write("work\\n")


def streamify_response(function=None, **options):
    if function is None:
        return functools.partial(streamify_response, **options)
    return tailrace.function.streamify_response(counted(function), **options)
'''
PAGES = (
    "README.md",
    "docs/tutorial.md",
    "docs/how-to/managed-python-runtime.md",
    "docs/how-to/stop-when-the-client-leaves.md",
    "docs/how-to/use-response-stream-routes.md",
    "docs/topics/which-path.md",
    "docs/reference/sdk.md",
)


def python_snippets() -> dict[str, str]:
    """Every function on these pages that serves a GET, by page and line."""
    return {
        f"{page}:{each.line}": each.text
        for page in PAGES
        for each in blocks(page)
        if each.info[0] == "python"
        and re.search(r"^@streamify_response", each.text, re.MULTILINE)
        and '!= "POST"' not in each.text
    }


PYTHON = python_snippets()


@contextmanager
def serving_snippet(directory: Path, source: str, *, fails: bool = False) -> Iterator[Chain]:
    lines = re.sub(r"\bstreamify_response, |, streamify_response\b", "", source)
    lines = lines.replace("from tailrace.function import streamify_response\n", "")
    app = "from counted import streamify_response\n" + lines
    if fails:
        app = 'import os\nos.environ["FAILS"] = "yes"\n' + app
    files = {"app.py": app, "counted.py": COUNTED}
    (name,) = re.findall(r"^@streamify_response.*\n(?:async )?def (\w+)", source, re.MULTILINE)
    with running(directory, files, {"f": f"app.{name}"}) as chain:
        yield chain


def is_endless(source: str) -> bool:
    return "while True" in source or "range(1, 1000)" in source


def test_every_page_with_functions_is_among_the_pages() -> None:
    for path in sorted((ROOT / "docs").rglob("*.md")):
        name = str(path.relative_to(ROOT))
        if "@streamify_response\n" in path.read_text() and "facts" not in name:
            sources = [b.text for b in blocks(name) if b.info[0] == "python"]
            if any("def handler(event" in source for source in sources):
                assert name in PAGES


@pytest.mark.parametrize("source", PYTHON.values(), ids=PYTHON)
def test_a_function_in_python_fails_visibly_and_once(source: str, tmp_path: Path) -> None:
    with serving_snippet(tmp_path, source, fails=True) as chain:
        chain.failures_expected = True
        client = chain.ask("/f/?prompt=hello")
        assert client.head().status in (200, 201, 202)
        with pytest.raises(Broken):
            client.rest()
        chain.settle()
        assert (runs(chain, "f"), works(tmp_path)) == (1, 1)
        assert chain.outcomes("/f/") == ["callback-broken"]


@pytest.mark.parametrize("source", PYTHON.values(), ids=PYTHON)
def test_a_function_in_python_answers_or_is_stopped(source: str, tmp_path: Path) -> None:
    """To its end where it has one; otherwise its client leaves behind the first chunk."""
    with serving_snippet(tmp_path, source) as chain:
        client = chain.ask("/f/?prompt=hello")
        assert client.head().status in (200, 201, 202)
        if is_endless(source):
            assert client.some()
            client.close()
            until(lambda: chain.outcomes("/f/") == ["client-left"], "the exchange to end")
        elif "RuntimeError(" in source:
            chain.failures_expected = True
            with pytest.raises(Broken):
                client.rest()
        else:
            assert client.rest()
            until(lambda: chain.outcomes("/f/") == ["complete"], "the exchange to end")
        chain.settle()
        assert (runs(chain, "f"), works(tmp_path)) == (1, 1)


@pytest.mark.parametrize("source", PYTHON.values(), ids=PYTHON)
def test_a_client_of_a_function_in_python_may_leave(source: str, tmp_path: Path) -> None:
    with serving_snippet(tmp_path, source) as chain:
        chain.failures_expected = True  # the tutorial's failure may come first
        client = chain.ask("/f/?prompt=hello")
        assert client.head().status in (200, 201, 202)
        client.close()
        until(lambda: chain.outcomes("/f/"), "the exchange to end")
        chain.settle()
        assert (runs(chain, "f"), works(tmp_path)) == (1, 1)
        # One that was quick has its response in the kernel's buffers before its client leaves.
        assert chain.outcomes("/f/")[0] in ("client-left", "complete", "callback-broken")
