"""What our runtime posts of results and errors, beside what AWS's posts (`kits/json_results.py`).

AWS's runtime is run here under this Python; under newer ones it was recorded, see the head of
each file in tests/vectors.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.kits.json_results import cases, namespace
from tests.peers import Peer
from tests.runtime_api import RuntimeLoop

ROOT = Path(__file__).parent.parent
RECORD = ROOT / "scripts" / "record-results.py"
VECTORS = ROOT / "tests" / "vectors" / "results-3.12.json"
WIDE = "語" * 1_100_000
NAMES = namespace()


def run_case(event: str, context: Any) -> Any:
    return eval(compile(event, "case.py", "eval"), NAMES)


def posted_outcome(kind: str, headers: dict[str, str], body: bytes) -> dict[str, str]:
    """A report in the form of the recordings."""
    if kind == "error":
        text = body.decode("utf-8")
        error = json.loads(text) | {"stackTrace": []}
        return {"kind": kind, "body": json.dumps(error, ensure_ascii=text.isascii())}
    outcome = {"kind": kind, "media_type": headers["content-type"]}
    try:
        return outcome | {"body": body.decode("utf-8")}
    except UnicodeDecodeError:
        return outcome | {"base64": base64.b64encode(body).decode("ascii")}


def our_outcomes(**environment: str) -> dict[str, dict[str, str]]:
    with Peer() as peer, RuntimeLoop(peer, run_case, **environment) as loop:
        outcomes = {}
        for case in cases():
            loop.give(case)
            outcomes[case] = posted_outcome(*loop.report())
    return outcomes


def test_results_and_errors_are_those_of_aws_runtime_on_this_python() -> None:
    done = subprocess.run(
        [sys.executable, RECORD],
        check=True,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    record = json.loads(done.stdout)

    outcomes = our_outcomes(AWS_EXECUTION_ENV=record["AWS_EXECUTION_ENV"])

    assert len(outcomes) > 300
    assert outcomes == record["outcomes"]
    assert our_outcomes() == outcomes  # by the interpreter, where there is no such variable


def test_results_and_errors_are_those_recorded_on_a_newer_python() -> None:
    record = json.loads(VECTORS.read_text("ascii"))

    assert list(record["outcomes"]) == cases(), "record again: " + record["recorded with"]
    for name in ("3.12", "3.13", "3.20"):
        assert our_outcomes(AWS_EXECUTION_ENV=f"AWS_Lambda_python{name}") == record["outcomes"]


@pytest.mark.parametrize(
    ("environment", "is_ascii"),
    [
        ({"AWS_EXECUTION_ENV": "AWS_Lambda_python3.11"}, True),
        ({"AWS_EXECUTION_ENV": "AWS_Lambda_python3.9"}, True),
        ({"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"}, False),
        ({"AWS_EXECUTION_ENV": "AWS_Lambda_Image"}, sys.version_info < (3, 12)),
        ({}, sys.version_info < (3, 12)),
    ],
)
def test_text_beyond_ascii_is_escaped_as_the_runtimes_name_or_the_interpreter_has_it(
    environment: dict[str, str], is_ascii: bool
) -> None:
    """1.1 million characters of three bytes are 6.6 MB when escaped: over Lambda's limit."""
    with Peer() as peer, RuntimeLoop(peer, lambda event, context: WIDE, **environment) as loop:
        loop.give()
        kind, _, body = loop.report()

    assert kind == "response"
    assert json.loads(body) == WIDE
    assert len(body) == (6_600_002 if is_ascii else 3_300_002)


def test_a_lone_surrogate_is_an_error_where_results_are_utf_8() -> None:
    """Under AWS's runtime it ends the environment; an error says why."""
    with (
        Peer() as peer,
        RuntimeLoop(peer, run_case, AWS_EXECUTION_ENV="AWS_Lambda_python3.12") as loop,
    ):
        loop.give("'\\ud800'")
        kind, _, body = loop.report()
        assert kind == "error"
        error = json.loads(body)
        assert error["errorType"] == "Runtime.MarshalError"
        assert "surrogates not allowed" in error["errorMessage"]
        loop.give("fail(ValueError('\\ud800'))")
        assert json.loads(loop.report()[2])["errorMessage"] == "\ud800"


def test_an_exception_whose_text_fails_is_reported() -> None:
    """Under AWS's runtime it ends the environment."""

    class BrokenTextError(Exception):
        def __str__(self) -> str:
            raise LookupError("none")

    def fail(event: Any, context: Any) -> None:
        raise BrokenTextError

    with Peer() as peer, RuntimeLoop(peer, fail) as loop:
        loop.give()
        error = json.loads(loop.report()[2])
        assert error["errorType"] == "BrokenTextError"
        assert error["errorMessage"] == "<the exception's text cannot be had: LookupError>"
