"""Signatures of botocore's and of a test vector's making, and what is wrong with others."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tailrace.emulator.signature import KeyPair, find_fault
from tailrace.wire.http_head import RequestHead

KEYS = KeyPair("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
URL = "http://127.0.0.1:8123"


def now_s() -> float:
    return datetime.now(UTC).timestamp()


def signed(
    target: str = "/",
    body: bytes = b"",
    method: str = "POST",
    headers: dict[str, str] | None = None,
    *,
    keys: KeyPair = KEYS,
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
    """What the log says of a request's signature."""
    found = find_fault(KEYS, head, body, now_s=now_s() + after_s)
    return None if found is None else found.reason


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
    assert fault(signed(keys=KeyPair(KEYS.access_key_id, "another"))) == wrong


def test_each_fault_has_its_words() -> None:
    unsigned = RequestHead("GET", "/", "1.1", [(b"host", b"x")])
    assert fault(unsigned) == "it is not signed"
    assert "access key" in str(fault(signed(keys=KeyPair("OTHER", "x"))))
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
        (b"Signature=", b"Sign=", "the authorization header requires 'Signature' parameter"),
        (b"SignedHeaders=", b"Headers=", "the authorization header requires 'SignedHeaders'"),
        (b"Credential=", b"", "the authorization header requires 'Credential'"),
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


# --- the client's answer ------------------------------------------------------------------------

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "function-urls.md"
NOW_S = 1_795_262_400.0  # 2026-11-21, 12:00 UTC


def changed(head: RequestHead, **fields: str | None) -> RequestHead:
    """A request with headers that were set or, with None, taken away after it was signed."""
    for name, value in fields.items():
        key = name.replace("_", "-").encode()
        head.headers[:] = [field for field in head.headers if field[0] != key]
        if value is not None:
            head.headers.append((key, value.encode()))
    return head


def presigned(expires: int = 60) -> RequestHead:
    return signed(auth=SigV4QueryAuth, method="GET", expires=expires)


def without_parameter(name: str) -> RequestHead:
    head = presigned()
    head.query = "&".join(p for p in head.query.split("&") if not p.startswith(f"{name}="))
    return head


CASES: dict[str, tuple[Callable[[], RequestHead], float]] = {
    "no signature": (lambda: RequestHead("GET", "/", "1.1", [(b"host", b"x")]), 0),
    "an `Authorization` of another kind": (
        lambda: changed(signed(), authorization="Bearer abc"),
        0,
    ),
    "another access key": (lambda: signed(keys=KeyPair("OTHER", "x")), 0),
    "another secret, or a changed request": (
        lambda: signed(keys=KeyPair(KEYS.access_key_id, "another")),
        0,
    ),
    "`x-amz-content-sha256` is not the body's": (
        lambda: signed(headers={"X-Amz-Content-SHA256": "0" * 64}),
        0,
    ),
    "`UNSIGNED-PAYLOAD`": (
        lambda: signed(headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}),
        0,
    ),
    "older than five minutes": (signed, 310),
    "a presigned URL that has expired": (presigned, 70),
    "more than five minutes ahead": (signed, -310),
    "another service": (lambda: signed(service="execute-api"), 0),
    "another day than `x-amz-date`": (
        lambda: set_authorization(
            signed(), b"Credential=AKIDEXAMPLE/2", b"Credential=AKIDEXAMPLE/1"
        ),
        0,
    ),
    "`host` is not signed": (
        lambda: set_authorization(signed(), b"SignedHeaders=host;", b"SignedHeaders="),
        0,
    ),
    "no `x-amz-date`": (lambda: changed(signed(), x_amz_date=None), 0),
    "an `x-amz-date` that is no time": (
        lambda: changed(signed(), x_amz_date=f"{datetime.fromtimestamp(now_s(), UTC):%Y%m%d} noon"),
        0,
    ),
    "no `Signature`": (lambda: set_authorization(signed(), b"Signature=", b"Sign="), 0),
    "a credential of other parts": (
        lambda: set_authorization(signed(), b"/aws4_request", b""),
        0,
    ),
    "a presigned URL without its date": (lambda: without_parameter("X-Amz-Date"), 0),
}


def answers() -> dict[str, tuple[str, str]]:
    """The error type and the message of each fault, by the page."""
    lines = PAGE.read_text().splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("| signature |"))
    rows = {}
    for line in lines[first + 2 :]:
        if not line:
            break
        name, error_type, message, _ = line.removeprefix("| ").removesuffix(" |").split(" | ")
        rows[name] = (error_type.strip("`"), message.strip("`"))
    return rows


def test_the_page_has_each_fault() -> None:
    assert list(answers()) == list(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_client_is_told_what_the_page_says(name: str) -> None:
    error_type, message = answers()[name]
    make, after_s = CASES[name]

    found = find_fault(KEYS, make(), b"", now_s=now_s() + after_s)

    assert found is not None
    assert (found.answer.status, found.answer.error_type) == (403, error_type)
    pattern = re.escape(message).replace("…", "[0-9TZ:]+").replace(r"\ ", " ")
    assert re.fullmatch(pattern, str(found.answer).strip())


def test_the_times_of_an_expired_signature() -> None:
    head = changed(signed(), x_amz_date="20261121T110000Z")
    head = set_authorization(head, b"/20", b"/20261121/x")
    (credential,) = [v for n, v in head.headers if n == b"authorization"]
    date = re.sub(rb"AKIDEXAMPLE/[^,]*", b"AKIDEXAMPLE/20261121/r/lambda/aws4_request", credential)
    head = changed(head, authorization=date.decode())

    found = find_fault(KEYS, head, b"", now_s=NOW_S)

    assert found is not None
    assert str(found.answer) == (
        "Signature expired: 20261121T110000Z is now earlier than 20261121T115500Z"
        " (20261121T120000Z - 5 min.)"
    )


def test_no_answer_repeats_a_signature() -> None:
    for make, after_s in CASES.values():
        head = make()
        authorization = (head.get(b"authorization") or b"").decode()
        found = find_fault(KEYS, head, b"", now_s=now_s() + after_s)
        assert found is not None
        for text in (found.reason, str(found.answer)):
            assert "Signature=" not in text
            assert not authorization or authorization.rpartition("=")[2] not in text
