"""What web pages may do at the emulator's listeners: as bytes, and counted by the function's log.

`tests/net/server/test_web_access.py` has the rules, `tests/e2e/test_foreign_pages.py` a browser.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import uvloop
from tests.emulator.harness import Answer, Harness, Notes, config, playing, request, running

from tailrace.config import CorsConfig, FunctionConfig, UrlConfig
from tailrace.emulator.runtime_server import RuntimeServer

EVIL = "https://evil.example"
INVOKE = "/2015-03-31/functions/f/invocations"
STREAM = "/2021-11-15/functions/f/response-streaming-invocations"
ASYNC = "/2014-11-13/functions/f/invoke-async/"

# Without a preflight a page can send these: a text, and what an image asks for.
POST = {"origin": EVIL, "content-type": "text/plain"}
REFUSED = {
    "a text of a foreign page": POST,
    "of an old browser's, over TLS": {**POST, "sec-fetch-site": "cross-site"},
    "of a sandboxed frame": {**POST, "origin": "null", "sec-fetch-site": "cross-site"},
    "a rebound name": {"host": "evil.example:9000", "origin": "http://evil.example:9000"},
    "a rebound name, no browser": {"host": "evil.example"},
}


def runs(emulator: Harness) -> int:
    """How often the function has run."""
    return emulator.log.count("START RequestId")


def is_refused(answer: Answer) -> bool:
    """With Lambda's name for it, and in words that name the setting."""
    assert answer.status == 403, answer
    assert answer.headers["x-amzn-errortype"] == "AccessDeniedException"
    message = answer.json()["Message"]
    assert "allowed_hosts" in message or "allow_origins" in message or "allowed_origins" in message
    return "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("fields", REFUSED.values(), ids=REFUSED)
def test_the_lambda_api_runs_nothing_for_a_foreign_page(
    tmp_path: Path, fields: dict[str, str]
) -> None:
    async def story() -> None:
        async with running(playing(path=tmp_path)) as emulator:
            for path in (INVOKE, STREAM, ASYNC):
                answer = await request(emulator.port, "POST", path, b"{}", fields)
                assert is_refused(answer)
            event = {**fields, "x-amz-invocation-type": "Event"}
            assert is_refused(await request(emulator.port, "POST", INVOKE, b"{}", event))
            for path in ("/", "/2015-03-31/functions/", "/2015-03-31/functions/f", "/none"):
                assert is_refused(await request(emulator.port, "GET", path, headers=fields))

            assert (await emulator.invoke({})).status == 200
            assert runs(emulator) == 1

    uvloop.run(story())


def test_an_absolute_target_is_its_host(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(playing(path=tmp_path)) as emulator:
            target = f"http://evil.example{INVOKE}"
            assert is_refused(await request(emulator.port, "POST", target, b"{}"))
            assert runs(emulator) == 0

    uvloop.run(story())


@pytest.mark.parametrize(
    "fields",
    [
        {"host": "127.0.0.1:9000"},
        {"host": "fn.localhost"},
        {"host": "192.168.1.7:9000"},
        {"host": "[::1]:9000"},
        {"host": "example.test"},
        {"origin": "http://localhost:3000", "sec-fetch-site": "cross-site"},
        {"origin": "http://127.0.0.1:5173", "sec-fetch-site": "same-site"},
    ],
)
def test_this_machine_and_named_hosts_are_served(tmp_path: Path, fields: dict[str, str]) -> None:
    async def story() -> None:
        async with running(playing(path=tmp_path)) as emulator:
            answer = await request(emulator.port, "POST", INVOKE, b"{}", fields)
            assert answer.status == 200
            assert "access-control-allow-origin" not in answer.headers
            assert runs(emulator) == 1

    uvloop.run(story())


def test_a_body_that_is_refused_is_read_first(tmp_path: Path) -> None:
    """So that the sender finds the answer; the connection goes on."""

    async def story() -> None:
        async with running(playing(path=tmp_path)) as emulator:
            reader, writer = await asyncio.open_connection("127.0.0.1", emulator.port)
            head = f"POST {INVOKE} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n"
            writer.write(f"{head}Origin: {EVIL}\r\n\r\n".encode() + b" " * 3_000_000)
            assert (await reader.readline()).startswith(b"HTTP/1.1 403 ")
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert b"HTTP/1.1 200 OK" in await reader.read()
            writer.close()
            await writer.wait_closed()

    uvloop.run(story())


def test_one_warning_counts_what_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with running(playing(path=tmp_path)) as emulator:
            for _ in range(20):
                await request(emulator.port, "POST", INVOKE, b"{}", POST)

    uvloop.run(story())
    lines = [r.getMessage() for r in caplog.records if r.name == "tailrace.net.server.refusals"]
    assert len(lines) == 1
    assert "Lambda API: refused=1: a web page of 'https://evil.example'" in lines[0]


# --- CORS of the Lambda API ---------------------------------------------------------------------

ASKED = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "amz-sdk-invocation-id,authorization,x-amz-date",
}


def test_sdks_in_allowed_pages_get_cors_headers(tmp_path: Path) -> None:
    async def story() -> None:
        origins = ("https://app.example", "http://localhost:3000")
        async with running(playing(path=tmp_path), allowed_origins=origins) as emulator:
            for origin in origins:
                page = {"origin": origin, "sec-fetch-site": "cross-site"}
                preflight = await request(
                    emulator.port, "OPTIONS", INVOKE, headers={**page, **ASKED}
                )
                assert preflight.status == 204
                assert preflight.headers["access-control-allow-origin"] == origin
                assert preflight.headers["access-control-allow-methods"] == "POST"
                allowed = preflight.headers["access-control-allow-headers"]
                assert allowed == ASKED["access-control-request-headers"]
                for path in (INVOKE, STREAM, "/2015-03-31/functions/none/invocations"):
                    answer = await request(emulator.port, "POST", path, b"{}", page)
                    assert answer.headers["access-control-allow-origin"] == origin
                    exposed = answer.headers["access-control-expose-headers"]
                    assert "x-amz-function-error" in exposed
                    assert answer.headers["vary"] == "Origin"
            assert runs(emulator) == 4
            assert is_refused(await request(emulator.port, "POST", INVOKE, b"{}", POST))
            preflight = await request(
                emulator.port, "OPTIONS", INVOKE, headers={**ASKED, "origin": EVIL}
            )
            assert is_refused(preflight)
            assert runs(emulator) == 4

    uvloop.run(story())


def test_cors_is_off_by_default(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(playing(path=tmp_path)) as emulator:
            page = {"origin": "http://localhost:3000", **ASKED}
            preflight = await request(emulator.port, "OPTIONS", INVOKE, headers=page)
            assert preflight.status == 404
            assert "access-control-allow-origin" not in preflight.headers

    uvloop.run(story())


# --- Function URLs ------------------------------------------------------------------------------


def with_url(path: Path, *origins: str, **url: str) -> FunctionConfig:
    cors = CorsConfig(allow_origins=origins, allow_methods=("*",)) if origins else None
    return playing(path=path, url=UrlConfig(cors=cors, **url))  # type: ignore[arg-type]


def port_of(emulator: Harness) -> int:
    return int(emulator.service.function_urls["f"].rpartition(":")[2])


@pytest.mark.parametrize("mode", ["BUFFERED", "RESPONSE_STREAM"])
@pytest.mark.parametrize("fields", REFUSED.values(), ids=REFUSED)
def test_a_url_runs_nothing_for_a_foreign_page(
    tmp_path: Path, fields: dict[str, str], mode: str
) -> None:
    async def story() -> None:
        async with running(with_url(tmp_path, invoke_mode=mode)) as emulator:
            port = port_of(emulator)
            for method in ("POST", "PUT", "GET", "OPTIONS"):
                assert is_refused(await request(port, method, "/", b"{}", fields))
            assert runs(emulator) == 0

    uvloop.run(story())


@pytest.mark.parametrize("origins", [(EVIL,), ("*",), ("https://x.example", EVIL)])
def test_the_cors_of_a_url_names_the_pages_that_may_call(
    tmp_path: Path, origins: tuple[str, ...]
) -> None:
    async def story() -> None:
        async with running(with_url(tmp_path, *origins)) as emulator:
            answer = await request(port_of(emulator), "POST", "/", b"{}", POST)
            assert answer.status == 200
            assert answer.headers["access-control-allow-origin"] in (EVIL, "*")
            assert runs(emulator) == 1

    uvloop.run(story())


def test_cors_of_another_page_does_not_help(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(with_url(tmp_path, "https://app.example")) as emulator:
            answer = await request(port_of(emulator), "POST", "/", b"{}", POST)
            assert is_refused(answer)
            assert "[functions.f.url.cors]" in answer.json()["Message"]
            assert runs(emulator) == 0

    uvloop.run(story())


def test_the_public_keys_of_the_emulator_are_no_protection(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(with_url(tmp_path, auth="AWS_IAM")) as emulator:
            answer = await request(port_of(emulator), "POST", "/", b"{}", POST)
            assert "sent this request" in answer.json()["Message"]

    uvloop.run(story())


def test_a_reload_changes_who_may_call(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(with_url(tmp_path)) as emulator:
            ports = (emulator.port, port_of(emulator))
            for port in ports:
                assert is_refused(await request(port, "POST", INVOKE, b"{}", POST))
            await emulator.service.reload(config(with_url(tmp_path), allowed_origins=(EVIL,)))
            for port in ports:
                answer = await request(port, "POST", INVOKE, b"{}", POST)
                assert answer.status == 200
            await emulator.service.reload(config(with_url(tmp_path)))
            for port in ports:
                assert is_refused(await request(port, "POST", INVOKE, b"{}", POST))

    uvloop.run(story())


# --- the Runtime API ----------------------------------------------------------------------------

NEXT = "/2018-06-01/runtime/invocation/next"


@pytest.mark.parametrize("fields", REFUSED.values(), ids=REFUSED)
def test_the_runtime_api_is_its_own_functions_alone(fields: dict[str, str]) -> None:
    """With a name that resolves to it a page could read events, and answer them."""

    async def story() -> None:
        notes = Notes()
        server = RuntimeServer("f", "app.handler", notes)
        await server.start()
        port = int(server.address.rpartition(":")[2])
        error = "/2018-06-01/runtime/init/error"
        for method, path in (("GET", NEXT), ("POST", error)):
            answer = await request(port, method, path, b"{}", fields)
            assert (answer.status, answer.json()["errorType"]) == (403, "Forbidden")
        assert notes.ready_count == 0
        assert notes.init_outcomes == []
        await server.stop()

    uvloop.run(story())


# --- callbacks ----------------------------------------------------------------------------------


def test_functions_may_call_back_to_this_machine_and_to_named_hosts(tmp_path: Path) -> None:
    path = tmp_path / "environ"

    async def hosts(emulator: Harness) -> str:
        await emulator.play({"environ": str(path)}, {"return": None})
        return str(json.loads(path.read_bytes())["TAILRACE_CALLBACK_HOSTS"])

    async def story() -> None:
        async with running(playing(path=tmp_path), callback_hosts=("gw.example",)) as emulator:
            assert await hosts(emulator) == "localhost,gw.example"
            await emulator.service.reload(config(playing(path=tmp_path)), changed=set())
            assert await hosts(emulator) == "localhost"
            own = playing(path=tmp_path, environment={"TAILRACE_CALLBACK_HOSTS": "10.0.0.7:8081"})
            await emulator.service.reload(config(own), changed=set())
            assert await hosts(emulator) == "10.0.0.7:8081"

    uvloop.run(story())


def test_beside_a_gateway_functions_call_back_to_that_one_alone(tmp_path: Path) -> None:
    path = tmp_path / "environ"

    async def story() -> None:
        function = playing(path=tmp_path)
        async with running(function, find_gateway=lambda: "127.0.0.1:8081") as emulator:
            await emulator.play({"environ": str(path)}, {"return": None})
            variables = json.loads(path.read_bytes())
            assert variables["TAILRACE_CALLBACK_HOSTS"] == "127.0.0.1:8081"

    uvloop.run(story())
