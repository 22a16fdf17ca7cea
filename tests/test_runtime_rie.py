"""Our runtime beside AWS's own, both under AWS's runtime interface emulator: the same answers."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.rie import Rie, RieAnswer, running_rie

MODULES = ("tailrace.runtime", "awslambdaric")

APP = """
import decimal, os, sys, time, threading

class Custom(Exception):
    def __str__(self):
        return "käse\\nin two lines"

def fails_in_its_text():
    class Odd(Exception):
        def __init__(self):
            super().__init__(1, "two", None)
    raise Odd

def nested():
    try:
        try:
            {}["missing"]
        except KeyError as error:
            raise ValueError("second") from error
    except ValueError:
        raise RuntimeError("third")

def group():
    raise ExceptionGroup("several", [ValueError(1), TypeError(2)])

def deep(depth):
    return deep(depth - 1) if depth else {}["missing"]

def raises(error):
    raise error

def circular():
    result = []
    result.append(result)
    return result

CASES = {
    "null": lambda: None,
    "true": lambda: True,
    "integer": lambda: 2**70,
    "float": lambda: [1.5, 1e300, -0.0, 0.1],
    "not a number": lambda: [float("nan"), float("inf")],
    "decimal": lambda: [decimal.Decimal("12"), decimal.Decimal("1.5")],
    "text": lambda: "wörld \\U0001f600 \\u2028 \\x00 \\"quoted\\"",
    "lone surrogate": lambda: "\\ud800",
    "empty text": lambda: "",
    "list": lambda: [1, [2, [3]], (4, 5)],
    "object": lambda: {"ä": {"b": None}, "1": 1, 2: "two", None: "none", True: "yes"},
    "empty object": lambda: {},
    "bytes": lambda: b"\\xff\\x00raw",
    "empty bytes": lambda: b"",
    "bytearray": lambda: bytearray(b"x"),
    "set": lambda: {1},
    "an object of a class": lambda: object,
    "circular": circular,
    "a key that is none": lambda: {(1, 2): 3},
    "deeply nested": lambda: eval("[" * 90 + "]" * 90),
    "large": lambda: "x" * 6_000_000,
    "error": lambda: raises(ValueError("böom")),
    "error without text": lambda: raises(ValueError),
    "error of several arguments": fails_in_its_text,
    "custom error": lambda: raises(Custom()),
    "key error": lambda: {}["missing"],
    "nested": nested,
    "group": group,
    "deep": lambda: deep(30),
    "recursion": lambda: deep(10**6),
    "zero division": lambda: 1 / 0,
    "stop iteration": lambda: next(iter(())),
    "generator": lambda: (n for n in range(3)),
}

def handler(event, context):
    return CASES[event["case"]]()

def describe(event, context):
    client = context.client_context
    return [
        event,
        context.function_name,
        context.function_version,
        context.memory_limit_in_mb,
        context.log_group_name,
        context.log_stream_name,
        context.invoked_function_arn,
        context.tenant_id,
        context.identity.cognito_identity_id,
        client and [client.custom, client.env, client.client and client.client.app_title],
        context.w3c(),
        context.log("logged"),
        0 < context.get_remaining_time_in_millis() <= 300_000,
    ]

def leave(event, context):
    sys.exit(event)

def kill(event, context):
    os._exit(3)

def wait(event, context):
    threading.Event().wait()

def too_large(event, context):
    return "x" * 6_300_000

not_callable = 3

from tailrace.function import streamify_response

@streamify_response
def stream(event, context):
    if event.get("early"):
        raise ValueError("early")
    yield "a"
    if "late" in event:
        raise ValueError("x" * event["late"])
    yield "b"
"""

CASES = [line.split('"')[1] for line in APP.splitlines() if line.startswith('    "')]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("function")
    (folder / "app.py").write_text(APP)
    (folder / "bad_syntax.py").write_text("x = 1\ndef handler(:\n")
    (folder / "bad_import.py").write_text("import no_such_module\n")
    (folder / "bad_module.py").write_text("def load():\n    raise ValueError('böom')\nload()\n")
    (folder / "leaves.py").write_text("import sys; sys.exit(9)\n")
    return folder


def answers_of_both(folder: Path, handler: str, *events: Any, **settings: str) -> list[Any]:
    """What each runtime answers to the events, one after the other."""

    def answers(module: str) -> list[RieAnswer]:
        with running_rie(folder, module, handler, **settings) as rie:
            return [rie.invoke(event) for event in events]

    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(answers, MODULES))


def without_own_frames(answer: RieAnswer) -> Any:
    """An answer whose stack trace has the user's frames only, however many of them repeat."""
    if b"stackTrace" not in answer.body:
        return answer
    text = re.sub(r"repeated \d+ more times", "repeated", answer.body.decode())
    error = json.loads(text)
    if "stackTrace" in error:
        error["stackTrace"] = [
            frame
            for frame in error["stackTrace"]
            if "/tailrace/" not in frame and "/awslambdaric/" not in frame
        ]
    return answer.status, answer.media_type, error


@pytest.fixture(scope="module")
def both(folder: Path) -> Iterator[tuple[Rie, Rie]]:
    with (
        running_rie(folder, MODULES[0], "app.handler") as ours,
        running_rie(folder, MODULES[1], "app.handler") as theirs,
    ):
        yield ours, theirs


@pytest.mark.parametrize("case", CASES)
def test_results_and_errors_are_the_same(both: tuple[Rie, Rie], case: str) -> None:
    ours, theirs = (rie.invoke({"case": case}) for rie in both)

    assert without_own_frames(ours) == without_own_frames(theirs)
    assert ours.status == 200  # and not that of a function that did not start


@pytest.mark.parametrize(
    "client_context",
    [
        {},
        {"custom": {"ä": 1}, "env": {"b": "c"}, "client": {"app_title": "x"}},
        {"w3c": {"traceparent": "00-1-2-01", "tracestate": 1, "other": "x"}, "custom": 1},
        {"w3c": "x"},
    ],
)
def test_events_and_contexts_are_the_same(folder: Path, client_context: Any) -> None:
    encoded = base64.b64encode(json.dumps(client_context).encode()).decode()
    events = [1, "wörld", None, {"a": [True, {"b": "\u2028"}]}, b""]

    def answers(module: str) -> list[RieAnswer]:
        with running_rie(folder, module, "app.describe") as rie:
            return [rie.invoke(event, **{"X-Amz-Client-Context": encoded}) for event in events]

    ours, theirs = map(answers, MODULES)

    assert ours == theirs
    assert json.loads(ours[1].body)[:2] == ["wörld", "test_function"]
    assert "Runtime.UnmarshalError" in ours[-1].body.decode()


def test_an_event_that_is_not_json_is_the_same_error_in_other_words(folder: Path) -> None:
    """awslambdaric brings a JSON library of its own, which words a few errors in its own way."""
    (ours,), (theirs,) = answers_of_both(folder, "app.describe", b"{")

    errors = [json.loads(answer.body) for answer in (ours, theirs)]
    messages = [error.pop("errorMessage") for error in errors]
    assert errors[0] == errors[1]
    assert all(message.startswith("Unable to unmarshal input: ") for message in messages)


@pytest.mark.parametrize(
    "handler",
    [
        "app.missing",
        "nowhere.handler",
        "handler",
        "sys.exit",
        "bad_syntax.handler",
        "bad_import.handler",
        "bad_module.handler",
        "leaves.handler",
    ],
)
def test_init_errors_are_the_same(folder: Path, handler: str) -> None:
    ours, theirs = answers_of_both(folder, handler, {}, {})

    assert [without_own_frames(answer) for answer in ours] == [
        without_own_frames(answer) for answer in theirs
    ]
    assert ours[0].status == 502


def test_a_handler_that_cannot_be_called_is_the_same_error(folder: Path) -> None:
    ours, theirs = answers_of_both(folder, "app.not_callable", {})

    assert [without_own_frames(answer) for answer in ours] == [
        without_own_frames(answer) for answer in theirs
    ]
    assert b"'int' object is not callable" in ours[0].body


@pytest.mark.parametrize("handler", ["app.leave", "app.kill"])
def test_exits_are_the_same(folder: Path, handler: str) -> None:
    ours, theirs = answers_of_both(folder, handler, 3, 0, None)

    assert ours == theirs
    assert b"exit status 3" in ours[0].body


def test_a_time_out_is_the_same(folder: Path) -> None:
    ours, theirs = answers_of_both(folder, "app.wait", {}, AWS_LAMBDA_FUNCTION_TIMEOUT="1")

    assert ours == theirs
    assert ours[0].body == b"Task timed out after 1.00 seconds"


def test_a_result_that_is_too_large_is_the_same_error(folder: Path) -> None:
    """The status differs: awslambdaric ends when it is refused, our runtime goes on."""
    ours, theirs = answers_of_both(folder, "app.too_large", {}, {})

    assert [answer.body for answer in ours] == [answer.body for answer in theirs]
    assert b"Function.ResponseSizeTooLarge" in ours[0].body
    assert ([answer.status for answer in ours], [answer.status for answer in theirs]) == (
        [200, 200],
        [502, 502],
    )


PRELUDE = b'{"statusCode":200,"headers":{"content-type":"text/plain; charset=utf-8"}}' + bytes(8)
REQUEST = {"requestContext": {"http": {"method": "GET"}}}


def test_a_streamed_response_is_collected(folder: Path) -> None:
    """The emulator cannot stream: prelude and NULs are in the body, and no failure is seen."""
    with running_rie(folder, "tailrace.runtime", "app.stream") as rie:
        assert rie.invoke(REQUEST) == (200, "application/octet-stream", PRELUDE + b"ab")
        assert rie.invoke({}) == (200, "text/plain; charset=utf-8", b"ab")
        assert rie.invoke({**REQUEST, "late": 1}).body == PRELUDE + b"a"
        # As long as trailers may be, and no byte too long: the runtime is alive afterwards.
        assert rie.invoke({**REQUEST, "late": 100_000}).body == PRELUDE + b"a"
        error = json.loads(rie.invoke({**REQUEST, "early": True}).body)
        assert (error["errorType"], error["errorMessage"]) == ("ValueError", "early")
        assert rie.invoke({**REQUEST}).body == PRELUDE + b"ab"
        assert "exit status" not in rie.log()
