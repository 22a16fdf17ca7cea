"""Our lean request is signed exactly as botocore signs its own."""

from __future__ import annotations

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from tailrace.gateway.aws.signing import sign_post

URLS = (
    "http://127.0.0.1:9000/2015-03-31/functions/f/invocations",
    "http://[::1]:9000/2015-03-31/functions/f/invocations",
    "https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/f/invocations",
    "https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/"
    "arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Af%3Aprod/invocations",
)


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("token", [None, "session-token"])
def test_the_signature_is_the_one_botocore_gives_its_own_request(
    url: str, token: str | None
) -> None:
    credentials = ReadOnlyCredentials("AKID", "secret", token)
    body = b'{"a":"\xc3\xb6"}'

    for _ in range(5):  # the second may change between the two signatures
        ours = sign_post(
            url,
            {"X-Amz-Invocation-Type": "Event"},
            body,
            credentials=credentials,
            region="eu-west-1",
        )
        theirs = AWSRequest("POST", url, data=body, headers={"X-Amz-Invocation-Type": "Event"})
        SigV4Auth(credentials, "lambda", "eu-west-1").add_auth(theirs)
        if ours["X-Amz-Date"] == theirs.headers["X-Amz-Date"]:
            break

    assert ours["Authorization"] == theirs.headers["Authorization"]
