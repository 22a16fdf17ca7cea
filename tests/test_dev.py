"""Emulator and gateway in one process, and what a changed file does to them."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest
from tests.command import ANY_PORTS, GATED, DevCommand, Stream, environ_of, fetch, open_gate
from tests.fakes import PATIENCE_S, soon, until

from tailrace.cli.banner import dev_banner
from tailrace.cli.terminal import Terminal
from tailrace.config import Address, DevOptions, HoldBackConfig, Wanted
from tailrace.dev import Dev
from tailrace.emulator.log import EmulatorLog
from tailrace.errors import ConfigError
from tailrace.net.process.startup import run

HANDLER = """
from tailrace.function import streamify_response

@streamify_response
def handler(event, context):
    yield "{text}"
"""
FUNCTION = """
[functions.{name}]
handler = "app.handler"
path = "{name}"
"""
ROUTE = """
[[routes]]
path = "/{name}"
function = "{name}"
"""
ANY = Address("127.0.0.1", 0)


def add_function(project: Path, name: str, text: str) -> str:
    """Write a function that says a text; its entry for the configuration."""
    (project / name).mkdir()
    (project / name / "app.py").write_text(HANDLER.format(text=text))
    return FUNCTION.format(name=name)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A configuration with the function `one`, which says "old"."""
    entry = add_function(tmp_path, "one", "old")
    (tmp_path / "tailrace.toml").write_text(entry + ROUTE.format(name="one"))
    return tmp_path


@pytest.fixture(autouse=True)
def show_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tailrace")


def settings_for(project: Path, function: str | None = None, **wanted: Wanted) -> DevOptions:
    free = {
        name: Wanted(ANY, True, "--" + name.replace("_", "-"))
        for name in ("listen", "callback_listen", "emulator_listen")
    }
    return DevOptions(
        config_path=project / "tailrace.toml", function=function, **{**free, **wanted}
    )


@asynccontextmanager
async def running(settings: DevOptions) -> AsyncIterator[Dev]:
    """A started Dev that watches; afterwards nothing of it is left."""
    before = psutil.Process().children(recursive=True)  # Node.js, once a test has imported the CDK
    dev = Dev(settings, EmulatorLog(io.StringIO()))
    await dev.start()
    await dev.watch()
    try:
        yield dev
    finally:
        await dev.stop()
    assert psutil.Process().children(recursive=True) == before
    assert len(asyncio.all_tasks()) == 1


async def get(dev: Dev, path: str) -> tuple[int, str]:
    return await soon(asyncio.to_thread(fetch, dev.public_url + path))


async def wait_logged(caplog: pytest.LogCaptureFixture, text: str) -> None:
    await until(lambda: text in caplog.text, f"{text!r} in the log")


def test_a_changed_file_is_run_by_the_next_request(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with running(settings_for(project)) as dev:
            assert await get(dev, "/one") == (200, "old")

            (project / "one" / "app.py").write_text(HANDLER.format(text="new"))
            await wait_logged(caplog, "app.py changed: the next request to one runs it")

            assert await get(dev, "/one") == (200, "new")

    run(story())


SAVES = 10


@pytest.mark.parametrize("is_watching", [True, False], ids=["with the watcher", "without"])
def test_a_request_right_after_a_save_gets_the_new_code(project: Path, is_watching: bool) -> None:
    """The watcher may tell of a save some time after it, and does not count here."""

    async def story() -> None:
        async with running(settings_for(project)) as dev:
            if not is_watching:
                await dev._watcher.stop()
            code = project / "one" / "app.py"
            for number in range(SAVES):
                code.write_text(HANDLER.format(text=number))
                assert await get(dev, "/one") == (200, str(number))

                code.write_text(HANDLER.format(text=f"{number} again"))
                url = f"{dev.emulator_url}/2015-03-31/functions/one/invocations"
                with await soon(asyncio.to_thread(urlopen, url, b"{}")) as answer:
                    assert answer.read().strip(b'"').decode() == f"{number} again"

    run(story())


def test_a_change_is_taken_up_once(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    """By the request or by the watcher, whichever comes first; not by both."""

    async def story() -> None:
        async with running(settings_for(project)) as dev:
            (project / "one" / "app.py").write_text(HANDLER.format(text="new"))
            assert await get(dev, "/one") == (200, "new")

            (project / "one" / "more.py").write_text("")
            await wait_logged(caplog, "more.py changed: the next request to one runs it")

            assert caplog.text.count("app.py changed: the next request to one runs it") == 1

    run(story())


def test_what_an_editor_and_test_tools_leave_replaces_no_process(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with running(settings_for(project)) as dev:
            assert await get(dev, "/one") == (200, "old")
            emulator = dev._emulator
            assert emulator is not None
            # Until then, the next request would get a second process.
            await until(lambda: emulator.statistics().functions["one"].idle == 1, "idle")
            (pid,) = emulator.pids()
            for name in ("4913", ".app.py.swp", "app.py~", "app.py___jb_tmp___", ".coverage"):
                (project / "one" / name).write_text("x")
            for name in ("__pycache__", ".pytest_cache", ".git"):
                (project / "one" / name).mkdir()
                (project / "one" / name / "x").write_text("x")
            (project / "one" / "app.py~").unlink()

            assert await get(dev, "/one") == (200, "old")
            assert emulator.pids() == [pid]
            (project / "one" / "more.py").write_text("")
            await wait_logged(caplog, "changed: the next request")
            assert "more.py changed" in caplog.text

    run(story())


def test_an_open_stream_ends_on_the_old_code(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate = project / "gate"
    os.mkfifo(gate)
    (project / "one" / "app.py").write_text(GATED)
    config = (project / "tailrace.toml").read_text()
    (project / "tailrace.toml").write_text(
        f'{config}\n[functions.one.environment]\nGATE = "{gate}"\n'
    )

    async def story() -> None:
        async with running(settings_for(project)) as dev:
            stream = await asyncio.to_thread(Stream, dev.public_url + "/one")
            with stream:
                assert await asyncio.to_thread(stream.line) == "begun\n"

                (project / "one" / "app.py").write_text(HANDLER.format(text="new"))
                await wait_logged(caplog, "app.py changed")
                assert await get(dev, "/one") == (200, "new")
                await asyncio.to_thread(open_gate, gate)

                assert await soon(asyncio.to_thread(stream.read)) == b"ended\n"

    run(story())


def test_a_changed_configuration_brings_functions_and_routes(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with running(settings_for(project)) as dev:
            assert (await get(dev, "/two"))[0] == 404

            entry = add_function(project, "two", "second")
            with (project / "tailrace.toml").open("a") as file:
                file.write(entry + ROUTE.format(name="two"))
            await wait_logged(caplog, "tailrace.toml is taken up")
            assert await get(dev, "/two") == (200, "second")

            # The new function's directory is watched as well.
            (project / "two" / "app.py").write_text(HANDLER.format(text="third"))
            await wait_logged(caplog, "app.py changed: the next request to two runs it")
            assert await get(dev, "/two") == (200, "third")

    run(story())


@pytest.mark.parametrize("how", ["removed", "moved", "its parent moved", "away for a while"])
def test_a_directory_that_is_replaced_is_watched_again(
    how: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As a checkout of another branch does it."""
    project = tmp_path / "project"
    project.mkdir()
    entry = add_function(project, "one", "old").replace('path = "one"', 'path = "code/one"')
    (project / "code").mkdir()
    (project / "one").rename(project / "code" / "one")
    (project / "tailrace.toml").write_text(entry + ROUTE.format(name="one"))
    directory = project / "code" / "one"

    async def story() -> None:
        async with running(settings_for(project)) as dev:
            assert await get(dev, "/one") == (200, "old")

            if how == "moved":
                directory.rename(tmp_path / "elsewhere")
            elif how == "its parent moved":
                (project / "code").rename(tmp_path / "elsewhere")
            else:
                shutil.rmtree(directory)
            if how == "away for a while":
                await wait_logged(caplog, f"{directory} is gone")
                caplog.clear()
            directory.mkdir(parents=True)
            (directory / "app.py").write_text(HANDLER.format(text="new"))
            await until_answer(dev, "new")

            for text in ("newer", "newest"):
                (directory / "app.py").write_text(HANDLER.format(text=text))
                await until_answer(dev, text)

    run(story())


async def until_answer(dev: Dev, text: str) -> None:
    """Ask until the function says a text."""
    async with asyncio.timeout(PATIENCE_S):
        while await get(dev, "/one") != (200, text):
            await asyncio.sleep(0.01)


def test_code_and_configuration_that_are_saved_together_both_count(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The watch of the functions is replaced then, maybe before it has told of the code."""

    async def story() -> None:
        async with running(settings_for(project)) as dev:
            assert await get(dev, "/one") == (200, "old")
            assert dev._watcher._watching is not None
            dev._watcher._watching.cancel()  # it will tell of nothing any more

            (project / "one" / "app.py").write_text(HANDLER.format(text="new"))
            entry = add_function(project, "two", "second")
            with (project / "tailrace.toml").open("a") as file:
                file.write(entry + ROUTE.format(name="two"))
            await wait_logged(caplog, "tailrace.toml is taken up")

            assert await get(dev, "/one") == (200, "new")

    run(story())


def test_a_wrong_configuration_is_told_and_the_old_one_stays(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = (project / "tailrace.toml").read_text()

    async def story() -> None:
        async with running(settings_for(project)) as dev:
            (project / "tailrace.toml").write_text(config.replace("handler =", "hander ="))
            await wait_logged(caplog, "did you mean handler?")
            assert "the configuration before it stays" in caplog.text
            assert await get(dev, "/one") == (200, "old")

            (project / "tailrace.toml").write_text(config.replace('"/one"', '"/uno"'))
            await wait_logged(caplog, "tailrace.toml is taken up")
            assert await get(dev, "/uno") == (200, "old")
            assert (await get(dev, "/one"))[0] == 404

    run(story())


def test_a_file_that_an_editor_replaces_is_noticed(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with running(settings_for(project)) as dev:
            draft = project / "tailrace.toml.draft"
            draft.write_text((project / "tailrace.toml").read_text().replace('"/one"', '"/uno"'))
            draft.replace(project / "tailrace.toml")
            await wait_logged(caplog, "tailrace.toml is taken up")

            assert await get(dev, "/uno") == (200, "old")

    run(story())


def test_changed_gateway_settings_need_a_restart(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with running(settings_for(project)):
            with (project / "tailrace.toml").open("a") as file:
                file.write("[gateway]\nfirst_byte_timeout_s = 1\n")
            await wait_logged(caplog, "[gateway] has changed: that needs a restart")

    run(story())


def test_functions_whose_program_is_missing_are_left_out(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = (project / "tailrace.toml").read_text()
    lacking = '[functions.gone]\ncommand = ["no-such-program"]\n'
    local = '[functions.local]\ncommand = ["./run"]\npath = "one"\n'
    (project / "tailrace.toml").write_text(
        config + lacking + local + ROUTE.format(name="gone") + ROUTE.format(name="local")
    )

    async def story() -> None:
        async with running(settings_for(project)) as dev:
            assert list(dev.left_out) == ["gone", "local"]
            assert (await get(dev, "/gone"))[0] == 404
            assert await get(dev, "/one") == (200, "old")

            (project / "one" / "run").write_text("#!/bin/sh\n")
            (project / "one" / "run").chmod(0o755)
            with (project / "tailrace.toml").open("a") as file:
                file.write("# changed\n")
            await wait_logged(caplog, "tailrace.toml is taken up")
            assert list(dev.left_out) == ["gone"]
            assert "left out" not in caplog.text  # the start said it

    run(story())


def test_without_any_program_the_start_says_what_to_install(project: Path) -> None:
    lacking = '[functions.gone]\ncommand = ["no-such-program"]\n'
    (project / "tailrace.toml").write_text(lacking + ROUTE.format(name="gone"))

    async def story() -> None:
        async with running(settings_for(project)) as dev:
            banner = dev_banner(dev, Terminal(io.StringIO(), {}))
            assert "Try     install what is missing, and start again" in banner
            assert "gone is left out: no-such-program is not installed" in banner

    run(story())


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("is_piped", [False, True], ids=["redirected", "tee"])
def test_output_into_a_watched_directory_is_no_change(
    is_piped: bool, log_format: str, project: Path
) -> None:
    """Otherwise each line about a change would be a change."""
    path = project / "one" / "output"
    arguments = ["dev", "--config", str(project / "tailrace.toml"), *ANY_PORTS]
    command = [sys.executable, "-m", "tailrace", *arguments, "--log-format", log_format]
    with path.open("w") as output:
        process = subprocess.Popen(
            command, stderr=subprocess.PIPE if is_piped else output, env=environ_of()
        )
    copier = None
    if is_piped:
        copier = subprocess.Popen(
            ["tee", str(path)], stdin=process.stderr, stdout=subprocess.DEVNULL
        )
        assert process.stderr is not None
        process.stderr.close()
    try:
        wait_text(path, "Ctrl-C stops" if log_format == "text" else "dev on http")
        (project / "one" / "a.log").write_text("a log")
        (project / "one" / "data").write_text("a change")
        wait_text(path, "data changed: the next request to one runs it")
        (project / "one" / "more").write_text("a change")
        wait_text(path, "more changed")
    finally:
        process.terminate()
        process.wait(20)
        if copier is not None:
            copier.wait(20)

    assert path.read_text().count("changed") == 2


def test_records_in_a_watched_directory_are_no_change(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise each asynchronous invocation would replace the environments."""
    with (project / "tailrace.toml").open("a") as file:
        file.write('\n[functions.one.destinations]\non_success = "file:one/records"\n')

    async def story() -> None:
        async with running(settings_for(project)) as dev:
            assert await get(dev, "/one") == (200, "old")
            await until((project / "one" / "records").exists, "a record")
            (project / "one" / "data").write_text("a change")
            await wait_logged(caplog, "data changed: the next request to one runs it")

    run(story())
    assert "records" not in caplog.text


def wait_text(path: Path, text: str) -> None:
    """Wait until a file has a text."""
    deadline_s = time.monotonic() + 20
    while text not in path.read_text():
        assert time.monotonic() < deadline_s, path.read_text()
        time.sleep(0.01)


def test_one_function_can_have_every_path(project: Path) -> None:
    async def story() -> None:
        async with running(settings_for(project, function="one")) as dev:
            assert await get(dev, "/any/path") == (200, "old")

    run(story())


def test_response_streams_come_from_the_emulator(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (project / "tailrace.toml").open("a") as config:
        config.write('[[routes]]\npath = "/streamed"\nfunction = "one"\n')
        config.write('transport = "response-stream"\n')

    async def story() -> None:
        async with running(settings_for(project)) as dev:
            assert await get(dev, "/streamed") == (200, "old")
            assert await get(dev, "/one") == (200, "old")
        settings = settings_for(project, function="one")
        async with running(dataclasses.replace(settings, transport="response-stream")) as dev:
            assert await get(dev, "/any") == (200, "old")

    run(story())
    for path, transport in (
        ("streamed", "response-stream"),
        ("one", "callback"),
        ("any", "response-stream"),
    ):
        said = f"path=/{path} function=one transport={transport} status=200 outcome=complete"
        assert said in caplog.text


def test_a_function_somewhere_else_is_invoked_by_its_url(project: Path) -> None:
    with (project / "tailrace.toml").open("a") as config:
        config.write('[[routes]]\npath = "/away"\nfunction = "http://me:pw@127.0.0.1:1/?key=x"\n')

    async def story() -> None:
        async with running(settings_for(project)) as dev:
            assert (await get(dev, "/away"))[0] == 502
            banner = dev_banner(dev, Terminal(io.StringIO(), {}))
            assert "/away  127.0.0.1:1  invoked by its URL" in banner

    run(story())


def test_a_route_that_names_a_deployed_function_is_served_here(project: Path) -> None:
    arn = "arn:aws:lambda:eu-central-1:123456789012:function:one:live"
    config = project / "tailrace.toml"
    config.write_text(config.read_text().replace('\nfunction = "one"', f'\nfunction = "{arn}"'))

    async def story() -> None:
        async with running(settings_for(project)) as dev:
            assert await get(dev, "/one") == (200, "old")
            banner = dev_banner(dev, Terminal(io.StringIO(), {}))
            assert "/one  one  app.handler in one/" in banner
            assert "no route  " not in banner

    run(story())


ROUTE_TO = '[[routes]]\npath = "{path}"\nfunction = "one"\n'


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/", "Open    {base}/\n"),
        ("/*", "Open    {base}/\n"),
        ("/api/*", "Gateway {base} (no route serves /)\n"),
        (None, "Gateway {base} (no route serves /)\n"),
    ],
)
def test_the_start_shows_an_address_that_can_be_opened(
    project: Path, path: str | None, line: str
) -> None:
    route = "" if path is None else ROUTE_TO.format(path=path)
    (project / "tailrace.toml").write_text(FUNCTION.format(name="one") + route)

    async def story() -> None:
        async with running(settings_for(project)) as dev:
            banner = dev_banner(dev, Terminal(io.StringIO(), {}))
            assert line.format(base=dev.public_url) in banner
            is_served = "no route serves" not in line
            assert (await get(dev, "/"))[0] == (200 if is_served else 404)
            if path is None:
                assert "add [[routes]] to tailrace.toml, or start with --function one" in banner

    run(story())


def test_a_file_without_functions_says_what_to_add(project: Path) -> None:
    (project / "tailrace.toml").write_text("")

    async def story() -> None:
        async with running(settings_for(project)) as dev:
            banner = dev_banner(dev, Terminal(io.StringIO(), {}))
            assert "Try     add [functions.NAME] and [[routes]] to tailrace.toml: with" in banner

    run(story())


def test_routes_to_functions_that_are_elsewhere_are_refused(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Such a file is a gateway's; here each request would be answered 404."""
    message = "tailrace.toml: routes[0].function: there is no function 'one' to run here; add"

    with pytest.raises(ConfigError) as caught:
        (project / "tailrace.toml").write_text(ROUTE_TO.format(path="/"))
        run(Dev(settings_for(project), EmulatorLog(io.StringIO())).start())

    assert message in str(caught.value)
    assert "[functions.one], or run `tailrace gateway` for functions that" in str(caught.value)

    async def story() -> None:
        text = FUNCTION.format(name="one") + ROUTE_TO.format(path="/")
        (project / "tailrace.toml").write_text(text)
        async with running(settings_for(project)) as dev:
            (project / "tailrace.toml").write_text(ROUTE_TO.format(path="/"))
            await wait_logged(caplog, "; the configuration before it stays")
            assert message in caplog.text
            assert await get(dev, "/") == (200, "old")

    run(story())


def test_a_request_without_a_route_is_logged_with_the_routes(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with running(settings_for(project)) as dev:
            assert (await get(dev, "/typo"))[0] == 404
            assert "no route for /typo: answered 404; there are: /one" in caplog.text

    run(story())


def test_an_unknown_function_is_refused(project: Path) -> None:
    with pytest.raises(ConfigError, match="there is no function 'two'; allowed: one"):
        run(Dev(settings_for(project, function="two"), EmulatorLog(io.StringIO())).start())


def test_a_usual_port_that_is_taken_moves_and_a_named_one_does_not(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = Address("127.0.0.1", server.getsockname()[1])

        async def story() -> None:
            usual = settings_for(project, listen=Wanted(taken, False, "--listen"))
            async with running(usual) as dev:
                [(address, instead)] = dev.moved
                assert address == taken
                assert dev.public_url == f"http://{instead}"
                assert await get(dev, "/one") == (200, "old")
            named = settings_for(project, listen=Wanted(taken, True, "--listen"))
            with pytest.raises(OSError, match="choose another with --listen HOST:PORT"):
                await Dev(named, EmulatorLog(io.StringIO())).start()

        run(story())


def test_an_address_that_a_function_url_wants_is_taken(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        wanted = Address("127.0.0.1", server.getsockname()[1])
    with (project / "tailrace.toml").open("a") as file:
        file.write(f'[functions.one.url]\nlisten = "{wanted}"\n')

    async def story() -> None:
        usual = settings_for(project, listen=Wanted(wanted, False, "--listen"))
        async with running(usual) as dev:
            assert [address for address, _ in dev.moved] == [wanted]
            assert dev.function_urls == {"one": f"http://{wanted}"}
        named = settings_for(project, listen=Wanted(wanted, True, "--listen"))
        with pytest.raises(OSError, match="choose another with --listen HOST:PORT"):
            await Dev(named, EmulatorLog(io.StringIO())).start()

    run(story())


@pytest.mark.parametrize(
    ("listen", "advertise", "called"),
    [
        ("0.0.0.0", None, "http://127.0.0.1:{}"),
        ("::", None, "http://[::1]:{}"),
        ("127.0.0.1", "localhost", "http://localhost:{}"),
        ("0.0.0.0", "localhost", "http://localhost:{}"),
    ],
)
def test_functions_call_back_at_an_address_of_this_machine(
    listen: str, advertise: str | None, called: str, project: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    wanted = Wanted(Address(listen, port), True, "--callback-listen")
    settings = dataclasses.replace(
        settings_for(project, callback_listen=wanted), advertise=advertise
    )

    async def story() -> None:
        async with running(settings) as dev:
            assert dev._gateway is not None
            assert dev._gateway.callback_url == called.format(port)
            assert await get(dev, "/one") == (200, "old")

    run(story())


def test_any_port_on_all_addresses_has_nothing_to_advertise(project: Path) -> None:
    wanted = Wanted(Address("0.0.0.0", 0), True, "--callback-listen")
    dev = Dev(settings_for(project, callback_listen=wanted), EmulatorLog(io.StringIO()))

    with pytest.raises(ConfigError, match="--callback-listen takes any; name one"):
        run(dev.start())


def test_settings_that_are_given_go_before_the_file(project: Path) -> None:
    with (project / "tailrace.toml").open("a") as file:
        file.write("[gateway]\ndrain_timeout_s = 1\ndrain_delay_s = 2\n")
    settings = dataclasses.replace(settings_for(project), gateway={"drain_timeout_s": 0.5})

    async def story() -> None:
        async with running(settings) as dev:
            assert dev._gateway is not None
            used = dev._gateway.settings.config
            assert (used.drain_timeout_s, used.drain_delay_s) == (0.5, 2)

    run(story())


def test_a_hold_back_that_is_given_goes_before_the_file_and_outlives_a_reload(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = dataclasses.replace(settings_for(project), hold_back="lambda")

    async def story() -> None:
        async with running(settings) as dev:
            assert dev.config.functions["one"].hold_back == HoldBackConfig()

            entry = add_function(project, "two", "second") + 'hold_back = "off"\n'
            with (project / "tailrace.toml").open("a") as file:
                file.write(entry)
            await wait_logged(caplog, "tailrace.toml is taken up")
            held = [function.hold_back for function in dev.config.functions.values()]
            assert held == [HoldBackConfig(), HoldBackConfig()]

    run(story())


def test_a_start_that_fails_leaves_nothing_behind(project: Path) -> None:
    """203.0.113.0/24 is for documentation (RFC 5737): no machine can listen there."""
    nowhere = Wanted(Address("203.0.113.1", 0), True, "--callback-listen")

    async def story() -> None:
        with pytest.raises(OSError, match=r"203\.0\.113\.1"):
            await Dev(
                settings_for(project, callback_listen=nowhere), EmulatorLog(io.StringIO())
            ).start()
        assert len(asyncio.all_tasks()) == 1

    run(story())


def test_two_that_start_together_both_find_ports(project: Path) -> None:
    """Both see the usual ports free; whoever listens second looks again."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    usual = Wanted(Address("127.0.0.1", port), False, "--emulator-listen")
    settings = settings_for(project, emulator_listen=usual)

    async def story() -> None:
        one, two = (Dev(settings, EmulatorLog(io.StringIO())) for _ in range(2))
        try:
            await asyncio.gather(one.start(), two.start())
            assert one.emulator_url != two.emulator_url
            assert [len(dev.moved) for dev in (one, two)] in ([0, 1], [1, 0])
            assert [await get(dev, "/one") for dev in (one, two)] == [(200, "old")] * 2
        finally:
            await asyncio.gather(one.stop(), two.stop())

    run(story())


def test_nobodys_credentials_are_looked_at(project: Path) -> None:
    """Half a key pair would be an error of botocore, and a profile that is missing another."""
    environ = {"AWS_ACCESS_KEY_ID": "AKIAHALF", "AWS_PROFILE": "missing", "AWS_REGION": "?"}

    with DevCommand(project / "tailrace.toml", environ=environ) as dev:
        assert fetch(dev.url + "/one") == (200, "old")

        assert "keys" not in "".join(dev.lines)


# --- functions that fail before they call back ---------------------------------------------------

FAR = "[gateway]\nfirst_byte_timeout_s = 600\n"
"""No test waits for that deadline."""

FAILURES = {
    "an import error": (
        "import nothing_like_this",
        "failed (Runtime.ImportModuleError: its module cannot be imported)",
    ),
    "an exit while it starts": (
        "import os; os._exit(3)",
        "failed (Runtime.ExitError: its process ended)",
    ),
    "a crash": (
        "import os\ndef handler(event, context):\n    os.abort()",
        "failed (Runtime.ExitError: its process ended)",
    ),
    "an exception": (
        "def handler(event, context):\n    1 / 0",
        "failed (Function.ZeroDivisionError)",
    ),
    "a time-out": (
        "import time\ndef handler(event, context):\n    time.sleep(600)",
        "failed (Sandbox.Timedout: it took longer than its timeout_s)",
    ),
    "a result": (
        "def handler(event, context):\n    return 1",
        "ended without calling back (no streamify_response, no response-stream route?)",
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_client_learns_at_once_that_its_function_failed(project: Path, case: str) -> None:
    """On a laptop nobody should wait for the first-byte deadline to see a typing error."""
    source, words = FAILURES[case]
    (project / "one" / "app.py").write_text(source)
    config = (project / "tailrace.toml").read_text()
    if case == "a time-out":  # any other failure is never that late
        config = config.replace('path = "one"\n', 'path = "one"\ntimeout_s = 1\n')
    (project / "tailrace.toml").write_text(config + FAR)

    async def story() -> None:
        async with running(settings_for(project)) as dev:
            status, body = await get(dev, "/one")

            assert status == 502
            detail = json.loads(body)["detail"]
            assert detail == f"the function {words}: see the log of tailrace dev"

    run(story())


def test_the_log_has_what_the_client_is_told_to_look_for(project: Path) -> None:
    (project / "one" / "app.py").write_text("import nothing_like_this")
    with (project / "tailrace.toml").open("a") as file:
        file.write(FAR)

    with DevCommand(project / "tailrace.toml") as dev:
        assert fetch(dev.url + "/one")[0] == 502

        dev.wait_line("No module named 'nothing_like_this'")
        dev.wait_line("status=502 outcome=invocation-failed")


FAILS_FIRST = """
import os
import re
from pathlib import Path
from tailrace.function import streamify_response

state = Path(os.environ["STATE"])
for start in ("ahead", "first attempt"):
    if not (state / start).exists():
        (state / start).touch()
        os._exit(1)

@streamify_response
def handler(event, context):
    (state / "ran").touch()
    yield "late"
"""


def test_the_next_attempt_does_not_run_for_a_client_that_has_its_answer(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    state = tmp_path_factory.mktemp("state")
    (project / "one" / "app.py").write_text(FAILS_FIRST)
    with (project / "tailrace.toml").open("a") as file:
        file.write(f"{FAR}[emulator]\nretry_delay_scale = 0.01\n")
        file.write(f'[functions.one.environment]\nSTATE = "{state}"\n')

    with DevCommand(project / "tailrace.toml") as dev:
        assert fetch(dev.url + "/one")[0] == 502

        dev.wait_line("the handler was not run")
        assert not (state / "ran").exists()


CALLS_BACK_AND_RETURNS = """
import http.client, os, threading
from pathlib import Path
from urllib.parse import urlsplit

def handler(event, context):
    url = urlsplit(event["origin"])
    connection = http.client.HTTPConnection(url.netloc)
    connection.putrequest("POST", url.path)
    connection.putheader("transfer-encoding", "chunked")
    connection.endheaders(b"6\\r\\nbegun\\n\\r\\n")

    def end():
        Path(os.environ["GATE"]).read_bytes()
        connection.send(b"6\\r\\nended\\n\\r\\n0\\r\\n\\r\\n")
        connection.getresponse().read()

    threading.Thread(target=end).start()
"""


def test_a_callback_that_outlives_its_invocation_is_served(project: Path) -> None:
    """It was on its way when the invocation ended, and has the exchange from then on."""
    gate = project / "gate"
    os.mkfifo(gate)
    (project / "one" / "app.py").write_text(CALLS_BACK_AND_RETURNS)
    with (project / "tailrace.toml").open("a") as file:
        file.write(f'{FAR}[functions.one.environment]\nGATE = "{gate}"\n')

    with DevCommand(project / "tailrace.toml") as dev, Stream(dev.url + "/one") as stream:
        assert stream.line() == "begun\n"
        dev.wait_line("END RequestId")
        open_gate(gate)

        assert stream.read() == b"ended\n"


# --- who may ask, and whom functions may call -----------------------------------------------------

NAMED = """
import os
import re
from tailrace.function import streamify_response

@streamify_response
def handler(event, context):
    yield os.environ["TAILRACE_CALLBACK_HOSTS"]
"""


def test_functions_call_back_to_devs_own_gateway_alone(project: Path) -> None:
    (project / "one" / "app.py").write_text(NAMED)

    async def story() -> None:
        async with running(settings_for(project)) as dev:
            status, hosts = await get(dev, "/one")
            assert status == 200
            assert re.fullmatch(r"127\.0\.0\.1:\d+", hosts)
            assert hosts not in dev.public_url

    run(story())


def test_hosts_are_allowed_by_option_by_file_and_by_route(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = (project / "tailrace.toml").read_text()

    def statuses(dev: Dev, *hosts: str) -> list[int]:
        found = []
        for host in hosts:
            with Stream(f"{dev.public_url}/one", headers={"host": host}) as stream:
                found.append(stream.status)
        return found

    async def story() -> None:
        settings = dataclasses.replace(settings_for(project), allow_hosts=("option.test",))
        async with running(settings) as dev:
            hosts = ("option.test", "file.test", "route.test:80", "other.test")
            found = await soon(asyncio.to_thread(statuses, dev, *hosts))
            assert found == [200, 403, 403, 403]

            route = ROUTE.format(name="one") + 'host = "route.test"\n'
            emulator = '[emulator]\nallowed_hosts = ["file.test"]\n'
            (project / "tailrace.toml").write_text(config + route + emulator)
            await wait_logged(caplog, "tailrace.toml is taken up")

            found = await soon(asyncio.to_thread(statuses, dev, *hosts))
            assert found == [200, 200, 200, 403]

    run(story())
