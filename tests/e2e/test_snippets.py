"""The functions of the documentation, taken from its pages: success, failure, a client that leaves.

Each keeps the rules of docs/how-to/any-language.md: it asks before it works, a failure in mid-body
is seen by the client, a client that leaves stops it, and Lambda has no reason to run it again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.e2e.chain import Chain, running, until
from tests.e2e.fails import broken_off
from tests.node.runtimes import RUNTIMES, command
from tests.test_docs import ROOT, block

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
