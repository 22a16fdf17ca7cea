"""Function URLs as a person meets them: printed by the commands, changed in the file."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from tests.command import ANY_PORTS, Command, DevCommand, Stream, fetch, run, wait_refused

from tailrace.cli.banner import url_lines
from tailrace.config import FunctionConfig, UrlConfig

APP = """
import os, time
from tailrace.function import Head, streamify_response

@streamify_response
def stream(event, context):
    yield Head(201, {"content-type": "text/plain"})
    yield "begun\\n"
    while not os.path.exists("go"):
        time.sleep(0.01)
    yield "ended\\n"

def whole(event, context):
    return {"statusCode": 202, "body": "whole"}
"""
CONFIG = """
[functions.stream]
handler = "app.stream"
environment = { TAILRACE_RESPONSE_MODE = "stream" }
[functions.stream.url]
invoke_mode = "RESPONSE_STREAM"

[functions.whole]
handler = "app.whole"
"""
URL = r"http://127\.0\.0\.1:\d+"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with two functions, one of them with a URL."""
    (tmp_path / "tailrace.toml").write_text(CONFIG)
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def test_the_emulator_prints_them_and_curl_sees_bytes_on_time(project: Path) -> None:
    with Command(["emulator", "--listen", "127.0.0.1:0"], cwd=project) as emulator:
        url = emulator.wait_line(rf"Function URL ({URL})/  stream, RESPONSE_STREAM$")[1]
        command = [shutil.which("curl") or "curl", "-sN", "--max-time", "20", url]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as curl:
            assert curl.stdout is not None
            assert curl.stdout.readline() == b"begun\n"
            (project / "go").touch()
            assert curl.stdout.read() == b"ended\n"
        assert curl.returncode == 0


def test_dev_prints_them_and_takes_up_what_the_file_says(project: Path) -> None:
    file = project / "tailrace.toml"
    with DevCommand(file) as dev:
        first = dev.wait_line(rf"URL +({URL})/  stream, RESPONSE_STREAM")[1]
        with Stream(first) as stream:
            assert (stream.status, stream.line()) == (201, "begun\n")

            file.write_text(CONFIG.partition("[functions.stream.url]")[0] + WHOLE)
            second = dev.wait_line(rf"whole +\| Function URL ({URL})/  BUFFERED")[1]
            assert fetch(second) == (202, "whole")
            wait_refused(first)

            (project / "go").touch()
            assert stream.read() == b"ended\n"  # what was open ends on its own


WHOLE = """
[functions.whole]
handler = "app.whole"
[functions.whole.url]
"""


def test_an_address_in_use_is_named_with_its_setting(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (project / "tailrace.toml").write_text(CONFIG + WHOLE_AT.format(port=port))
        for command, ports in (("emulator", ANY_PORTS[:2]), ("dev", ANY_PORTS)):
            result = run(command, *ports, cwd=project)
            assert result.returncode == 1
            assert result.stderr.startswith(
                f"tailrace: 127.0.0.1:{port} is in use; choose another with functions.whole.url"
            )


WHOLE_AT = '[functions.whole.url]\nlisten = "127.0.0.1:{port}"\n'


def test_a_line_says_how_a_url_answers(tmp_path: Path) -> None:
    function = FunctionConfig(name="f", handler="a.b", path=tmp_path, url=UrlConfig(auth="AWS_IAM"))

    assert list(url_lines({"f": "http://0.0.0.0:9100"}, {"f": function})) == [
        "http://127.0.0.1:9100/  f, BUFFERED, AWS_IAM"
    ]


def test_a_line_says_that_a_url_is_late_on_purpose(project: Path) -> None:
    """Nobody shall look for a fault in what the configuration asks for."""
    file = project / "tailrace.toml"
    text = CONFIG.replace("[functions.stream]", '[functions.stream]\nhold_back = "lambda"')
    file.write_text(f'{text}hold_back = "lambda"\n[functions.whole.url]\n')

    with DevCommand(file) as dev:
        dev.wait_line(rf"URL +{URL}/  stream, RESPONSE_STREAM, late on purpose \(hold_back\)$")
        dev.wait_line(rf"URL +{URL}/  whole, BUFFERED$")  # as late as it is without
