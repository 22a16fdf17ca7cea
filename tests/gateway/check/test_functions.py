"""Dry runs and connections: what a check says of the functions of the routes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import botocore.session
import pytest
from tests.fakes import Answer, FakeLambda, Peer, never, raw_server, refuse
from tests.gateway.world import FixedRoute

from tailrace.gateway.aws.endpoint import AwsEndpoint
from tailrace.gateway.check.finding import Finding
from tailrace.gateway.check.functions import check_functions
from tailrace.gateway.check.refused import refused
from tailrace.net.process.startup import run
from tailrace.net.server.listener import Connection

SHORT_S = 0.2
"""For an answer that never comes."""


def allow(connection: Connection) -> None:
    connection.respond(204)


def checked(
    answer: Callable[[str], Answer], *functions: str, url: str | None = None
) -> tuple[list[Finding], FakeLambda]:
    """The findings for these functions, whose dry runs are answered by their names."""
    peer = FakeLambda()

    def by_name(connection: Connection) -> None:
        answer(peer.invocations[-1].function)(connection)

    peer.answer = by_name

    async def story() -> list[Finding]:
        await peer.start()
        try:
            endpoint = AwsEndpoint(url or peer.url, "eu-central-1", True, has_dummy_keys=True)
            routes = [FixedRoute(function=name) for name in functions]
            return await check_functions(routes, endpoint, timeout_s=SHORT_S)
        finally:
            await peer.stop()

    return run(story()), peer


def test_each_function_is_asked_once_and_runs_never() -> None:
    arn = "arn:aws:lambda:eu-central-1:123456789012:function:one:live"
    findings, peer = checked(lambda name: allow, "one", arn, "one", "two")

    assert findings == [
        Finding("ok", f"function {name}", "can be invoked") for name in ("one", arn, "two")
    ]
    assert [one.function for one in peer.invocations] == ["one", arn, "two"]
    for one in peer.invocations:
        assert one.headers["x-amz-invocation-type"] == "DryRun"
        assert one.headers["authorization"].startswith("AWS4-HMAC-SHA256 ")


CASES: dict[str, tuple[int, str, str]] = {
    "AccessDeniedException": (403, "error", "the credentials may not invoke it (Lambda answered"),
    "ResourceNotFoundException": (404, "error", "there is no such function in eu-central-1 (Lam"),
    "TooManyRequestsException": (429, "warning", "Lambda is at its limit now, so the permission"),
    "ThrottlingException": (429, "warning", "Lambda is at its limit now, so the permission is u"),
    "KMSAccessDeniedException": (502, "error", "Lambda cannot decrypt its environment variables"),
    "KMSDisabledException": (502, "error", "its environment variables (KMSDisabledException)"),
    "ServiceException": (500, "warning", "Lambda has failed (Lambda answered 500 ServiceExc"),
    "ResourceNotReadyException": (502, "warning", "the function is not ready: inactive, or bein"),
    "Nonesuch": (418, "error", "Lambda refuses the invocation (Lambda answered 418 Nonesuch: no)"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_refusal_is_in_words_with_the_next_step(name: str) -> None:
    status, level, text = CASES[name]
    findings, _ = checked(
        lambda function: refuse(status, name, "no") if function == "bad" else allow, "good", "bad"
    )

    good, bad = findings
    assert good.level == "ok"
    assert (bad.level, bad.subject) == (level, "function bad")
    assert text in bad.text
    assert bad.remedy


GENERAL = {
    "ExpiredTokenException": (403, "the credentials have expired"),
    "UnrecognizedClientException": (403, "AWS does not know the access key"),
    "InvalidSignatureException": (403, "the signature is not accepted"),
}


@pytest.mark.parametrize("name", GENERAL)
def test_what_concerns_every_function_is_found_once(name: str) -> None:
    status, text = GENERAL[name]
    findings, peer = checked(lambda function: refuse(status, name, "no"), "one", "two", "three")

    (finding,) = findings
    assert finding.level == "error"
    assert finding.text.startswith(text)
    assert finding.remedy
    assert len(peer.invocations) == 1


def test_an_answer_that_is_not_lambdas_is_no_permission() -> None:
    findings, _ = checked(lambda name: refuse(200, body=b"<html>"), "one")

    assert findings[0].text == "the endpoint's answer is not Lambda's (Lambda answered 200)"


@pytest.mark.parametrize(
    ("answer", "why"),
    [(never, "no answer in time"), (None, "no connection to 127.0.0.1:1: Connection refused")],
)
def test_an_endpoint_that_cannot_be_asked_is_found_once(answer: Answer | None, why: str) -> None:
    url = "http://127.0.0.1:1" if answer is None else None
    findings, _ = checked(lambda name: answer or allow, "one", "two", url=url)

    text = f"the Lambda endpoint cannot be reached: {why}"
    assert [(one.level, one.text) for one in findings] == [("error", text)]


def test_rubbish_from_the_endpoint_is_an_error() -> None:
    async def rubbish(peer: Peer) -> None:
        await peer.read_until(b"\r\n\r\n")
        await peer.send(b"220 smtp.example.com\r\n")

    async def story() -> list[Finding]:
        async with raw_server(rubbish) as url:
            endpoint = AwsEndpoint(url, "us-east-1", True, has_dummy_keys=True)
            return await check_functions([FixedRoute()], endpoint, timeout_s=SHORT_S)

    (finding,) = run(story())
    assert finding.level == "error"
    assert "the Lambda endpoint cannot be reached: " in finding.text


def test_no_credentials_are_an_error_with_the_next_step(monkeypatch: Any, tmp_path: Any) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    endpoint = AwsEndpoint("https://lambda.eu-central-1.amazonaws.com", "eu-central-1", False)

    findings = run(check_functions([FixedRoute()], endpoint))

    assert [(one.level, one.subject) for one in findings] == [("error", "credentials")]
    assert findings[0].text.startswith("no AWS credentials: set AWS_PROFILE or")
    assert findings[0].remedy is not None and "aws sts get-caller-identity" in findings[0].remedy


def test_every_error_of_lambdas_model_has_words_of_its_own() -> None:
    """But for those about the request itself, which a dry run does not cause."""
    model = botocore.session.Session().get_service_model("lambda").operation_model("Invoke")
    general = refused("f", 418, "Nonesuch", "", "us-east-1").remedy
    about_the_request = {
        "DurableExecutionAlreadyStartedException",
        "InvalidParameterValueException",
        "InvalidRequestContentException",
        "RequestTooLargeException",
        "SerializedRequestEntityTooLargeException",
        "ServiceQuotaExceededException",
        "UnsupportedMediaTypeException",
    }

    unknown = {
        shape.name
        for shape in model.error_shapes
        if refused("f", 400, shape.name, "", "us-east-1").remedy == general
    }

    assert unknown <= about_the_request


def test_a_message_of_lambdas_tells_no_secret_and_stays_on_its_line() -> None:
    secret = "http://h/0a1b2c3d-0a1b-2c3d-4e5f-0123456789ab/" + 32 * "a"
    findings, _ = checked(lambda name: refuse(403, "AccessDeniedException", secret), "one")

    assert 32 * "a" not in findings[0].text


# --- URLs ----------------------------------------------------------------------------------------


def checked_url(url: str) -> Finding:
    route = FixedRoute(function=url, invoke_url=url)
    (finding,) = run(check_functions([route, route], None, timeout_s=SHORT_S))
    return finding


def test_a_url_is_connected_to_and_sent_nothing() -> None:
    read: list[bytes] = []

    async def story() -> list[Finding]:
        async def listen(peer: Peer) -> None:
            read.append((await peer.read_to_end())[0])

        async with raw_server(listen) as url:
            url = f"http://user:secret@{url.removeprefix('http://')}/run?key=secret"
            route = FixedRoute(function=url, invoke_url=url)
            found = await check_functions([route], None, timeout_s=SHORT_S)
            while not read:
                await asyncio.sleep(0)
            return found

    (finding,) = run(story())

    assert finding.level == "ok"
    assert finding.text.startswith("can be connected to")
    assert "secret" not in repr(finding)
    assert read == [b""]


def test_a_url_that_nobody_serves_is_an_error() -> None:
    finding = checked_url("http://user:secret@127.0.0.1:1/run")

    assert finding == Finding(
        "error",
        "function at 127.0.0.1:1",
        "no connection to 127.0.0.1:1 by http: Connection refused",
        "check the route's URL, and the network between",
    )


def test_a_url_whose_tls_fails_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        finding = checked_url(f"https://127.0.0.1:{silent.getsockname()[1]}/run")

    assert finding.text.endswith("by https: no answer in time")
