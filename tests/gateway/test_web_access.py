"""What web pages may do at the public listener: nothing of it on a server, much on a laptop."""

from __future__ import annotations

import json

from tests.gateway.world import World, played

from tailrace.net.server.web_access import WebAccess

EVIL = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")]
LOCAL = WebAccess(hosts=("api.test",), origins=("https://app.example",), serves_links=True)


async def ask(world: World, method: str, *fields: tuple[str, str]) -> tuple[int, str]:
    """The answer to a request that no function gets."""
    client = await world.client()
    await client.request(method, "/", fields)
    response = await client.read_response(method)
    return response.status, response.body.decode()


async def hold(world: World, method: str, *fields: tuple[str, str]) -> None:
    """A request that reaches a function, and is left then."""
    client, _ = await world.hold(method, "/", fields)
    client.close()
    await world.assert_settled()


@played(web_access=LOCAL)
async def test_foreign_pages_and_names_reach_no_function(world: World) -> None:
    for fields in (
        [("host", "localhost"), *EVIL],
        [("host", "localhost"), ("origin", "null")],
        [("host", "localhost"), EVIL[1]],
        [("host", "evil.example")],
        [("host", "evil.example"), ("origin", "http://evil.example")],
    ):
        for method in ("GET", "POST", "OPTIONS", "DELETE"):
            status, body = await ask(world, method, *fields)
            assert status == 403
            assert "[emulator] of tailrace.toml" in json.loads(body)["detail"]

    assert world.gateway.statistics()["invocations"] == 0
    assert world.endpoint.invocations == []


@played(web_access=LOCAL)
async def test_a_person_gets_the_reason_as_a_page(world: World) -> None:
    status, body = await ask(world, "GET", ("host", "my-mac.local:8080"), ("accept", "text/html"))

    assert status == 403
    assert "--allow-host my-mac.local" in body
    assert body.startswith("<!doctype html>")


@played(web_access=LOCAL)
async def test_health_is_no_exception(world: World) -> None:
    client = await world.client()
    await client.request("GET", "/_tailrace/health", [("host", "evil.example")])
    assert (await client.read_response("GET")).status == 403


@played(web_access=LOCAL)
async def test_pages_of_this_machine_and_links_reach_functions(world: World) -> None:
    link = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), EVIL[1]]
    for fields in (
        [("host", "api.test:8080")],
        [("host", "192.168.1.7:8080"), ("origin", "http://192.168.1.7:3000")],
        [("host", "localhost"), ("origin", "http://127.0.0.1:3000"), EVIL[1]],
        [("host", "localhost"), ("origin", "https://app.example"), EVIL[1]],
        [("host", "localhost"), *link],
    ):
        await hold(world, "GET", *fields)


@played(web_access=LOCAL)
async def test_what_is_allowed_may_change(world: World) -> None:
    world.gateway.admit_by(WebAccess(hosts=("evil.example",)))

    await hold(world, "GET", ("host", "evil.example"))
    assert (await ask(world, "GET", ("host", "api.test")))[0] == 403


@played()
async def test_a_public_gateway_serves_every_page_and_name(world: World) -> None:
    """Which sites may use a public server is for its functions, and their CORS headers, to say."""
    await hold(world, "POST", ("host", "www.example.com"), *EVIL)
