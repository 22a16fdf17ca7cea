"""AWS's published vectors, signed and verified; the emulator's tests compare with botocore."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

import pytest

from tailrace.wire import sigv4
from tailrace.wire.sigv4 import Credential, PreparedRequest

SUITE = json.loads((Path(__file__).parents[1] / "vectors" / "sigv4.json").read_text())
KEY_ID, SECRET, DATE = SUITE["key_id"], SUITE["secret"], SUITE["date"]
REGION, SERVICE = SUITE["region"], SUITE["service"]
SCOPE = f"{DATE[:8]}/{REGION}/{SERVICE}/aws4_request"
NORMALIZED = [case for case in SUITE["signed"] if case.get("normalize", True)]


def target_of(case: dict[str, Any]) -> tuple[str, str]:
    """The path as text, as the suite means it, and the query as bytes, as it is sent."""
    path, _, query = case["target"].partition("?")
    return path, query.encode().decode("latin-1")


def names_of(case: dict[str, Any]) -> str:
    return ";".join(sorted({"x-amz-date", *(name for name, _ in case["fields"])}))


def signature(case: dict[str, Any], fields: list[tuple[str, str]], path: str) -> str:
    """What a verifier computes for a request."""
    body = case.get("body", "").encode()
    canonical, _ = sigv4.canonical_request(
        case["method"],
        path,
        sigv4.canonical_query(target_of(case)[1]),
        fields,
        hashlib.sha256(body).hexdigest(),
    )
    return sigv4.sign(canonical, DATE, SCOPE, SECRET)


def with_date(case: dict[str, Any]) -> list[tuple[str, str]]:
    return [*map(tuple, case["fields"]), ("x-amz-date", DATE)]


@pytest.mark.parametrize("case", NORMALIZED, ids=lambda case: str(case["name"]))
def test_requests_are_signed_as_aws_publishes(case: dict[str, Any]) -> None:
    path, query = target_of(case)
    prepared = PreparedRequest(
        case["method"],
        path,
        query,
        case["fields"],
        key_id=KEY_ID,
        secret=SECRET,
        region=REGION,
        service=SERVICE,
    )

    for _ in range(2):  # a prepared request may be signed again
        assert prepared.authorization(DATE, case.get("body", "").encode()) == (
            f"AWS4-HMAC-SHA256 Credential={KEY_ID}/{SCOPE}, SignedHeaders={names_of(case)},"
            f" Signature={case['signature']}"
        )


@pytest.mark.parametrize("case", NORMALIZED, ids=lambda case: str(case["name"]))
def test_the_same_signatures_are_verified(case: dict[str, Any]) -> None:
    expected = signature(case, with_date(case), sigv4.canonical_path(target_of(case)[0]))

    assert sigv4.is_signature(case["signature"], expected)


@pytest.mark.parametrize(
    "case",
    [case for case in SUITE["signed"] if case not in NORMALIZED],
    ids=lambda case: str(case["name"]),
)
def test_paths_that_are_not_normalized_are_signed_by_another_rule(case: dict[str, Any]) -> None:
    """By S3's, which Lambda does not follow. All else that is signed is the same."""
    path, _ = target_of(case)
    normal = signature(case, with_date(case), sigv4.canonical_path(path))

    assert signature(case, with_date(case), quote(path, safe="/~")) == case["signature"]
    assert (normal == case["signature"]) == (case["name"] == "get-space-unnormalized")


@pytest.mark.parametrize("case", SUITE["presigned"], ids=lambda case: str(case["name"]))
def test_presigned_urls_are_verified(case: dict[str, Any]) -> None:
    path, query = target_of(case)
    given = {name: values[0] for name, values in parse_qs(query).items()}
    names = given["X-Amz-SignedHeaders"].split(";")
    fields = [(name, value) for name, value in case["fields"] if name in names]

    assert sigv4.parse_credential(given["X-Amz-Credential"]) == Credential(
        KEY_ID, DATE[:8], REGION, SERVICE
    )
    expected = signature(case, fields, sigv4.canonical_path(path))
    assert sigv4.is_signature(given["X-Amz-Signature"], expected)


@pytest.mark.parametrize("what", ["method", "path", "query", "name", "value", "body", "date"])
def test_each_part_of_a_request_is_signed(what: str) -> None:
    parts = {
        "method": "POST",
        "path": "/a",
        "query": "x=1",
        "name": "x-a",
        "value": "1",
        "body": "{}",
        "date": DATE,
    }

    def sign(parts: dict[str, str]) -> str:
        fields = [("host", "h"), (parts["name"], parts["value"])]
        digest = hashlib.sha256(parts["body"].encode()).hexdigest()
        canonical, _ = sigv4.canonical_request(
            parts["method"], parts["path"], parts["query"], fields, digest
        )
        return sigv4.sign(canonical, parts["date"], SCOPE, SECRET)

    changed = {**parts, what: parts[what][:-1] + "9"}

    assert not sigv4.is_signature(sign(changed), sign(parts))


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("", "/"),
        ("/", "/"),
        ("/a/b/", "/a/b/"),
        ("/../a", "/a"),
        ("/a/..", "/"),
        ("/a/.", "/a"),
        ("/a/./", "/a/"),
        ("/...", "/..."),
        ("/.a/b..", "/.a/b.."),
        ("//a///b", "/a/b"),
        ("/a%20b", "/a%2520b"),
        ("/~a-b_c.d", "/~a-b_c.d"),
        ("/a:b@c", "/a%3Ab%40c"),
    ],
)
def test_paths_are_normalized_and_encoded_once_more(path: str, canonical: str) -> None:
    assert sigv4.canonical_path(path) == canonical


@pytest.mark.parametrize(
    ("query", "canonical"),
    [
        ("", ""),
        ("&", ""),
        ("b=2&a=1", "a=1&b=2"),
        ("a=2&a=1&a", "a=&a=1&a=2"),
        ("a=b=c", "a=b%3Dc"),
        ("a=+", "a=%2B"),
        ("a=%7e%2f", "a=~%2F"),
        ("a=\xe1\x88\xb4", "a=%E1%88%B4"),
        ("a=%FF", "a=%FF"),
        ("a-=1&a=1", "a=1&a-=1"),
        ("X-Amz-Signature=1&X-Amz-Date=2", "X-Amz-Date=2"),
    ],
)
def test_queries_are_encoded_once_and_sorted(query: str, canonical: str) -> None:
    assert sigv4.canonical_query(query) == canonical


@pytest.mark.parametrize("text", ["", "a/b/c/d", "a/b/c/d/aws3_request", "a/b/c/d/e/aws4_request"])
def test_other_credentials_are_none(text: str) -> None:
    assert sigv4.parse_credential(text) is None


def test_a_credential_has_the_scope_that_is_signed() -> None:
    credential = sigv4.parse_credential(f"{KEY_ID}/{SCOPE}")

    assert credential is not None
    assert (credential.key_id, credential.scope) == (KEY_ID, SCOPE)


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        (
            "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host;x, Signature=0f",
            {"Credential": "a/b", "SignedHeaders": "host;x", "Signature": "0f"},
        ),
        ("AWS4-HMAC-SHA256 Signature=0f,Credential=a", {"Credential": "a", "Signature": "0f"}),
        ("AWS4-HMAC-SHA256", {}),
        ("Bearer Signature=0f", None),
        ("", None),
    ],
)
def test_authorization_headers_are_read(value: str, fields: dict[str, str] | None) -> None:
    assert sigv4.parse_authorization(value) == fields


def test_a_signature_that_is_no_ascii_is_another_one() -> None:
    assert not sigv4.is_signature("\xe9", "e9")


def test_a_secret_that_cannot_be_encoded_is_an_error_each_time() -> None:
    prepared = PreparedRequest(
        "POST", "/", "", [], key_id="id", secret="\udcff", region="r", service="s"
    )

    for _ in range(2):
        with pytest.raises(UnicodeEncodeError):
            prepared.authorization("20261129T000000Z", b"")
