"""Invoking through the Lambda API: what is sent, and every way in which it is not taken."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, RefreshableCredentials
from tests.clock import ManualClock
from tests.fakes import (
    Answer,
    FakeLambda,
    Peer,
    accept,
    encode_head,
    never,
    raw_server,
    refuse,
    settle,
    soon,
    until,
)
from tests.gateway.world import World, played

from tailrace.errors import (
    ConfigError,
    EndpointError,
    FunctionUnavailableError,
    InvokeError,
    InvokeTimeoutError,
    PayloadTooLargeError,
    ThrottledError,
)
from tailrace.gateway.aws.credentials import AwsKeys
from tailrace.gateway.aws.endpoint import AwsEndpoint, find_endpoint
from tailrace.gateway.aws.invoke import LambdaInvoker
from tailrace.gateway.aws.signing import AwsSigner
from tailrace.net.client.request import EncodedRequest, WholeRequest
from tailrace.net.process.startup import run
from tailrace.net.server.listener import Connection

# --- what is sent --------------------------------------------------------------------------------


@played()
async def test_an_invocation_is_an_event_with_a_valid_signature(world: World) -> None:
    client, invocation = await world.hold()

    headers = invocation.headers
    assert invocation.method == "POST"
    assert invocation.path == "/2015-03-31/functions/stream/invocations"
    assert headers["x-amz-invocation-type"] == "Event"
    assert headers["content-length"] == str(len(invocation.payload))
    request = AWSRequest(
        "POST",
        world.endpoint.url + invocation.path,
        data=invocation.payload,
        headers={"X-Amz-Invocation-Type": "Event"},
    )
    request.context["timestamp"] = headers["x-amz-date"]
    signer = SigV4Auth(Credentials("tailrace", "tailrace"), "lambda", "us-east-1")
    request.headers["X-Amz-Date"] = headers["x-amz-date"]
    text = signer.string_to_sign(request, signer.canonical_request(request))
    assert headers["authorization"].endswith(f"Signature={signer.signature(text, request)}")
    client.close()


@played()
async def test_connections_to_lambda_are_kept(world: World) -> None:
    for _ in range(5):
        client, _ = await world.hold()
        client.close()
        await world.assert_settled()

    assert len(world.endpoint.connections) == 1


@played()
async def test_an_invocation_on_a_kept_connection_runs_no_task(world: World) -> None:
    first, _ = await world.hold()
    first.close()
    await world.assert_settled()
    world.endpoint.answer = never
    client = await world.client()
    before = asyncio.all_tasks()

    await client.request()
    await world.invocation()

    assert asyncio.all_tasks() == before
    assert world.gateway.statistics()["invocations"] == 1
    client.reset()
    await world.assert_settled()


async def invoked(invoker: LambdaInvoker, function: str, payload: bytes) -> str | None:
    """Wait for the outcome of an invocation."""
    done: asyncio.Future[WholeRequest] = asyncio.get_running_loop().create_future()
    invoker.invoke(function, payload, done.set_result)
    return invoker.outcome(function, await done)


def test_an_arn_is_one_path_segment() -> None:
    async def play() -> None:
        endpoint = FakeLambda()
        await endpoint.start()
        invoker = LambdaInvoker(AwsEndpoint(endpoint.url, "us-east-1", True))
        await invoker.start()

        await invoked(invoker, "arn:aws:lambda:eu-west-1:123456789012:function:f:prod", b"{}")

        await invoker.close()
        await endpoint.stop()
        assert "arn%3Aaws%3Alambda%3Aeu-west-1" in endpoint.invocations[0].path

    run(play())


# --- refusals ------------------------------------------------------------------------------------

REFUSALS: dict[str, tuple[Answer, type[InvokeError], int]] = {
    "throttled": (refuse(429, "TooManyRequestsException:http://x"), ThrottledError, 503),
    "missing": (refuse(404, "ResourceNotFoundException"), FunctionUnavailableError, 502),
    "denied": (refuse(403, "AccessDeniedException"), FunctionUnavailableError, 502),
    "not ready": (refuse(409, "ResourceConflictException"), FunctionUnavailableError, 502),
    "too large": (refuse(413, "RequestTooLargeException"), PayloadTooLargeError, 413),
    "failing": (refuse(500, "ServiceException"), EndpointError, 502),
    "unavailable": (refuse(503), EndpointError, 502),
    "a wrong success": (refuse(200, body=b"{}"), EndpointError, 502),
    "not Lambda's 404": (refuse(404, body=b"<html>not here"), EndpointError, 502),
    "a redirect": (refuse(307, headers=[("location", "/elsewhere")]), EndpointError, 502),
    "a permanent redirect": (refuse(301, headers=[("location", "http://x/")]), EndpointError, 502),
    "JSON of another shape": (refuse(500, body=b"[1, 2]"), EndpointError, 502),
    "a body that is no text": (refuse(500, body=b"\xff\xfe\x00"), EndpointError, 502),
    "a long body": (refuse(500, body=b"x" * 1_000_000), EndpointError, 502),
    "compressed rubbish": (
        refuse(500, headers=[("content-encoding", "gzip")], body=b"no gzip"),
        EndpointError,
        502,
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
@played()
async def test_a_refusal_is_a_clear_answer(world: World, case: str) -> None:
    answer, _, status = REFUSALS[case]
    world.endpoint.answer = answer

    client, invocation = await world.hold()

    response = await client.read_response()
    assert response.status == status
    assert response.get("content-type") == "application/problem+json"
    assert world.outcomes() == ["invoke-refused"]
    assert len(world.endpoint.invocations) == 1
    late = await world.function(invocation.url)
    await late.post()
    assert await late.read_status() == 410


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_is_an_error_of_its_own(case: str) -> None:
    answer, error, status = REFUSALS[case]

    async def play() -> None:
        endpoint = FakeLambda(answer)
        await endpoint.start()
        invoker = LambdaInvoker(AwsEndpoint(endpoint.url, "us-east-1", True))
        await invoker.start()
        try:
            with pytest.raises(error) as raised:
                await invoked(invoker, "f", b"{}")
            assert type(raised.value) is error
            assert raised.value.status == status
        finally:
            await invoker.close()
            await endpoint.stop()

    run(play())


@pytest.mark.parametrize(
    ("said", "told"), [("7", "7"), ("soon", "1"), ("\xb2", "1"), ("9" * 5000, "1"), ("-3", "1")]
)
@played()
async def test_what_lambda_says_of_when_to_retry_is_passed_on(
    world: World, said: str, told: str
) -> None:
    world.endpoint.answer = refuse(429, "TooManyRequestsException", headers=[("retry-after", said)])

    client, _ = await world.hold()

    response = await client.read_response()
    assert (response.status, response.get("retry-after")) == (503, told)


@played()
async def test_what_lambda_says_is_for_the_operator_only(world: World) -> None:
    """It may name accounts and roles."""
    world.endpoint.answer = refuse(403, "AccessDeniedException", "User: arn:aws:iam::1:role/x")

    client, _ = await world.hold()

    assert b"arn:aws" not in (await client.read_response()).body
    assert "arn:aws:iam::1:role/x" in world.log.text()


@played()
async def test_an_endpoint_that_repeats_the_event_does_not_spread_the_secret(world: World) -> None:
    """A service may show what it could not parse; our log must not show the callback URL."""

    def echo(connection: Connection) -> None:
        url = world.endpoint.invocations[-1].url
        body = json.dumps({"message": f'unexpected: {{"callback":"{url}"}}'}).encode()
        connection.respond(400, [(b"x-amzn-ErrorType", b"InvalidRequestContentException")], body)

    world.endpoint.answer = echo

    client, _ = await world.hold()

    assert (await client.read_response()).status == 502
    assert "unexpected" in world.log.text()  # and `played` looks for the secret


@played()
async def test_what_lambda_says_stays_on_one_line_of_the_log(world: World) -> None:
    world.endpoint.answer = refuse(500, "ServiceException", "one\nexchange=forged \x1b[2J")

    client, _ = await world.hold()

    await client.read_response()
    (line,) = world.log.named("tailrace.gateway.front")
    assert "\n" not in line
    assert "\x1b" not in line
    exchange_id = world.endpoint.invocations[0].event["requestId"]
    assert line.startswith(f"exchange={exchange_id} function=stream Lambda answered 500 'Service")


# --- endpoints that do not answer ----------------------------------------------------------------


@played(endpoint_url="http://127.0.0.1:1")
async def test_an_endpoint_that_is_down_is_502(world: World) -> None:
    client = await world.client()

    await client.request()

    response = await client.read_response()
    assert response.status == 502
    assert "cannot be reached" in response.json()["detail"]
    assert world.outcomes() == ["invoke-refused"]
    (line,) = world.log.named("tailrace.gateway.front")
    assert f"exchange={response.json()['exchange']} function=stream invoking failed: no c" in line


@played(invoke_timeout_s=10.0)
async def test_an_endpoint_that_does_not_answer_is_504(world: World) -> None:
    world.endpoint.answer = never

    client, _ = await world.hold()

    world.clock.advance(11.0)

    assert (await client.read_response()).status == 504
    assert world.outcomes() == ["invoke-refused"]


@played(invoke_timeout_s=10.0)
async def test_a_callback_that_came_outlives_an_endpoint_that_does_not_answer(
    world: World,
) -> None:
    """The function runs: that is what counts."""
    world.endpoint.answer = never
    client, function = await world.pair()
    world.clock.advance(11.0)
    await until(lambda: world.gateway.statistics()["invocations"] == 0)

    await function.write(encode_head() + b"all the same")
    await function.end()

    assert (await client.read_response()).body == b"all the same"
    assert world.outcomes() == ["complete"]


@played()
async def test_a_callback_may_come_and_end_before_lambda_answers(world: World) -> None:
    world.endpoint.answer = never
    client, function = await world.pair()

    await function.write(encode_head() + b"quick")
    await function.end()

    assert (await client.read_response()).body == b"quick"
    await world.assert_settled()


@played()
async def test_a_client_that_leaves_ends_the_waiting_for_lambda(world: World) -> None:
    world.endpoint.answer = never
    client, _ = await world.hold()

    client.reset()

    await world.assert_settled()
    assert world.outcomes() == ["client-left"]


@played()
async def test_an_answer_that_nobody_waits_for_is_taken_for_no_other(world: World) -> None:
    """The exchange ended before Lambda answered: its connection must not be used again."""
    pending: list[Connection] = []
    world.endpoint.answer = pending.append
    first, function = await world.pair()
    await function.write(encode_head())
    await function.end()
    await first.read_response()
    await world.assert_settled()

    second, invocation = await world.hold()
    refuse(404, "ResourceNotFoundException")(pending[0])
    accept(pending[1])

    await until(lambda: world.gateway.statistics()["invocations"] == 0)
    function = await world.function(invocation.url)
    await function.post(expects=False)
    await function.write(encode_head() + b"second")
    await function.end()
    assert (await second.read_response()).body == b"second"


RUBBISH: dict[str, bytes | None] = {
    "nothing": b"",
    "a reset": None,
    "text": b"hello\r\n\r\n",
    "a cut status line": b"HTTP/1.1 2",
    "a cut head": b"HTTP/1.1 202 Accepted\r\ncontent-le",
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2020 Accepted\r\n\r\n",
    "a status below 100": b"HTTP/1.1 001 Eh\r\ncontent-length: 0\r\n\r\n",
    "a bad header": b"HTTP/1.1 202 Accepted\r\n: x\r\n\r\n",
    "a length that is none": b"HTTP/1.1 202 Accepted\r\ncontent-length: x\r\n\r\n",
    "a head without end": b"HTTP/1.1 202 Accepted\r\nx: " + b"y" * 100_000,
    "many headers": b"HTTP/1.1 500 No\r\n" + b"x: y\r\n" * 50_000 + b"\r\n",
    "a cut error body": b"HTTP/1.1 500 No\r\ncontent-length: 10\r\n\r\n{",
    "a bad chunk": b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    "a switch of protocols": b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    "a nameless coding": b"HTTP/1.1 500 No\r\ncontent-type: ;;;\r\ncontent-length: 1\r\n\r\nx",
}


@pytest.mark.parametrize("case", RUBBISH)
def test_an_endpoint_that_answers_rubbish_is_an_endpoint_error(case: str) -> None:
    rubbish = RUBBISH[case]

    async def script(peer: Peer) -> None:
        await peer.read_until(b"\r\n\r\n")
        if rubbish is None:
            peer.reset()
        else:
            await peer.send(rubbish)

    async def play() -> None:
        async with raw_server(script) as url:
            invoker = LambdaInvoker(AwsEndpoint(url, "us-east-1", True))
            await invoker.start()
            try:
                with pytest.raises(EndpointError):
                    await invoked(invoker, "f", b"{}")
            finally:
                await invoker.close()

    run(play())


def test_an_endless_answer_is_a_timeout() -> None:
    clock = ManualClock()

    async def script(peer: Peer) -> None:
        await peer.read_until(b"\r\n\r\n")
        while True:
            await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            await settle()
            clock.advance(1.0)

    async def play() -> None:
        async with raw_server(script) as url:
            endpoint = AwsEndpoint(url, "us-east-1", True)
            invoker = LambdaInvoker(endpoint, timeout_s=10.0, clock=clock)
            await invoker.start()
            try:
                with pytest.raises(InvokeTimeoutError):
                    await invoked(invoker, "f", b"{}")
            finally:
                await invoker.close()

    run(play())


def test_an_endpoint_that_closes_kept_connections_silently_is_asked_again() -> None:
    """Lambda closes idle connections when it likes: no client must see that."""
    requests = 0

    async def script(peer: Peer) -> None:
        nonlocal requests
        await read_request(peer)
        requests += 1
        await peer.send(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
        await peer.read_until(b"\r\n\r\n")  # the next request comes, and gets no answer
        peer.reset()

    async def play() -> None:
        async with raw_server(script) as url:
            invoker = LambdaInvoker(AwsEndpoint(url, "us-east-1", True))
            await invoker.start()
            try:
                for _ in range(4):
                    await invoked(invoker, "f", b"{}")
            finally:
                await invoker.close()

    run(play())
    assert requests == 4


async def read_request(peer: Peer) -> None:
    head = await peer.read_until(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    await peer.read_exactly(length)


# --- which endpoint, which keys ------------------------------------------------------------------


@pytest.fixture(autouse=True)
def no_aws_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """A machine without AWS configuration."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{tmp_path}/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"{tmp_path}/credentials")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_aws_is_the_endpoint_of_the_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")

    endpoint = find_endpoint(None)

    assert endpoint.url == "https://lambda.eu-central-1.amazonaws.com"
    assert not endpoint.is_loopback


def test_aws_without_a_region_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="AWS_REGION"):
        find_endpoint(None)


@pytest.mark.parametrize("url", ["localhost:9000", "ftp://x", "http://", "/path", ""])
def test_an_endpoint_must_be_a_url(url: str) -> None:
    with pytest.raises(ConfigError, match="endpoint-url"):
        find_endpoint(url)


@pytest.mark.parametrize(
    ("url", "is_loopback"),
    [
        ("http://localhost:9000/", True),
        ("http://127.0.0.1:9000", True),
        ("http://[::1]:9000", True),
        ("http://10.0.0.1:9000", False),
        ("https://lambda.example.test", False),
    ],
)
def test_an_endpoint_on_this_machine_is_known(url: str, is_loopback: bool) -> None:
    endpoint = find_endpoint(url)

    assert endpoint.is_loopback is is_loopback
    assert endpoint.region == "us-east-1"
    assert not endpoint.url.endswith("/")


async def signed(signer: AwsSigner) -> bytes:
    """A signed request, after a wait for keys if need be."""
    message: EncodedRequest = signer.prepare("/x", {}).encode(b"{}")
    return message if isinstance(message, bytes) else await message()


def keys_used(endpoint: AwsEndpoint) -> str:
    """The access key of a signed request."""

    async def play() -> str:
        signer = AwsSigner(endpoint)
        await signer.start()
        try:
            message = await signed(signer)
        finally:
            await signer.close()
        return message.decode().partition("Credential=")[2].partition("/")[0]

    return run(play())


def test_a_local_endpoint_gets_dummy_keys_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        key = keys_used(AwsEndpoint("http://127.0.0.1:9000", "us-east-1", True))

    assert key == "tailrace"
    assert "dummy keys" in caplog.text


def test_a_local_endpoint_gets_the_keys_of_the_environment_if_there_are_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAMINE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")

    assert keys_used(AwsEndpoint("http://127.0.0.1:9000", "us-east-1", True)) == "AKIAMINE"


@pytest.mark.parametrize("secret", ["s", None])
def test_an_endpoint_with_dummy_keys_gets_no_others(
    secret: str | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody's keys are needed, so none are looked at, be they whole or not."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAMINE")
    if secret is not None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    endpoint = AwsEndpoint("http://127.0.0.1:9000", "us-east-1", True, has_dummy_keys=True)

    with caplog.at_level(logging.INFO):
        assert keys_used(endpoint) == "tailrace"

    assert caplog.text == ""  # that goes without saying


def test_no_keys_for_another_endpoint_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="no AWS credentials"):
        keys_used(AwsEndpoint("https://lambda.example.test", "us-east-1", False))


def write_keys(folder: Path, key: str) -> None:
    """Configure keys that come from a program and end soon."""
    keys = {"Version": 1, "AccessKeyId": key, "SecretAccessKey": "s", "SessionToken": "t"}
    document = folder / "keys.json"
    end = (datetime.now(UTC) + timedelta(minutes=14)).isoformat()  # so soon that they are renewed
    document.write_text(json.dumps({**keys, "Expiration": end}))
    (folder / "config").write_text(f"[default]\ncredential_process = cat {document}\n")


def test_keys_that_end_soon_are_fetched_again(tmp_path: Path) -> None:
    async def play() -> None:
        signer = AwsSigner(AwsEndpoint("http://127.0.0.1:1", "us-east-1", False))
        write_keys(tmp_path, "AKIAFIRST")
        await signer.start()
        write_keys(tmp_path, "AKIASECOND")
        try:
            assert b"Credential=AKIAFIRST/" in await signed(signer)
            while b"Credential=AKIASECOND/" not in await signed(signer):
                await asyncio.sleep(0)
        finally:
            await signer.close()

    run(soon(play()))


def test_keys_that_have_expired_and_cannot_be_renewed_are_an_endpoint_error() -> None:
    now = datetime.now(UTC)

    def renew() -> dict[str, str]:
        raise RuntimeError("down")

    source = RefreshableCredentials(
        "AKIA", "s", "t", now + timedelta(hours=1), renew, "test", time_fetcher=lambda: now
    )

    async def play() -> None:
        nonlocal now
        invoker = LambdaInvoker(AwsEndpoint("http://127.0.0.1:1", "us-east-1", True))
        await invoker.start()
        invoker._signer._keys = AwsKeys(source)
        now += timedelta(hours=2)
        try:
            with pytest.raises(EndpointError, match="credentials"):
                await invoked(invoker, "f", b"{}")
        finally:
            await invoker.close()

    run(play())


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"AWS_REGION": "eu-central-1"}, "https://lambda.eu-central-1.amazonaws.com"),
        ({"AWS_REGION": "cn-north-1"}, "https://lambda.cn-north-1.amazonaws.com.cn"),
        (
            {"AWS_REGION": "us-east-1", "AWS_USE_FIPS_ENDPOINT": "true"},
            "https://lambda-fips.us-east-1.amazonaws.com",
        ),
        ({"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": "http://lambda:1/"}, "http://lambda:1"),
        (
            {"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:1"},
            "http://127.0.0.1:1",
        ),
    ],
)
def test_the_endpoint_is_that_of_the_aws_configuration(
    settings: dict[str, str], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    endpoint = find_endpoint(None)

    assert (endpoint.url, endpoint.region) == (url, settings["AWS_REGION"])
    assert endpoint.is_loopback is ("127.0.0.1" in url)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("AWS_PROFILE", "missing", r"the config profile \(missing\) could not be found"),
        ("AWS_REGION", "no region!", "no region!"),
        ("AWS_ENDPOINT_URL", "nowhere", "nowhere"),
    ],
)
def test_a_wrong_aws_configuration_is_a_configuration_error(
    name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigError, match=f"(?i){message}"):
        find_endpoint(None)


def test_a_local_endpoint_asks_no_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "missing")
    assert keys_used(find_endpoint("http://127.0.0.1:9000")) == "tailrace"
    with pytest.raises(ConfigError, match="missing"):
        find_endpoint("https://lambda.example.test")
    with pytest.raises(ConfigError, match="missing"):
        keys_used(AwsEndpoint("https://lambda.example.test", "us-east-1", False))

    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert find_endpoint("http://127.0.0.1:9000").region == "eu-central-1"
