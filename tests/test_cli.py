"""The command line: what it says, where it listens, how it ends."""

from __future__ import annotations

import dataclasses
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from tests.command import (
    ANY_PORTS,
    GATED,
    Command,
    DevCommand,
    Stream,
    environ_of,
    fetch,
    open_gate,
    run,
    wait_refused,
)

from tailrace import __version__
from tailrace.cli.commands import tailrace
from tailrace.config import GatewayConfig

ROOT = Path(__file__).parent.parent
HELLO = """
from tailrace.function import streamify_response

@streamify_response
def handler(event, context):
    yield "hello from " + event["rawPath"]
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
    """A directory with a configuration and one function."""
    (tmp_path / "tailrace.toml").write_text(CONFIG)
    (tmp_path / "app.py").write_text(HELLO)
    return tmp_path


@pytest.fixture
def gate(project: Path) -> Path:
    """The function of the project waits for whoever writes to this pipe."""
    gate = project / "gate"
    os.mkfifo(gate)
    (project / "app.py").write_text(GATED)
    (project / "tailrace.toml").write_text(
        f'{CONFIG}\n[functions.one.environment]\nGATE = "{gate}"'
    )
    return gate


@contextmanager
def listening() -> Iterator[int]:
    """A port that is taken."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_both_module_names_run_the_command_line() -> None:
    for module in ("tailrace", "tailrace.cli"):
        result = run("--version", module=module)

        assert (result.returncode, result.stdout) == (0, f"tailrace {__version__}\n")


def test_every_gateway_setting_is_an_option() -> None:
    help_text = CliRunner().invoke(tailrace, ["gateway", "--help"]).output

    for field in dataclasses.fields(GatewayConfig):
        option = "--" + field.name.removesuffix("_s").replace("_", "-")
        assert re.search(rf"{option} ", help_text), option


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["dev"],
            "there is no tailrace.toml in this directory; tailrace init writes one: give --config",
        ),
        (["dev", "--config", "x.toml"], "x.toml: cannot be read: No such file or directory"),
        (["dev", "--hold-back", "on"], "'on' is not one of 'lambda', 'off'"),
        (["emulator", "--hold-back", "15000"], "'15000' is not one of 'lambda', 'off'"),
        (["dev", "--drain-timeout", "-1"], "-1.0 is not in the range 0<=x<=86400"),
        (["gateway", "--drain-timeout", "nan"], "'--drain-timeout': nan is no finite number"),
        (["check", "--hook-heartbeat", "inf"], "'--hook-heartbeat': inf is no finite number"),
        (["gateway"], "give --config FILE, or --function NAME"),
        (["gateway", "--function", "f", "--listen", "8080"], "did you mean 127.0.0.1:8080?"),
        (
            ["gateway", "--function", "f", "--callback-listen", "0.0.0.0:0"],
            "--advertise: missing; --callback-listen 0.0.0.0:0 is no address that functions can",
        ),
        (
            ["gateway", "--function", "f", "--callback-listen", "[::]:8081", "--advertise", "[::]"],
            "--advertise: functions cannot call ::",
        ),
        (["gateway", "--function", "f", "--health-path", "x"], "'x' is not a path that begins"),
        (["gateway", "--function", "f", "--trusted-hops", "17"], "17 is not in the range 0<=x<=16"),
        (["gateway", "--function", "f", "--total-timeout", "0"], "0.0 is not in the range 0<x"),
        (["gateway", "--function", "f", "--endpoint-url", "ftp://x"], "is not an http(s) URL"),
        (["gateway", "--function", "f"], "no AWS region: set AWS_REGION, or give --endpoint-url"),
        (["emulator"], "there is no tailrace.toml in this directory; tailrace init writes on"),
        (
            ["emulate"],
            "No such command 'emulate'. There are: check, costs, dev, drain, emulator, ga",
        ),
        (["new"], "No such command 'new'. Did you mean init?"),
        (["start"], "No such command 'start'. Did you mean dev?"),
        (["stop"], "No such command 'stop'. Did you mean drain?"),
        (["reload"], "No such command 'reload'. A gateway reloads at SIGHUP: kill -HUP PID, with"),
        (["status"], "No such command 'status'. Ask the gateway's admin listener: curl http://"),
        (["gateway", "--threads", "4"], "No such option '--threads'. tailrace gateway has --wor"),
        (["gateway", "--graceful-timeout", "4"], "Use --drain-timeout SECONDS."),
        (["gateway", "hello"], "(hello) Routes name the functions; --function NAME is one with"),
        (["gateway", "--drain-timeout", "5m"], "'5m' is not a valid number."),
        (["gateway", "--trusted-hops", "x"], "'x' is not a valid whole number."),
        (["gateway", "--workers", "0000000099"], "'0000000099' is not allowed; allowed: a whole"),
        (["gateway", "--workers", "-1"], "'-1' is not allowed; allowed: a whole number from 0 to"),
        (
            ["gateway", "--function", "f", "--workers", "3", "--callback-ports", "8081-8083"],
            "--callback-ports: each of 3 workers needs a callback port, and there are 2 of 8081-8",
        ),
        (
            [
                *("gateway", "--function", "f", "--endpoint-url", "http://127.0.0.1:9"),
                *("--callback-ports", "8091-8093", "--advertise", "https://x.example"),
            ],
            "--advertise: functions would call the workers of ports 8091-8093 at one and the same;",
        ),
        (
            ["gateway", "--function", "f", "--workers", "0", "--admin-listen", "127.0.0.1:8082"],
            "--admin-listen: a gateway of one process, as with --workers 0, has none",
        ),
        (
            ["gateway", "--function", "f", "--workers", "0", "--callback-ports", "8081-8084"],
            "--callback-ports: a gateway of one process, as with --workers 0, has the port of",
        ),
        (
            ["gateway", "--function", "f", "--metrics", "emf", "--check"],
            "--metrics: needs --metrics-name NAME",
        ),
        (
            ["gateway", "--function", "f", "--metrics", "emf"],
            "--metrics: needs --metrics-name NAME, the same for all gateways that are scaled toge",
        ),
        (
            ["gateway", "--function", "f", "--metrics-name", "shop"],
            "--metrics-name: belongs to --metrics emf",
        ),
        (
            ["gateway", "--function", "f", "--metrics-interval", "10"],
            "--metrics-interval: belongs to --metrics emf",
        ),
        (["gateway", "--metrics-name", ":shop"], "':shop' is not 1 to 255 letters, digits and ._"),
        (["gateway", "--metrics-interval", "61"], "61 is not in the range 1<=x<=60"),
        (["gateway", "--metrics", "prometheus"], "'prometheus' is not 'emf'"),
        (["dev", "--port", "8080"], "No such option '--port'. Use --listen HOST:PORT, as in"),
        (["dev", "--reload"], "No such option '--reload'. tailrace dev reloads without being"),
        (["gateway", "--region", "x"], "No such option '--region'. Set AWS_REGION, or give"),
        (["dev", "--hold-bak", "off"], "No such option '--hold-bak'. Did you mean '--hold-back'?"),
        (
            ["dev", "--app", "x:y"],
            "No such option '--app'. Name it as an argument: tailrace dev ma",
        ),
        (["dev", "a:b", "x.toml"], "unexpected extra argument (x.toml) Write --config x.toml."),
        (["dev", "x.toml"], "'x.toml' is not MODULE:ATTRIBUTE; did you mean --config x.toml?"),
        (["dev", "app.py"], "'app.py' is not MODULE:ATTRIBUTE; did you mean app:app? allowed: "),
        (["dev", "app.main"], "'app.main' is not MODULE:ATTRIBUTE; did you mean app:main?"),
        (["dev", "one"], "'one' is not MODULE:ATTRIBUTE; did you mean one:app?"),
        (["dev", "a b"], "'a b' is not MODULE:ATTRIBUTE; allowed: \"module:attribute\" of an"),
        (
            ["dev", "a:b", "--config", "x.toml"],
            "--config: belongs to a file, and a:b runs without one; leave out one of the two",
        ),
        (["dev", "a:b", "--function", "f"], "--function: belongs to a file, and a:b runs without"),
    ],
)
def test_a_mistake_is_named_and_exits_with_2(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    result = run(*arguments, cwd=tmp_path)

    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_configuration_one_directory_up_is_named(project: Path) -> None:
    (project / "inner").mkdir()

    result = run("dev", cwd=project / "inner")

    assert result.returncode == 2
    assert "did you mean ../tailrace.toml? give --config FILE" in result.stderr


def test_a_mistake_in_the_file_names_file_key_and_nearest_name(project: Path) -> None:
    (project / "tailrace.toml").write_text(CONFIG.replace("handler =", "hander ="))

    for command in ("dev", "gateway", "emulator"):
        result = run(command, cwd=project)

        assert result.returncode == 2
        assert "tailrace.toml: functions.one.hander" in result.stderr
        assert "did you mean handler?" in result.stderr


def test_a_gateway_without_routes_says_so(project: Path) -> None:
    (project / "tailrace.toml").write_text('[functions.one]\nhandler = "app.handler"\n')

    result = run("gateway", cwd=project)

    assert result.returncode == 2
    assert "tailrace.toml: routes: missing; add [[routes]], or --function NAME" in result.stderr


@pytest.mark.parametrize("more", [[], ["--function", "one"]])
def test_a_gateway_does_not_need_the_folders_of_the_functions(
    more: list[str], tmp_path: Path
) -> None:
    """One file for the laptop, where the functions are, and for the server, where they are not."""
    function = '[functions.one]\npath = "one"\nhandler = "app.handler"\n'
    function += 'environment = { KEY = "x" }\n[functions.one.url]\n'
    routes = '[[routes]]\npath = "/*"\nfunction = "one"\n'
    (tmp_path / "tailrace.toml").write_text(function + routes)
    arguments = ["gateway", *ANY_PORTS[:4], "--endpoint-url", "http://127.0.0.1:1", *more]

    with Command(arguments, cwd=tmp_path) as gateway:
        url = gateway.wait_line(r"gateway on (http://[^,]+)")[1]
        assert fetch(f"{url}/_tailrace/health")[0] == 200

    for command in ("dev", "emulator"):
        result = run(command, *_free_ports(command), cwd=tmp_path)
        assert result.returncode == 2
        assert "functions.one.path: " in result.stderr


def test_dev_names_the_functions_that_there_are(project: Path) -> None:
    result = run("dev", "--function", "two", cwd=project)

    assert result.returncode == 2
    assert "--function: there is no function 'two'; allowed: one" in result.stderr


@pytest.mark.parametrize(
    ("command", "library"),
    [("dev", "watchfiles"), ("gateway", "botocore"), ("emulator", "httptools"), ("dev", "click")],
)
def test_a_missing_extra_is_named(command: str, library: str, project: Path) -> None:
    code = (
        f"import sys; sys.modules[{library!r}] = None; "
        f"from tailrace.cli import main; main([{command!r}])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=project, check=False
    )

    assert result.returncode == 2
    assert result.stderr.endswith(  # after a warning if another gateway has the admin port
        f"tailrace: tailrace {command} needs {library}, which is not installed; tailrace is not"
        " released yet, so install its extra from where it came:"
        f" pip install '{ROOT}[{command}]'\n"
    )


def test_the_hint_for_a_missing_extra_can_be_followed(tmp_path: Path) -> None:
    """It names something that pip can install, also when nobody knows where this came from."""
    code = (
        "import sys; sys.modules['click'] = None\n"
        "from importlib import metadata\n"
        "metadata.distribution = metadata.Distribution.from_name = lambda name: Fake()\n"
        "class Fake:\n"
        "    def read_text(self, name): return None\n"
        "from tailrace.cli import main; main(['dev'])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )

    assert result.stderr.endswith("pip install '.[dev]' in a clone of its repository\n")
    assert (ROOT / "pyproject.toml").exists()


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("gateway", "--listen"),
        ("emulator", "--listen"),
        ("dev", "--listen"),
        ("dev", "--emulator-listen"),
    ],
)
def test_a_named_port_that_is_taken_is_an_error(command: str, option: str, project: Path) -> None:
    more = ["--endpoint-url", "http://127.0.0.1:1"] if command == "gateway" else []
    with listening() as port:
        result = run(
            command, *_free_ports(command), option, f"127.0.0.1:{port}", *more, cwd=project
        )

    assert result.returncode == 1
    assert result.stderr == (
        f"tailrace: 127.0.0.1:{port} is in use; "
        f"choose another with {option} HOST:PORT (port 0: any)\n"
    )


FOREIGN = "203.0.113.1:8080"


@pytest.mark.parametrize(
    ("command", "option", "address", "message"),
    [
        ("gateway", "--listen", FOREIGN, "203.0.113.1 is not an address of this machine;"),
        ("gateway", "--callback-listen", FOREIGN, "203.0.113.1 is not an address of this"),
        ("emulator", "--listen", FOREIGN, "203.0.113.1 is not an address of this machine;"),
        ("dev", "--callback-listen", FOREIGN, "203.0.113.1 is not an address of this mac"),
        ("dev", "--emulator-listen", "host.invalid:80", "there is no host 'host.invalid'; all"),
    ],
)
def test_an_address_that_is_not_ours_is_an_error(
    command: str, option: str, address: str, message: str, project: Path
) -> None:
    more = ["--endpoint-url", "http://127.0.0.1:1"] if command == "gateway" else []
    result = run(command, *_free_ports(command), option, address, *more, cwd=project)

    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"tailrace: {option}: {message}")
    assert "Traceback" not in result.stderr


def test_an_address_of_a_function_url_that_is_not_ours_is_an_error(project: Path) -> None:
    url = 'url = { listen = "203.0.113.1:80" }\n'
    (project / "tailrace.toml").write_text(CONFIG.replace("\n\n[[", f"\n{url}\n[["))

    for command in ("dev", "emulator"):
        result = run(command, *_free_ports(command), cwd=project)

        assert result.returncode == 1
        assert (
            "functions.one.url.listen: 203.0.113.1 is not an address of this machine"
            in result.stderr
        )


def _free_ports(command: str) -> tuple[str, ...]:
    count = {"dev": 6, "gateway": 4, "emulator": 2}[command]
    return ANY_PORTS[:count]


def test_a_gateway_can_be_one_process_without_a_parent(project: Path) -> None:
    arguments = ["gateway", *ANY_PORTS[:4], "--endpoint-url", "http://127.0.0.1:1"]
    with Command([*arguments, "--workers", "0"], cwd=project) as gateway:
        url = gateway.wait_line(r"gateway on (http://[^,]+), called back at http://127")[1]

        assert psutil.Process(gateway.process.pid).children() == []
        assert fetch(f"{url}/_tailrace/health")[0] == 200
        gateway.signal(signal.SIGTERM)
        assert gateway.wait_exit() == 0


def test_emulator_and_gateway_are_two_commands_that_work_together(project: Path) -> None:
    """A gateway in front of any Lambda endpoint, with options before the file's settings."""
    (project / "tailrace.toml").write_text(CONFIG + '[gateway]\nhealth_path = "/file"\n')
    with Command(["emulator", "--listen", "127.0.0.1:0"], cwd=project) as emulator:
        endpoint = emulator.wait_line(r"emulator on (http://\S+): one")[1]
        arguments = ["gateway", *ANY_PORTS[:4], "--endpoint-url", endpoint]
        more = ["--health-path", "/option", "--advertise", "localhost:1"]
        with Command([*arguments, *more[:2]], cwd=project) as gateway:
            url = gateway.wait_line(r"gateway on (http://[^,]+), called back at http://127")[1]
            status, health = fetch(f"{url}/option")
            assert (status, json.loads(health)["status"]) == (200, "ok")
            assert fetch(f"{url}/file") == (200, "hello from /file")
            gateway.wait_line("no credentials are set: signing with dummy keys")
            line = gateway.wait_line(
                r"request_id=(\S+) client=127\.0\.0\.1 method=GET path=/file function=one"
                " transport=callback status=200 outcome=complete"
            )
            emulator.wait_line(f"START RequestId: {line[1]} ")

            gateway.signal(signal.SIGTERM)
            assert gateway.wait_exit() == 0
        with Command([*arguments, *more], cwd=project) as gateway:
            gateway.wait_line("called back at http://localhost:1,")
        with Command([*arguments[:-2], *arguments[-2:], "--function", "two"]) as gateway:
            url = gateway.wait_line(r"gateway on (http://[^,]+)")[1]
            assert fetch(f"{url}/")[0] == 502  # there is no function two

        emulator.signal(signal.SIGINT)
        assert emulator.wait_exit() == 0


@pytest.mark.parametrize("command", ["dev", "emulator"])
def test_a_handler_that_cannot_be_imported_shows_at_the_start(command: str, project: Path) -> None:
    (project / "app.py").write_text("import nothing_like_this\n")

    with Command([command, *_free_ports(command)], cwd=project) as process:
        process.wait_line(r"\[ERROR\] Runtime.ImportModuleError: Unable to import module 'app'")
        process.wait_line(r"ERROR cannot start: Runtime.ImportModuleError: Unable to import module")
        process.signal(signal.SIGINT)
        assert process.wait_exit() == 0


def test_a_handler_that_cannot_be_imported_shows_when_it_is_saved(project: Path) -> None:
    with Command(["dev", *ANY_PORTS], cwd=project) as dev:
        dev.wait_line("Ctrl-C stops")
        (project / "app.py").write_text("import nothing_like_this\n")

        dev.wait_line(r"ERROR cannot start: Runtime.ImportModuleError: Unable to import module")


def test_a_usual_port_that_is_taken_is_replaced(project: Path) -> None:
    """Two at once: whoever comes second says where it is. The usual ports may be taken before."""
    with Command(["dev"], cwd=project) as one, Command(["dev"], cwd=project) as two:
        urls = [dev.wait_line(r"(?:Open|Gateway) +(http://[^\s/]+)")[1] for dev in (one, two)]

        assert urls[0] != urls[1]
        assert [fetch(f"{url}/x") for url in urls] == [(200, "hello from /x")] * 2
        moved = next(dev for dev in (one, two) if any("8080 is in use" in x for x in dev.lines))
        moved.wait_line(r"127.0.0.1:8080 is in use: port \d+ instead")
        moved.wait_line(r"127.0.0.1:9000 is in use: port \d+ instead")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_lets_open_responses_end(
    number: signal.Signals, project: Path, gate: Path
) -> None:
    with DevCommand(project / "tailrace.toml") as dev, Stream(f"{dev.url}/") as stream:
        assert stream.line() == "begun\n"

        dev.signal(number)
        dev.wait_line("waiting for 1 open response to end; a second signal cuts off what is left")
        wait_refused(dev.url)
        open_gate(gate)

        assert stream.read() == b"ended\n"
        assert dev.wait_exit() == 0


def test_a_hangup_ends_an_emulator_as_a_first_signal(project: Path) -> None:
    with Command(["emulator", "--listen", "127.0.0.1:0"], cwd=project) as emulator:
        emulator.wait_line("emulator on")

        emulator.signal(signal.SIGHUP)

        assert emulator.wait_exit() == 0
        emulator.wait_line("SIGHUP: this command has no reload; stopping as for SIGTERM")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_second_signal_cuts_them_off(
    number: signal.Signals, code: int, project: Path, gate: Path
) -> None:
    with DevCommand(project / "tailrace.toml") as dev, Stream(f"{dev.url}/") as stream:
        assert stream.line() == "begun\n"

        dev.signal(number)
        dev.wait_line("waiting for 1 open response")
        dev.signal(number)

        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            stream.read()
        assert dev.wait_exit() == code


def test_what_outlives_the_drain_time_is_cut_off(project: Path, gate: Path) -> None:
    with Command(["emulator", "--listen", "127.0.0.1:0"], cwd=project) as emulator:
        endpoint = emulator.wait_line(r"emulator on (http://\S+):")[1]
        arguments = [
            "gateway",
            *ANY_PORTS[:4],
            "--endpoint-url",
            endpoint,
            "--drain-timeout",
            "0.1",
        ]
        with Command(arguments, cwd=project) as gateway:
            url = gateway.wait_line(r"gateway on (http://[^,]+)")[1]
            with Stream(url + "/") as stream:
                assert stream.line() == "begun\n"

                gateway.signal(signal.SIGTERM)

                with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
                    stream.read()
                assert gateway.wait_exit() == 1


def test_lines_have_colours_on_a_terminal_only(project: Path) -> None:
    """A pseudo terminal stands for the terminal."""
    import pty

    ours, theirs = pty.openpty()
    environ = environ_of()
    del environ["NO_COLOR"]
    arguments = [sys.executable, "-m", "tailrace", "dev", *ANY_PORTS]
    with subprocess.Popen(arguments, stderr=theirs, cwd=project, env=environ) as process:
        os.close(theirs)
        shown = b""
        deadline_s = time.monotonic() + 20
        while b"Ctrl-C stops" not in shown and time.monotonic() < deadline_s:
            shown += os.read(ours, 4096)
        process.terminate()
        process.wait(20)
    os.close(ours)
    with DevCommand(project / "tailrace.toml") as dev:
        plain = "\n".join(dev.lines)

    assert b"\x1b[1mtailrace\x1b[0m" in shown
    assert "\x1b" not in plain
