"""Requests to Lambda are signed exactly as botocore signs its own."""

from __future__ import annotations

from datetime import datetime
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials

from tailrace.gateway.aws.credentials import AwsKeys
from tailrace.gateway.aws.endpoint import AwsEndpoint
from tailrace.gateway.aws.signing import AwsSigner
from tailrace.wire.sigv4 import DATE_FORMAT, PreparedRequest

URLS = (
    "http://127.0.0.1:9000/2015-03-31/functions/f/invocations",
    "http://[::1]:9000/2015-03-31/functions/f/invocations",
    "https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/f/invocations",
    "https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/"
    "arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Af%3Aprod/invocations",
)
HEADERS = {"X-Amz-Invocation-Type": "Event"}


def signed(url: str, keys: AwsKeys, body: bytes) -> tuple[str, dict[str, str]]:
    """The request line and the header fields of a signed request."""
    parts = urlsplit(url)
    endpoint = AwsEndpoint(f"{parts.scheme}://{parts.netloc}", "eu-west-1", is_loopback=True)
    signer = AwsSigner(endpoint)
    signer._keys = keys
    message = signer.prepare(parts.path, HEADERS).encode(body)
    assert isinstance(message, bytes)
    head, _, sent_body = message.partition(b"\r\n\r\n")
    assert sent_body == body
    line, *fields = head.decode().split("\r\n")
    return line, dict(field.split(": ", 1) for field in fields)


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("token", [None, "session-token"])
def test_the_signature_is_the_one_botocore_gives_its_own_request(
    url: str, token: str | None
) -> None:
    credentials = ReadOnlyCredentials("AKID", "secret", token)
    body = b'{"a":"\xc3\xb6"}'

    for _ in range(5):  # the second may change between the two signatures
        line, ours = signed(url, AwsKeys(Credentials("AKID", "secret", token)), body)
        theirs = AWSRequest("POST", url, data=body, headers=HEADERS)
        SigV4Auth(credentials, "lambda", "eu-west-1").add_auth(theirs)
        if ours["X-Amz-Date"] == theirs.headers["X-Amz-Date"]:
            break

    assert ours["Authorization"] == theirs.headers["Authorization"]
    assert ours.get("X-Amz-Security-Token") == token
    assert line == f"POST {urlsplit(url).path} HTTP/1.1"


def test_renewed_keys_sign_the_next_request() -> None:
    """What is kept prepared of a request belongs to its keys."""
    secrets = [("AKID", "one", "first"), ("AKID", "one", "second"), ("AKID", "two", None)]

    found = [signed(URLS[0], AwsKeys(Credentials(*each)), b"{}")[1] for each in secrets * 2]

    assert [each.get("X-Amz-Security-Token") for each in found] == ["first", "second", None] * 2
    signatures = [each["Authorization"] for each in found]
    assert len({each.rpartition("=")[2] for each in signatures}) >= len(secrets)
    assert ["x-amz-security-token" in each for each in signatures] == [True, True, False] * 2


def test_a_prepared_request_is_signed_for_the_day_on_which_it_is_sent() -> None:
    fields = [("host", "h"), ("x-amz-security-token", "t")]
    prepared = PreparedRequest(
        "POST", "/x", "", fields, key_id="AKID", secret="s", region="eu-west-1", service="lambda"
    )

    for moment in (datetime(2026, 12, 31, 23, 59, 59), datetime(2027, 1, 1), datetime(2027, 1, 2)):
        request = AWSRequest("POST", "http://h/x", data=b"{}")
        with patch("botocore.auth.get_current_datetime", return_value=moment):
            credentials = ReadOnlyCredentials("AKID", "s", "t")
            SigV4Auth(credentials, "lambda", "eu-west-1").add_auth(request)

        date = moment.strftime(DATE_FORMAT)
        assert request.headers["X-Amz-Date"] == date
        assert prepared.authorization(date, b"{}") == request.headers["Authorization"]
