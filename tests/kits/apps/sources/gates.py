"""The function's side of a gate, for apps: where a request waits for the test.

The request's query has its port. tests/e2e/gate.py has the rest of it, and the test's side.
"""

import os
from pathlib import Path

from gate import Gate as EventGate

ERROR = "the secret words of an error"
"""Of every exception that an app raises."""

BOTH_COOKIES = ("a=1; Path=/", "b=2; Path=/")


class Gate(EventGate):
    """Where a request waits for the test, and reports how far it is."""

    def __init__(self, port):
        super().__init__({"rawQueryString": f"gate={port}"})


def three_parts(port):
    """Three parts of a body; the test lets the second and the third be made."""
    with Gate(port) as gate:
        yield "one\n"
        gate.wait()
        yield "two\n"
        gate.wait()
        yield "three"


async def three_parts_async(port):
    with Gate(port) as gate:
        yield "one\n"
        await gate.wait_async()
        yield "two\n"
        await gate.wait_async()
        yield "three"


def half(port):
    """The first part of a body, and a failure when the test allows it."""
    with Gate(port) as gate:
        yield "half"
        gate.wait()
        raise ValueError(ERROR)


async def half_async(port):
    with Gate(port) as gate:
        yield "half"
        await gate.wait_async()
        raise ValueError(ERROR)


def left(port):
    """Parts of a body whose client leaves: what happens then is reported."""
    with Gate(port) as gate:
        try:
            yield "one\n"
            gate.tell("waiting")
            gate.wait()
            gate.tell("went on")
            yield "two\n"
            gate.tell("made another")
        finally:
            gate.tell("closed")


async def left_async(port):
    with Gate(port) as gate:
        try:
            yield "one\n"
            gate.tell("waiting")
            await gate.wait_async()
            gate.tell("went on")
            yield "two\n"
            gate.tell("made another")
        finally:
            gate.tell("closed")


def finish_later(port):
    """What a background task does."""
    with Gate(port) as gate:
        gate.wait()
        gate.tell("ran")


async def finish_later_async(port):
    with Gate(port) as gate:
        await gate.wait_async()
        gate.tell("ran")


def _starts():
    # The functions of one folder are counted apart.
    return Path("starts-" + os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "server"))


def count_start():
    """Count a start of the app, in whatever process."""
    with _starts().open("a") as starts:
        starts.write(f"{os.getpid()}\n")


def starts_so_far():
    return len(_starts().read_text().splitlines())
