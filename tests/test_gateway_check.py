"""`tailrace gateway --check`: its lines, its JSON and its exit codes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.command import PATIENCE_S, Command, environ_of
from tests.fakes import Peer, raw_server
from tests.kits.ports import free_ports

from tailrace.cli.check import _check_admin
from tailrace.config import Address, Wanted
from tailrace.gateway.check.finding import Finding

CONFIG = """
[functions.hello]
handler = "app.handler"

[[routes]]
path = "/*"
function = "hello"
transport = "response-stream"
"""
ROUTES = """
[[routes]]
path = "/missing"
function = "nonesuch"

[[routes]]
path = "/url"
function = "http://127.0.0.1:1/run?key=secret"
"""


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[str]:
    """An emulator with one function."""
    (tmp_path / "app.py").write_text("def handler(event, context):\n    raise SystemExit\n")
    (tmp_path / "tailrace.toml").write_text(CONFIG)
    command = ["emulator", "--listen", "127.0.0.1:0"]
    with Command(command, cwd=tmp_path) as emulator:
        yield emulator.wait_line(r"emulator on (http://[^:]+:\d+)")[1]
        assert emulator.count("ERROR|START") == 0, "a dry run starts nothing"


@pytest.fixture
def ports() -> dict[str, int]:
    return free_ports(("listen", "callbacks", "admin"))


def options_of(ports: dict[str, int], endpoint: str) -> list[str]:
    addresses = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    return [
        *("--listen", addresses["listen"], "--callback-listen", addresses["callbacks"]),
        *("--callback-ports", f"{ports['callbacks']}", "--endpoint-url", endpoint),
        *("--admin-listen", addresses["admin"]),
    ]


def check(folder: Path, *options: str, code: int) -> str:
    """Run the check, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "tailrace", "gateway", "--check", *options],
        cwd=folder,
        env=environ_of(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == code, (done.stdout, done.stderr)
    return done.stdout or done.stderr


def test_all_is_well(endpoint: str, ports: dict[str, int], tmp_path: Path) -> None:
    options = options_of(ports, endpoint)
    callbacks = ports["callbacks"]

    *lines, files, verdict = check(tmp_path, *options, code=0).splitlines()

    assert lines == [
        "ok       function hello: can be invoked",
        f"ok       --listen 127.0.0.1:{ports['listen']}: free",
        f"ok       callback ports {callbacks}: 1 of 1 free",
        f"ok       --advertise http://127.0.0.1:{callbacks}: reaches this gateway's callback"
        " listener",
        f"ok       --admin-listen 127.0.0.1:{ports['admin']}: free",
    ]
    assert "open responses in a process" in files
    assert verdict.startswith("no error")


def test_each_error_is_a_line_with_its_remedy(
    endpoint: str, ports: dict[str, int], tmp_path: Path
) -> None:
    (tmp_path / "other.toml").write_text(ROUTES)
    options = ["--config", "other.toml", *options_of(ports, endpoint)]

    text = check(tmp_path, *options, code=1)
    document = json.loads(check(tmp_path, *options, "--json", code=1))

    lines = text.splitlines()
    assert lines[0].startswith("error    function nonesuch: there is no such function in us-east-1")
    assert lines[0].endswith("; check its name, its alias or version, and the region (AWS_REGION)")
    assert lines[1].startswith("error    function at 127.0.0.1:1: no connection to 127.0.0.1:1")
    assert lines[-1].startswith("2 errors")
    assert "secret" not in text
    assert (document["version"], document["errors"]) == (1, 2)
    assert document["findings"][0] == {
        "level": "error",
        "subject": "function nonesuch",
        "text": lines[0].removeprefix("error    function nonesuch: ").partition("; check")[0],
        "remedy": "check its name, its alias or version, and the region (AWS_REGION)",
    }


def test_a_running_gateway_is_recognized(
    endpoint: str, ports: dict[str, int], tmp_path: Path
) -> None:
    options = options_of(ports, endpoint)
    with Command(["gateway", *options], cwd=tmp_path) as gateway:
        gateway.wait_line("gateway on")
        lines = check(tmp_path, *options, code=0).splitlines()

    listen = f"--listen 127.0.0.1:{ports['listen']}"
    assert f"ok       {listen}: a gateway runs there: ok, 0 open responses" in lines
    assert lines[2].startswith(f"warning  callback ports {ports['callbacks']}: 0 of 1 free; work")
    assert lines[3].endswith(": reaches the callback listener of a running gateway")
    admin = f"--admin-listen 127.0.0.1:{ports['admin']}"
    assert lines[4] == f"ok       {admin}: a gateway runs there: ok, 0 open responses"


def test_functions_elsewhere_cannot_call_a_loopback_address(tmp_path: Path) -> None:
    (tmp_path / "tailrace.toml").write_text(
        '[[routes]]\npath = "/*"\nfunction = "http://x..y/run?key=secret"\n'
    )

    text = check(tmp_path, "--callback-listen", "127.0.0.1:28081", code=1)

    assert (
        "error    --advertise http://127.0.0.1:28081: functions at x..y cannot call an address"
        " of this machine alone; give --callback-listen 0.0.0.0:28081 --advertise auto"
    ) in text
    assert (
        "error    function at x..y: no connection to x..y:80 by http: no such host; check" in text
    )
    assert "secret" not in text


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            ["--callback-listen", "127.0.0.1:28081", "--advertise", "auto"],
            "error    --advertise auto: the callback listener is on 127.0.0.1:28081, which only",
        ),
        (
            ["--callback-listen", "127.0.0.1:0"],
            "warning  callbacks: cannot be checked while --callback-listen takes any port; give",
        ),
    ],
)
def test_what_cannot_be_checked_stops_no_other_check(
    options: list[str], line: str, tmp_path: Path
) -> None:
    (tmp_path / "tailrace.toml").write_text('[[routes]]\npath = "/*"\nfunction = "f"\n')

    lines = check(tmp_path, "--listen", "127.0.0.1:0", *options, code=1).splitlines()

    assert lines[0] == "error    Lambda: no AWS region: set AWS_REGION, or give --endpoint-url"
    assert [each for each in lines if each.startswith(line)], lines
    assert [each for each in lines if " files: " in each], lines


def test_json_belongs_to_the_check(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tailrace", "gateway", "--function", "f", "--json"],
        cwd=tmp_path,
        env=environ_of(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert (done.returncode, done.stderr) == (2, "tailrace: --json: belongs to --check\n")


@pytest.mark.parametrize(("is_firm", "level"), [(False, "warning"), (True, "error")])
def test_a_default_address_of_the_admin_listener_may_be_in_use(is_firm: bool, level: str) -> None:
    async def serve(peer: Peer) -> None:
        await peer.read_until(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    async def story() -> Finding:
        async with raw_server(serve) as url:
            address = Address("127.0.0.1", int(url.rpartition(":")[2]))
            return await _check_admin(Wanted(address, is_firm, "--admin-listen"))

    finding = asyncio.run(story())

    assert finding.level == level
    assert finding.text.endswith(": there would be no admin listener") != is_firm
