"""Which operation a request means, and what a person finds at the endpoint."""

from __future__ import annotations

import re
from pathlib import Path

import uvloop
from tests.emulator.harness import playing, request, running

from tailrace import limits
from tailrace.config import UrlConfig
from tailrace.emulator import lambda_api

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "lambda-api.md"


def test_other_paths_are_not_emulated(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(playing(path=tmp_path)) as emulator:
            for method, path in (
                ("GET", "/2015-03-31/functions/f/invocations"),
                ("POST", "/2015-03-31/functions"),
                ("POST", "/2021-11-15/functions/f/other"),
                ("GET", "/2021-11-15/functions/f/response-streaming-invocations"),
                ("POST", "/2015-03-31/functions/f/invocations/x"),
                ("POST", "/2015-03-31/functions/f/g/invocations"),
                ("DELETE", "/"),
            ):
                answer = await request(emulator.port, method, path, b"{}")
                assert answer.status == 404
                assert answer.headers["x-amzn-errortype"] == "UnknownOperationException"
                assert answer.json()["message"] == f"not emulated: {method} {path}"

    uvloop.run(run())


def test_a_slash_behind_a_path_means_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(playing(path=tmp_path)) as emulator:
            for method, path in (
                ("POST", "/2015-03-31/functions/f/invocations"),
                ("GET", "/2015-03-31/functions"),
            ):
                for slash in ("", "/"):
                    assert (await request(emulator.port, method, path + slash)).status == 200

    uvloop.run(run())


def test_the_root_lists_the_functions_and_their_urls(tmp_path: Path) -> None:
    async def run() -> None:
        with_url = playing("g", path=tmp_path, url=UrlConfig())
        async with running(playing(path=tmp_path), with_url) as emulator:
            host = f"127.0.0.1:{emulator.port}"
            answer = await request(emulator.port, "GET", "/", headers={"host": host})

            assert answer.status == 200
            assert answer.json()["functions"] == {
                name: f"http://{host}/2015-03-31/functions/{name}/invocations" for name in "fg"
            }
            assert answer.json()["function_urls"] == emulator.service.function_urls
            assert set(emulator.service.function_urls) == {"g"}

    uvloop.run(run())


def test_every_operation_is_documented() -> None:
    page = PAGE.read_text(encoding="utf-8")
    documented = {
        (method, path.rstrip("/"))
        for method, path in re.findall(r"^\| .* \| `(GET|POST) (/20\S+)` \|$", page, re.MULTILINE)
    }
    served = {
        (method, path.replace("([^/]+)", "NAME").replace("()", ""))
        for method, path, _ in lambda_api._OPERATIONS
    }

    assert documented == served


def test_the_documented_limits_are_the_real_ones() -> None:
    page = PAGE.read_text(encoding="utf-8")
    table = page.partition("## Limits")[2].partition("## Errors")[0]

    for value in (
        limits.SYNC_INVOKE_BYTES_MAX,
        limits.EVENT_INVOKE_BYTES_MAX,
        limits.BUFFERED_RESPONSE_BYTES_MAX,
        limits.STREAM_RESPONSE_BYTES_MAX,
        limits.EVENT_QUEUE_MAX,
    ):
        assert f"| {value:,}" in table
    assert f"{limits.EVENT_QUEUE_BYTES_MAX // limits.MIB} MiB" in table
    assert f"| {limits.HEAD_BYTES_MAX // limits.KIB} KiB |" in table
    assert f"| {limits.CLIENT_STALL_TIMEOUT_S:.0f} s |" in table
