"""`--log-format` and `--log-level`, of real commands."""

from __future__ import annotations

import json
import logging
import re
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.command import ANY_PORTS, Command, DevCommand

from tailrace.cli.logs import JsonLineFormatter

HANDLER = """
from tailrace.function import streamify_response

@streamify_response
def handler(event, context):
    print("exchange", context.tailrace_exchange_id, "two\\nlines é")
    yield "ok"
"""
CONFIG = """
[functions.one]
handler = "app.handler"

[[routes]]
path = "/*"
function = "one"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(HANDLER)
    (tmp_path / "tailrace.toml").write_text(CONFIG)
    return tmp_path


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as response:
        body: bytes = response.read()
        return body


def objects(command: Command) -> Iterator[dict[str, object]]:
    """Every line so far: each must be an object."""
    for line in command.lines:
        document = json.loads(line)
        assert isinstance(document, dict)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(document["time"]))
        assert document["level"] in ("info", "warning", "error")
        yield document


def test_every_line_of_gateway_and_emulator_is_an_object_that_can_be_joined(project: Path) -> None:
    as_json = ["--log-format", "json"]
    with Command(["emulator", "--listen", "127.0.0.1:0", *as_json], cwd=project) as emulator:
        endpoint = emulator.wait_line(r"emulator on (http://[^:]+:\d+): one")[1]
        arguments = ["gateway", *ANY_PORTS[:4], "--endpoint-url", endpoint, *as_json]
        with Command(arguments, cwd=project) as gateway:
            url = gateway.wait_line(r"gateway on (http://[^,]+)")[1]
            assert fetch(f"{url}/a") == b"ok"
            gateway.wait_line('"outcome": "complete"')
            emulator.wait_line("REPORT RequestId")

            (line,) = [each for each in objects(gateway) if "exchange" in each]
            printed = [each for each in objects(emulator) if each.get("function") == "one"]

    assert (line["status"], line["bytes"], line["path"], line["client"]) == (
        200, 2, "/a", "127.0.0.1",
    )  # fmt: skip
    assert line["logger"] == "tailrace.gateway.exchange"
    assert str(line["message"]).startswith(f"exchange={line['exchange']} request_id=")
    messages = [each["message"] for each in printed]
    assert f"START RequestId: {line['request_id']} Version: $LATEST" in messages
    assert f"exchange {line['exchange']} two" in messages
    assert "lines é" in messages


def test_dev_writes_objects_too(project: Path) -> None:
    arguments = ["dev", "--config", str(project / "tailrace.toml"), *ANY_PORTS]
    with Command([*arguments, "--log-format", "json"]) as dev:
        url = dev.wait_line(r"dev on (http://[^,]+), Lambda on http")[1]
        fetch(f"{url}/a")
        dev.wait_line('"outcome": "complete"')

        loggers = {each["logger"] for each in objects(dev)}

    assert {"tailrace.dev", "tailrace.gateway.exchange", "function"} <= loggers


def test_the_level_leaves_out_what_is_less_and_no_output_of_functions(project: Path) -> None:
    with DevCommand(project / "tailrace.toml", "--log-level", "warning") as dev:
        fetch(f"{dev.url}/a")
        dev.wait_line("lines é")
        assert fetch(f"{dev.url}/b") == b"ok"

        assert not [line for line in dev.lines if "outcome=" in line]


def test_a_traceback_is_one_object() -> None:
    try:
        raise ValueError("a\nb")
    except ValueError:
        record = logging.LogRecord("tailrace.x", 40, __file__, 1, "no %s", ("way",), sys.exc_info())

    text = JsonLineFormatter().format(record)

    document = json.loads(text)
    assert "\n" not in text
    assert (document["level"], document["message"]) == ("error", "no way")
    assert document["traceback"].endswith("ValueError: a\nb")


def test_what_is_not_known_is_null() -> None:
    values = {"exchange": "8f5b6a0e", "request_id": "-", "bytes": 5}
    text = "exchange=%(exchange)s request_id=%(request_id)s bytes=%(bytes)s"
    record = logging.LogRecord("tailrace.x", 20, __file__, 1, text, (values,), None)

    document = json.loads(JsonLineFormatter().format(record))

    assert document["message"] == "exchange=8f5b6a0e request_id=- bytes=5"
    assert {name: document[name] for name in values} == {**values, "request_id": None}
