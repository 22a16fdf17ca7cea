"""The client's side: routes, events, admission, refusals, health."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from tests.fakes import Client, Response, encode_head, encode_request, until
from tests.gateway.world import FixedRoute, World, played

from tailrace import limits
from tailrace.gateway.aws.endpoint import AwsEndpoint
from tailrace.gateway.aws.invoke import LambdaInvoker
from tailrace.gateway.routes import Router
from tailrace.gateway.transports.choice import Transports


async def answered(client: Client, method: str = "GET") -> Response:
    """The whole answer to a client."""
    return await client.read_response(method)


async def event_of(world: World, *request: object, **more: object) -> dict[str, object]:
    """The event that a request becomes; the client then leaves."""
    client, invocation = await world.hold(*request, **more)  # type: ignore[arg-type]
    client.close()
    return invocation.event


# --- routes --------------------------------------------------------------------------------------


class HostRoute(FixedRoute):
    """A route as the configuration makes them."""

    def __init__(self, path: str, function: str, host: str | None = None) -> None:
        super().__init__(function)
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "host", host)


ROUTES = Router(
    [
        HostRoute("/*", "everything"),
        HostRoute("/a/*", "a"),
        HostRoute("/a/exact", "exact"),
        HostRoute("/*", "other-host", "other.test"),
        HostRoute("/arn", "arn:aws:lambda:eu-west-1:123456789012:function:f:prod"),
    ]
)


@pytest.mark.parametrize(
    ("host", "target", "function"),
    [
        ("example.test", "/", "everything"),
        ("example.test", "/a", "a"),
        ("example.test", "/a/b?x=/a/exact", "a"),
        ("example.test", "/a/exact", "exact"),
        ("other.test", "/a/exact", "other-host"),
        ("OTHER.test:8080", "/", "other-host"),
        ("example.test", "/arn", "arn:aws:lambda:eu-west-1:123456789012:function:f:prod"),
    ],
)
@played(route=ROUTES.match)
async def test_a_request_goes_to_the_function_of_its_route(
    world: World, host: str, target: str, function: str
) -> None:
    client = await world.client()

    await client.request("GET", target, [("host", host)])

    invocation = await world.invocation()
    assert invocation.function == function
    client.close()


@played(route=lambda host, path: None)
async def test_a_request_without_a_route_is_404(world: World) -> None:
    client = await world.client()

    await client.request("GET", "/nowhere")

    answer = await answered(client)
    assert answer.status == 404
    assert "/nowhere" in answer.json()["detail"]
    assert world.endpoint.invocations == []


@played()
async def test_other_routes_count_from_the_next_request_on(world: World) -> None:
    client, function = await world.pair()
    world.gateway.route_by(lambda host, path: FixedRoute("other"))

    second, invocation = await world.hold()

    assert invocation.function == "other"
    await function.write(encode_head() + b"still the first")
    await function.end()
    assert (await answered(client)).body == b"still the first"
    second.close()


# --- the event -----------------------------------------------------------------------------------


@played()
async def test_the_event_is_a_function_url_event_with_the_callback(world: World) -> None:
    event = await event_of(
        world,
        "POST",
        "/caf%C3%A9/a%2Fb?x=1&x=2&y=%20",
        [
            ("host", "example.test:8080"),
            ("user-agent", "tester/1"),
            ("x-many", "1"),
            ("x-many", "2"),
            ("cookie", "a=1; b=2"),
            ("content-type", "application/json"),
        ],
        b'{"n":1}',
    )

    assert event["version"] == "2.0"
    assert event["rawPath"] == "/caf%C3%A9/a%2Fb"
    assert event["rawQueryString"] == "x=1&x=2&y=%20"
    assert event["queryStringParameters"] == {"x": "1,2", "y": " "}
    assert event["cookies"] == ["a=1", "b=2"]
    headers = event["headers"]
    assert isinstance(headers, dict)
    assert headers["host"] == "example.test:8080"
    assert headers["x-many"] == "1,2"
    assert headers["content-length"] == "7"
    context = event["requestContext"]
    assert isinstance(context, dict)
    assert context["domainName"] == "example.test"
    assert context["http"] == {
        "method": "POST",
        "path": "/café/a/b",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "tester/1",
    }
    assert event["body"] == '{"n":1}'
    assert event["isBase64Encoded"] is False

    url = event["origin"]
    exchange_id = event["requestId"]
    assert event["tailrace"] == {"v": 1, "callback": url}
    assert re.fullmatch(
        re.escape(f"{world.gateway.callback_url}/{exchange_id}/") + "[0-9a-f]{32}", str(url)
    )
    assert context["requestId"] == exchange_id
    assert event["url"] == "/caf%C3%A9/a%2Fb?x=1&x=2&y=%20"


@played()
async def test_the_url_of_an_event_without_a_query_is_its_path(world: World) -> None:
    event = await event_of(world, "GET", "/only/path")

    assert event["url"] == "/only/path"
    assert event["rawQueryString"] == ""


@played()
async def test_a_url_as_the_target_gives_its_host(world: World) -> None:
    event = await event_of(world, "GET", "http://elsewhere.test/p?q=1", [("host", "example.test")])

    assert event["rawPath"] == "/p"
    assert event["url"] == "/p?q=1"
    assert event["headers"]["host"] == "elsewhere.test"  # type: ignore[index]


@played()
async def test_a_binary_body_arrives_byte_for_byte(world: World) -> None:
    body = bytes(range(256)) * 8

    client, invocation = await world.hold("PUT", "/", (), body)

    assert invocation.event["isBase64Encoded"] is True
    assert invocation.body == body
    client.close()


@played()
async def test_a_chunked_request_body_arrives_whole(world: World) -> None:
    client = await world.client()

    await client.request("POST", "/", [("transfer-encoding", "chunked")])
    for piece in (b"5\r\nhel", b"lo\r\n", b"6;ext=1\r\n world\r\n", b"0\r\nx: y\r\n\r\n"):
        await client.send(piece)

    invocation = await world.invocation()
    assert invocation.body == base64.b64decode(base64.b64encode(b"hello world"))
    assert "transfer-encoding" not in invocation.event["headers"]
    assert "x" not in invocation.event["headers"]
    client.close()


@played()
async def test_headers_of_the_connection_do_not_reach_the_function(world: World) -> None:
    event = await event_of(
        world,
        "GET",
        "/",
        [
            ("connection", "keep-alive, X-Private"),
            ("keep-alive", "timeout=5"),
            ("x-private", "for the gateway only"),
            ("te", "trailers"),
            ("proxy-authorization", "Basic eA=="),
            ("x-kept", "1"),
        ],
    )

    headers = event["headers"]
    assert isinstance(headers, dict)
    assert headers["x-kept"] == "1"
    for name in ("connection", "keep-alive", "x-private", "te", "proxy-authorization"):
        assert name not in headers


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@played()
async def test_every_method_is_passed_on(world: World, method: str) -> None:
    event = await event_of(world, method, "/")

    assert event["requestContext"]["http"]["method"] == method  # type: ignore[index]


@played()
async def test_http_1_0_is_passed_on(world: World) -> None:
    event = await event_of(world, "GET", "/", version="1.0")

    assert event["requestContext"]["http"]["protocol"] == "HTTP/1.0"  # type: ignore[index]


@played(advertise="https://gateway.internal:8443")
async def test_callbacks_go_to_the_advertised_address(world: World) -> None:
    client, invocation = await world.hold("GET", "/", [("host", "attacker.test")])

    assert invocation.url.startswith("https://gateway.internal:8443/")
    assert "attacker.test" not in invocation.url
    client.close()


# --- trusted hops --------------------------------------------------------------------------------

FORWARDED = [
    ("x-forwarded-for", "6.6.6.6, 1.1.1.1"),
    ("x-forwarded-for", "2.2.2.2"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-port", "443"),
]


async def forwarded(world: World) -> tuple[str, dict[str, str]]:
    """The client's address and headers as the function sees them."""
    event = await event_of(world, "GET", "/", FORWARDED)
    return event["requestContext"]["http"]["sourceIp"], event["headers"]  # type: ignore


@played()
async def test_nobody_is_believed_by_default(world: World) -> None:
    source_ip, headers = await forwarded(world)

    assert source_ip == "127.0.0.1"
    assert headers["x-forwarded-for"] == "6.6.6.6, 1.1.1.1, 2.2.2.2, 127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert "x-forwarded-port" not in headers


@played(trusted_hops=1)
async def test_one_trusted_hop_names_the_client(world: World) -> None:
    source_ip, headers = await forwarded(world)

    assert source_ip == "2.2.2.2"
    assert headers["x-forwarded-proto"] == "https"
    assert headers["x-forwarded-port"] == "443"


@played(trusted_hops=2, scheme_header="cloudfront-forwarded-proto")
async def test_the_scheme_is_that_of_a_proxy_further_out(world: World) -> None:
    """An ALB overwrites X-Forwarded-Proto and -Port with those of CloudFront's request to it."""
    sent = [
        ("x-forwarded-proto", "http"),
        ("x-forwarded-port", "80"),
        ("cloudfront-forwarded-proto", "https"),
    ]
    event = await event_of(world, "GET", "/", sent)

    assert event["headers"]["x-forwarded-proto"] == "https"
    assert event["headers"]["x-forwarded-port"] == "443"


@played(trusted_hops=2)
async def test_two_trusted_hops_name_the_client_behind_both(world: World) -> None:
    source_ip, _ = await forwarded(world)

    assert source_ip == "1.1.1.1"


@played(trusted_hops=9)
async def test_more_trusted_hops_than_there_are_name_the_first(world: World) -> None:
    source_ip, _ = await forwarded(world)

    assert source_ip == "6.6.6.6"


@played()
async def test_a_trace_id_is_made_and_one_that_came_is_kept(world: World) -> None:
    made = await event_of(world)
    kept = await event_of(world, "GET", "/", [("x-amzn-trace-id", "Root=1-2-3")])

    assert re.fullmatch("Root=1-[0-9a-f]{8}-[0-9a-f]{24}", made["headers"]["x-amzn-trace-id"])  # type: ignore
    assert kept["headers"]["x-amzn-trace-id"] == "Root=1-2-3"  # type: ignore


# --- admission -----------------------------------------------------------------------------------


@played(route=lambda host, path: FixedRoute(concurrency=2))
async def test_a_route_at_its_limit_answers_503_with_retry_after(world: World) -> None:
    first, function = await world.pair()
    second, _ = await world.hold()
    third = await world.client()

    await third.request()

    answer = await answered(third)
    assert answer.status == 503
    assert answer.get("retry-after") == "1"
    assert len(world.endpoint.invocations) == 2
    assert (await health_of(world))["refused"]["requests"] == 1

    await function.write(encode_head())
    await function.end()
    await answered(first)
    fourth, _ = await world.hold()  # there is room again
    second.close()
    fourth.close()


@played(route=lambda host, path: FixedRoute(concurrency=2))
async def test_slow_uploads_take_no_place_of_the_route(world: World) -> None:
    for _ in range(5):
        await begin_upload(world)
    await until(lambda: world.gateway.statistics()["uploads"] == 5)

    first, _ = await world.hold()
    second, _ = await world.hold("POST", "/", (), b"a body that comes with its head")

    health = await health_of(world)
    assert (health["held"], health["uploads"], health["clients"]) == (2, 5, 8)
    first.close()
    second.close()


@played(route=lambda host, path: FixedRoute(concurrency=1))
async def test_an_upload_takes_its_place_when_it_is_complete(world: World) -> None:
    uploading = await begin_upload(world)
    await until(lambda: world.gateway.statistics()["uploads"] == 1)

    await uploading.send(b"dy")

    assert (await world.invocation()).body == b"body"
    health = await health_of(world)
    assert (health["held"], health["uploads"]) == (1, 0)
    refused = await world.client()
    await refused.request()
    assert (await answered(refused)).status == 503
    uploading.close()


@pytest.mark.parametrize("limit", ["route", "gateway"])
def test_an_upload_whose_place_is_gone_at_its_end_is_503_and_not_run(limit: str) -> None:
    bounds = {"held_max": 1} if limit == "gateway" else {}
    route = FixedRoute(concurrency=1 if limit == "route" else 100)

    @played(route=lambda host, path: route, **bounds)
    async def story(world: World) -> None:
        uploading = await begin_upload(world)
        await until(lambda: world.gateway.statistics()["uploads"] == 1)
        held, _ = await world.hold()

        await uploading.send(b"dy")

        answer = await answered(uploading)
        assert answer.status == 503
        assert answer.get("retry-after") == "1"
        assert len(world.endpoint.invocations) == 1
        held.close()
        await world.assert_settled()
        await uploading.request("POST", "/again", (), b"body")  # the connection is still good
        assert (await world.invocation()).event["rawPath"] == "/again"
        uploading.close()

    story()


@played(route=lambda host, path: FixedRoute(concurrency=1))
async def test_an_upload_to_a_full_route_is_refused_before_it_is_sent(world: World) -> None:
    held, _ = await world.hold()
    client = await world.client()

    await client.request("POST", "/", [("content-length", "700000"), ("expect", "100-continue")])

    answer = await answered(client)
    assert answer.status == 503
    assert answer.get("retry-after") == "1"
    held.close()


@played(uploads_max=2)
async def test_uploads_have_a_bound_of_their_own(world: World) -> None:
    uploads = [await begin_upload(world) for _ in range(2)]
    await until(lambda: world.gateway.statistics()["uploads"] == 2)

    for _ in range(3):
        refused = await world.client()
        await refused.request("POST", "/", [("content-length", "4"), ("expect", "100-continue")])
        answer = await answered(refused)
        assert answer.status == 503
        assert answer.get("retry-after") == "1"
        assert answer.json()["detail"] == "busy: 2 uploads at a time"

    held, _ = await world.hold()  # what is no upload is served
    await uploads[0].send(b"dy")
    assert (await world.invocation()).body == b"body"
    await begin_upload(world)  # there is room again
    await until(lambda: world.gateway.statistics()["uploads"] == 2)
    refusals = (await health_of(world))["refused"]
    assert (refusals["uploads"], refusals["requests"]) == (3, 0)
    assert world.log.named("tailrace.net.server.crowd") == [
        "public listener: 1 uploads refused, over the limit of 2 at a time"
    ]
    for client in (held, *uploads):
        client.close()


@pytest.mark.parametrize("how", ["leave", "reset", "too large", "malformed"])
@played(uploads_max=1)
async def test_an_upload_that_fails_is_none_any_more(world: World, how: str) -> None:
    uploading = await world.client()
    await uploading.request("POST", "/", [("transfer-encoding", "chunked")])
    await uploading.send(b"4\r\nbody\r\n")
    await until(lambda: world.gateway.statistics()["uploads"] == 1)

    if how == "leave":
        uploading.close()
    elif how == "reset":
        uploading.reset()
    else:
        await uploading.send(b"ffffff\r\n" + bytes(800_000) if how == "too large" else b"zz\r\n")
        assert (await answered(uploading)).status == (413 if how == "too large" else 400)

    await until(lambda: world.gateway.statistics()["uploads"] == 0)
    assert world.endpoint.invocations == []
    await begin_upload(world)
    await until(lambda: world.gateway.statistics()["uploads"] == 1)


@played(body_total_timeout_s=10.0)
async def test_an_upload_has_a_deadline_for_all_of_it(world: World) -> None:
    client = await begin_upload(world)
    await until(lambda: world.gateway.statistics()["uploads"] == 1)

    world.clock.advance(11.0)

    assert (await answered(client)).status == 408
    assert world.gateway.statistics()["uploads"] == 0


async def begin_upload(world: World) -> Client:
    """A client in the middle of its request's body: `dy` is missing."""
    client = await world.client()
    await client.request("POST", "/", [("content-length", "4")], b"bo")
    return client


async def health_of(world: World) -> dict[str, Any]:
    """The health document, asked for by a client that leaves."""
    client = await world.client()
    await client.request("GET", world.gateway.settings.config.health_path)
    document = (await answered(client)).json()
    client.close()
    assert isinstance(document, dict)
    return document


@played(route=lambda host, path: FixedRoute(path.strip("/"), concurrency=1))
async def test_refusals_are_one_warning_for_each_route(world: World) -> None:
    for name in ("one", "two"):
        held, _ = await world.hold("GET", f"/{name}")
        for _ in range(3):
            client = await world.client()
            await client.request("GET", f"/{name}")
            assert (await answered(client)).status == 503
        held.close()

    assert world.log.named("tailrace.gateway.front") == [
        f"function={name} refused=1: the function is busy: 1 requests at a time"
        for name in ("one", "two")
    ]


async def world_has_clients(world: World, count: int) -> None:
    await until(lambda: world.gateway.statistics()["clients"] >= count, "clients")


@played(held_max=1)
async def test_a_gateway_at_its_limit_answers_503(world: World) -> None:
    first, _ = await world.hold()
    second = await world.client()

    await second.request()

    answer = await answered(second)
    assert answer.status == 503
    assert answer.get("retry-after") == "1"
    first.close()


# --- bodies that are too large -------------------------------------------------------------------


@played()
async def test_a_body_that_is_announced_too_large_is_413_before_it_is_sent(world: World) -> None:
    client = await world.client()

    await client.request("POST", "/", [("content-length", "750001"), ("expect", "100-continue")])

    answer = await answered(client)
    assert answer.status == 413
    assert "750000" in answer.json()["detail"]
    assert world.endpoint.invocations == []


@played()
async def test_a_chunked_body_that_grows_too_large_is_413(world: World) -> None:
    client = await world.client()
    await client.request("POST", "/", [("transfer-encoding", "chunked")])

    for _ in range(12):
        await client.send(b"10000\r\n" + bytes(0x10000) + b"\r\n")

    answer = await answered(client)
    assert answer.status == 413
    assert world.endpoint.invocations == []


@played()
async def test_a_body_in_very_many_small_chunks_is_400(world: World) -> None:
    """Each costs a call of its own: 750 KB in single bytes would be a tenth of a second."""
    client = await world.client()
    await client.request("POST", "/", [("transfer-encoding", "chunked")])

    await client.send(b"1\r\nx\r\n" * (limits.SMALL_CHUNKS_MAX + 50_000))

    answer = await answered(client)
    assert answer.status == 400
    assert "over 16384 chunks of the body are under 16 bytes" in answer.json()["detail"]
    assert world.endpoint.invocations == []


@played()
async def test_the_largest_binary_body_fits_an_event(world: World) -> None:
    body = bytes(limits.REQUEST_BODY_BYTES_MAX)

    client, invocation = await world.hold("POST", "/", (), body)

    assert invocation.body == body
    assert len(invocation.payload) <= limits.EVENT_INVOKE_BYTES_MAX
    client.close()


@played()
async def test_text_that_makes_too_large_an_event_is_413(world: World) -> None:
    """JSON writes a control character in six bytes; only the event shows that."""
    client = await world.client()

    await client.request("POST", "/", [("content-type", "text/plain")], b"\x01" * 300_000)

    answer = await answered(client)
    assert answer.status == 413
    assert str(limits.EVENT_INVOKE_BYTES_MAX) in answer.json()["detail"]
    assert world.endpoint.invocations == []


@played()
async def test_a_client_that_waits_for_100_gets_it(world: World) -> None:
    client = await world.client()
    await client.request("POST", "/", [("content-length", "2"), ("expect", "100-continue")])

    assert (await client.read_head()).status == 100

    await client.send(b"ok")
    invocation = await world.invocation()
    assert invocation.body == b"ok"
    assert "expect" not in invocation.event["headers"]
    client.close()


# --- problem documents ---------------------------------------------------------------------------


@played(route=lambda host, path: None)
async def test_a_problem_is_json_unless_html_is_asked_for(world: World) -> None:
    client = await world.client()

    await client.request("GET", "/<b>", [("accept", "*/*")])
    document = await answered(client)
    await client.request("GET", "/<b>", [("accept", "text/html,application/xhtml+xml,*/*")])
    page = await answered(client)

    assert document.get("content-type") == "application/problem+json"
    assert document.json() == {"title": "Not Found", "status": 404, "detail": "no route for /<b>"}
    assert page.get("content-type") == "text/html; charset=utf-8"
    assert b"/&lt;b&gt;" in page.body
    assert b"<b>" not in page.body
    for answer in (document, page):
        assert answer.get("cache-control") == "no-store"


@played(route=lambda host, path: None)
async def test_a_problem_for_head_has_no_body(world: World) -> None:
    client = await world.client()

    await client.request("HEAD", "/x")
    first = await answered(client, "HEAD")
    await client.request("GET", "/x")
    second = await answered(client)  # were there a body, this would not be a status line

    assert first.status == second.status == 404
    assert first.get("content-length") == second.get("content-length")


@played(first_byte_s=10.0)
async def test_a_problem_names_the_exchange_for_the_operator(world: World) -> None:
    client, invocation = await world.hold("GET", "/", [("accept", "text/html")])
    world.clock.advance(11.0)

    page = await answered(client)

    assert page.status == 504
    assert invocation.event["requestId"].encode() in page.body
    assert invocation.event["requestId"] in world.summaries()[0]


# --- health --------------------------------------------------------------------------------------


@played(health_path="/healthz")
async def test_health_tells_how_many_are_held(world: World) -> None:
    held, _ = await world.hold()
    client = await world.client()

    await client.request("GET", "/healthz")
    answer = await answered(client)
    await client.request("HEAD", "/healthz?x=1")
    head = await answered(client, "HEAD")

    assert answer.status == head.status == 200
    health = answer.json()
    assert isinstance(health.pop("late_us"), int)
    assert health == {
        "status": "ok",
        "held": 1,
        "uploads": 0,
        "clients": 2,
        "callbacks": 0,
        "refused": {
            "requests": 0,
            "late": 0,
            "uploads": 0,
            "clients": 0,
            "callbacks": 0,
            "descriptors": 0,
        },
    }
    assert answer.get("cache-control") == "no-store"
    assert len(world.endpoint.invocations) == 1
    held.close()


# --- idle connections ----------------------------------------------------------------------------


@pytest.mark.parametrize("idle_s", [299.0, 301.0])
@played(health_path="/healthz", keep_alive_timeout_s=300.0)
async def test_an_idle_connection_is_kept_for_the_configured_time(
    world: World, idle_s: float
) -> None:
    """A load balancer with a longer time-out than the default needs a longer one here."""
    client = await world.client()
    await client.request("GET", "/healthz")
    await answered(client)

    world.clock.advance(idle_s)

    if idle_s > 300:
        await until(lambda: world.gateway.statistics()["clients"] == 0)
    else:
        await client.request("GET", "/healthz")
        assert (await answered(client)).status == 200


# --- clients that misbehave ----------------------------------------------------------------------


@played()
async def test_a_second_request_is_served_after_the_first(world: World) -> None:
    client = await world.client()
    await client.send(encode_request("GET", "/1"))
    invocation = await world.invocation()
    await client.send(encode_request("GET", "/2"))
    assert await client.is_silent()
    assert len(world.endpoint.invocations) == 1

    function = await world.function(invocation.url)
    await function.post(expects=False)
    await function.write(encode_head() + b"one")
    await function.end()

    assert (await answered(client)).body == b"one"
    second = await world.invocation()
    assert second.event["rawPath"] == "/2"
    client.close()


@played()
async def test_a_held_client_that_goes_on_sending_is_cut(world: World) -> None:
    client, _ = await world.hold()

    await client.send(bytes(limits.PIPELINED_BYTES_MAX + 1))

    _, how = await client.read_to_end()
    assert how == "reset"
    await until(lambda: world.outcomes() == ["client-left"])


@played()
async def test_a_half_closed_client_has_left(world: World) -> None:
    client, _ = await world.hold()

    client.fin()

    await until(lambda: world.outcomes() == ["client-left"])


@played()
async def test_a_client_that_leaves_within_its_request_invokes_nothing(world: World) -> None:
    client = await world.client()
    await client.request("POST", "/", [("content-length", "10")], b"half")
    await world_has_clients(world, 1)

    client.reset()

    await until(lambda: world.gateway.statistics()["clients"] == 0)
    assert world.endpoint.invocations == []


@pytest.mark.parametrize("target", ["/\x1b[31m", "/\x7f", "/a b", "/\x00", "/\x9b", "/\xe9"])
@played()
async def test_what_is_not_printable_ascii_in_a_path_is_refused(world: World, target: str) -> None:
    """They would otherwise reach the operator's terminal through the log."""
    client = await world.client()

    await client.send(f"GET {target} HTTP/1.1\r\nhost: x\r\n\r\n".encode("latin-1"))

    assert (await answered(client)).status == 400


# --- an error of our own -------------------------------------------------------------------------


class FailingInvoker(LambdaInvoker):
    """An invoker with a fault of its own, in one of its methods."""

    def __init__(self, url: str, method: str) -> None:
        super().__init__(AwsEndpoint(url, "us-east-1", True))
        setattr(self, method, self._fail)

    def _fail(self, *_: object) -> None:
        raise RuntimeError("a fault")


@pytest.mark.parametrize("method", ["invoke", "outcome"])
@played()
async def test_a_fault_of_an_invoker_is_500_and_one_traceback(world: World, method: str) -> None:
    world.errors_expected = True
    invoker = FailingInvoker(world.endpoint.url, method)
    await invoker.start()
    world.gateway._front.transports = Transports(callback=invoker)
    client = await world.client()

    await client.request()

    assert (await answered(client)).status == 500
    assert world.log.text().count("RuntimeError: a fault") == 1
    assert world.outcomes() == ["invoke-refused"]
    await invoker.close()
