"""Functions that a URL invokes: what is sent there, and what its answers mean to a client."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from tests.fakes import FakeLambda, Invocation, accept, encode_head, refuse, soon, until
from tests.gateway.world import FixedRoute, Story, World, played

from tailrace.net.server.listener import Connection, RequestHead, WholeBody

SECRET = "5f2b0c9d"


class Platform(FakeLambda):
    """Something else than Lambda: any path takes an event."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = accept

    def _on_head(self, head: RequestHead, connection: Connection) -> WholeBody:
        self.connections.add(id(connection))

        def on_body(body: bytes, _trailers: object) -> None:
            headers = {key.decode(): value.decode("latin-1") for key, value in head.headers}
            invocation = Invocation("", head.method, head.target, headers, body)
            self.invocations.append(invocation)
            self.answer(connection)
            self._waiting.put_nowait(invocation)

        return WholeBody(head, 10_000_000, on_body, lambda: None)


def by_url(path: str = "/run", **options: Any) -> Callable[[Story], Callable[..., None]]:
    """Play a story with a gateway whose route is a URL; its port is known when it is asked for."""
    platforms: list[Platform] = []

    def platform() -> Platform:
        platforms.append(Platform())
        return platforms[-1]

    def route(host: str, path_asked: str) -> FixedRoute:
        name, _, rest = path.rpartition("@")
        address = platforms[-1].url.removeprefix("http://")
        url = f"http://{name}@{address}{rest}" if name else f"http://{address}{rest}"
        return FixedRoute(function=url, invoke_url=url)

    return played(endpoint=platform, route=route, **options)


@by_url(f"/run/it?key={SECRET}")
async def test_the_event_goes_to_the_url_and_the_function_calls_back(world: World) -> None:
    world.secrets.add(SECRET)  # in no log
    client, invocation = await world.hold("POST", "/a", body=b"hello")

    assert (invocation.method, invocation.path) == ("POST", f"/run/it?key={SECRET}")
    assert invocation.headers["host"] == world.endpoint.url.removeprefix("http://")
    assert invocation.headers["content-type"] == "application/json"
    assert not {"authorization", "x-amz-invocation-type"} & invocation.headers.keys()
    assert invocation.event["rawPath"] == "/a"
    function = await world.function(invocation.url)
    await function.post()
    assert await function.read_status() == 100
    await function.finish(b"")
    assert (await client.read_response()).status == 502  # it had no prelude


@by_url("/")
async def test_a_response_comes_by_the_callback(world: World) -> None:
    client, function = await world.pair()
    await function.write(encode_head(201) + b"hello")
    await function.end()

    response = await client.read_response()

    assert (response.status, response.body) == (201, b"hello")
    (line,) = world.summaries()
    host = world.endpoint.url.removeprefix("http://")
    assert f" function={host} transport=callback status=201 " in line


@by_url(f"me:{SECRET}%20@/run")
async def test_name_and_password_are_sent_as_authorization(world: World) -> None:
    world.secrets.add(SECRET)
    client, invocation = await world.hold()

    expected = b64encode(f"me:{SECRET} ".encode()).decode()
    assert invocation.headers["authorization"] == f"Basic {expected}"
    assert invocation.path == "/run"
    assert invocation.headers["host"] == world.endpoint.url.removeprefix("http://")
    client.close()


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (429, 503),
        (503, 503),
        (413, 413),
        (400, 502),
        (401, 502),
        (404, 502),
        (500, 502),
        (504, 502),
        (301, 502),
        (307, 502),
    ],
)
@by_url()
async def test_a_refusal_is_a_clear_answer(world: World, status: int, expected: int) -> None:
    headers = [("retry-after", "7"), ("location", world.endpoint.url + "/elsewhere")]
    world.endpoint.answer = refuse(status, None, headers=headers, body=SECRET.encode())
    client = await world.client()
    await client.request()

    response = await client.read_response()

    assert response.status == expected
    assert response.get("retry-after") == ("7" if expected == 503 else None)
    assert SECRET.encode() not in response.body
    await world.assert_settled()
    assert world.outcomes() == ["invoke-refused"]
    assert len(world.endpoint.invocations) == 1  # a redirect is not followed


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@by_url()
async def test_any_2xx_takes_the_event(world: World, status: int) -> None:
    def answer(connection: Connection) -> None:
        connection.respond(status, [], b"" if status == 204 else b"thanks")

    world.endpoint.answer = answer
    client, function = await world.pair()
    await function.write(encode_head() + b"x")
    await function.end()

    assert (await client.read_response()).status == 200


@by_url()
async def test_a_platform_at_its_limit_may_not_say_when(world: World) -> None:
    world.endpoint.answer = refuse(429)
    client = await world.client()
    await client.request()

    assert (await client.read_response()).get("retry-after") == "1"


@by_url(invoke_timeout_s=10.0)
async def test_a_url_that_does_not_answer_is_504(world: World) -> None:
    def never(connection: Connection) -> None:
        pass

    world.endpoint.answer = never
    client, _ = await world.hold()

    world.clock.advance(11.0)

    assert (await client.read_response()).status == 504


@by_url()
async def test_a_function_may_call_back_before_its_url_has_answered(world: World) -> None:
    """A platform that answers when the function has ended."""
    waiting: list[Connection] = []
    world.endpoint.answer = waiting.append
    client, function = await world.pair()
    await function.write(encode_head() + b"one")
    await client.read_head()
    assert await client.read_chunk() == b"one"

    waiting[0].respond(200)
    await function.write(b"two")
    await function.end()

    assert await client.read_chunk() == b"two"
    assert await client.read_chunk() == b""


@played(
    route=lambda host, path: FixedRoute(
        function="http://127.0.0.1:1/", invoke_url="http://127.0.0.1:1/"
    )
)
async def test_a_url_that_is_down_is_502(world: World) -> None:
    client = await world.client()
    await client.request()

    assert (await client.read_response()).status == 502
    assert "function=127.0.0.1:1 invoking failed: no connection" in world.log.text()


@by_url()
async def test_connections_to_a_url_are_used_again(world: World) -> None:
    for _ in range(3):
        client, function = await world.pair()
        await function.write(encode_head() + b"x")
        await function.end()
        await client.read_response()
        await world.assert_settled()

    assert len(world.endpoint.connections) == 1


@by_url()
async def test_a_url_over_tls_is_asked_over_tls(world: World) -> None:
    """The platform here does not speak it: what arrives is no HTTP."""
    route = world.gateway._find_route("", "")
    assert route is not None and route.invoke_url is not None
    url = route.invoke_url.replace("http:", "https:")
    world.gateway.route_by(lambda host, path: FixedRoute(function=url, invoke_url=url))
    client = await world.client()
    await client.request()

    response = await soon(client.read_response())

    assert response.status == 502
    assert not world.endpoint.invocations
    await until(lambda: world.outcomes() == ["invoke-refused"])
