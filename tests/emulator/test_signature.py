"""Signatures of botocore's and of a test vector's making, and what is wrong with others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tailrace.emulator.signature import Keys, find_fault
from tailrace.wire.http_head import RequestHead

KEYS = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
URL = "http://127.0.0.1:8123"


def now_s() -> float:
    return datetime.now(UTC).timestamp()


def signed(
    target: str = "/",
    body: bytes = b"",
    method: str = "POST",
    headers: dict[str, str] | None = None,
    *,
    keys: Keys = KEYS,
    token: str | None = None,
    service: str = "lambda",
    region: str = "eu-central-1",
    auth: Callable[..., Any] = SigV4Auth,
    **options: Any,
) -> RequestHead:
    """The head of a request that botocore has signed, as it comes to the server."""
    request = AWSRequest(method, URL + target, {"Host": "127.0.0.1:8123", **(headers or {})}, body)
    credentials = Credentials(keys.access_key_id, keys.secret_access_key, token)
    auth(credentials, service, region, **options).add_auth(request)
    prepared = request.prepare()
    parts = urlsplit(prepared.url)
    target = parts.path + ("?" + parts.query if parts.query else "")
    fields = [
        (name.lower().encode(), value.encode() if isinstance(value, str) else value)
        for name, value in prepared.headers.items()
    ]
    return RequestHead(method, target, "1.1", fields)


def fault(head: RequestHead, body: bytes = b"", *, after_s: float = 0) -> str | None:
    return find_fault(KEYS, head, body, now_s=now_s() + after_s)


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/a%20b/c",
        "/caf%C3%A9",
        "/?x=1&x=2&a=",
        "/?b=%2F%2B%20&a=%C3%A9",
        "/?a=%FF&a=%FE",
        "/a//b/../c?flag",
        "/%252F?x=a%26b",
    ],
)
def test_what_botocore_signs_is_right(target: str) -> None:
    assert fault(signed(target)) is None
    assert fault(signed(target, b'{"a": 1}'), b'{"a": 1}') is None
    assert fault(signed(target, auth=SigV4QueryAuth, method="GET", expires=60)) is None


def test_a_session_token_changes_nothing() -> None:
    assert fault(signed(token="session")) is None
    assert fault(signed(token="session", auth=SigV4QueryAuth, expires=60)) is None


def test_any_region_and_any_header_may_be_signed() -> None:
    assert fault(signed(region="ap-southeast-2", headers={"X-A": "  two   words "})) is None


def test_a_payload_may_be_named_by_its_digest() -> None:
    import hashlib

    digest = hashlib.sha256(b"body").hexdigest()
    head = signed("/", b"body", headers={"X-Amz-Content-SHA256": digest})

    assert fault(head, b"body") is None
    assert fault(head, b"other") == "x-amz-content-sha256 is not the digest of the body"


@pytest.mark.parametrize("said", ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"])
def test_an_unsigned_payload_is_refused(said: str) -> None:
    head = signed("/", b"body", headers={"X-Amz-Content-SHA256": said})

    assert fault(head, b"body") == "the payload is not signed"


def test_changes_after_the_signature_are_seen() -> None:
    wrong = (
        "the signature does not match: another secret key, a changed request, or a path or query"
        " that was not signed in AWS's canonical form (older versions of curl)"
    )

    assert fault(signed("/", b"body"), b"Body") == wrong
    head = signed("/a")
    head.path = "/b"
    assert fault(head) == wrong
    head = signed("/?a=1")
    head.query = "a=2"
    assert fault(head) == wrong
    head = signed("/?a=%EF%BF%BD")
    head.query = "a=%FF"  # no UTF-8: decoded to text it is the same
    assert fault(head) == wrong
    head = signed(method="GET")
    head.method = "POST"
    assert fault(head) == wrong
    head = signed(headers={"X-A": "1"})
    head.headers[:] = [(n, b"2" if n == b"x-a" else v) for n, v in head.headers]
    assert fault(head) == wrong
    assert fault(signed(keys=Keys(KEYS.access_key_id, "another"))) == wrong


def test_each_fault_has_its_words() -> None:
    unsigned = RequestHead("GET", "/", "1.1", [(b"host", b"x")])
    assert fault(unsigned) == "it is not signed"
    assert "access key" in str(fault(signed(keys=Keys("OTHER", "x"))))
    assert "service 'execute-api'" in str(fault(signed(service="execute-api")))
    head = signed()
    head.headers[:] = [
        (n, b"Basic dGVzdA==" if n == b"authorization" else v) for n, v in head.headers
    ]
    assert fault(head) == "the authorization header is not one of AWS4-HMAC-SHA256"
    head = signed(headers={"X-A": "1"})
    head.headers[:] = [field for field in head.headers if field[0] != b"x-a"]
    assert fault(head) == "a signed header did not come: x-a"


def test_a_signature_is_good_for_five_minutes() -> None:
    assert fault(signed(), after_s=290) is None
    assert fault(signed(), after_s=310) == "the signature has expired"
    assert fault(signed(), after_s=-290) is None
    assert fault(signed(), after_s=-310) == "it is signed for a time to come"


def test_a_presigned_url_says_how_long_it_is_good() -> None:
    head = signed(auth=SigV4QueryAuth, method="GET", expires=3600)

    assert fault(head, after_s=3590) is None
    assert fault(head, after_s=3610) == "the signature has expired"
    for expires in (604_801, "9" * 5_000, "-1", "soon", "1.5"):
        head = signed(auth=SigV4QueryAuth, method="GET", expires=expires)
        assert "X-Amz-Expires" in str(fault(head))


def test_a_presigned_url_names_its_algorithm() -> None:
    head = signed(auth=SigV4QueryAuth, method="GET", expires=60)
    head.query = head.query.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256")

    assert fault(head) == "X-Amz-Algorithm is not AWS4-HMAC-SHA256"


def set_authorization(head: RequestHead, old: bytes, new: bytes) -> RequestHead:
    head.headers[:] = [
        (n, v.replace(old, new) if n == b"authorization" else v) for n, v in head.headers
    ]
    return head


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"/aws4_request", b"", "the credential is not"),
        (b"SignedHeaders=host;", b"SignedHeaders=", "the host header is not signed"),
        (b"Credential=AKIDEXAMPLE/2", b"Credential=AKIDEXAMPLE/1", "the credential's day"),
        (b"Signature=", b"Sign=", "the authorization header is not one"),
        (b"Signature=", b"Signature=\xe9", "the signature does not match"),
    ],
)
def test_a_malformed_authorization_is_refused(old: bytes, new: bytes, words: str) -> None:
    assert str(fault(set_authorization(signed(), old, new))).startswith(words)


def test_a_date_that_is_none_is_refused() -> None:
    head = signed()
    head.headers[:] = [(n, b"yesterday" if n == b"x-amz-date" else v) for n, v in head.headers]

    assert str(fault(head)).startswith("the credential's day")
    head = signed()
    head.headers[:] = [(n, v[:8] if n == b"x-amz-date" else v) for n, v in head.headers]
    assert str(fault(head)).startswith("x-amz-date is not a time")
