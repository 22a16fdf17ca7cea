"""Signatures (AWS Signature Version 4) of requests to Function URLs with AWS_IAM.

`wire.sigv4` has the signature itself. A Function URL requires the service `lambda` and a signed
payload (Lambda Developer Guide, "urls-auth", read 2026-11). Here any region and any session token
are accepted.

`docs/reference/function-urls.md`, "AWS_IAM", lists the client's answer for each fault with its
source. The texts are those of AWS's services, without the parts that repeat the request.

"""

from __future__ import annotations

import calendar
import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from tailrace import limits
from tailrace.emulator.service_error import ServiceError, forbidden_at_url
from tailrace.net.server.listener import RequestHead
from tailrace.wire import sigv4
from tailrace.wire.sigv4 import ALGORITHM, DATE_FORMAT, Credential

_REQUIRED: Final = ("Credential", "Signature", "SignedHeaders")
_PRESIGNED_FIELDS: Final = (
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
)
_MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. Check your AWS"
    " Secret Access Key and signing method. Consult the service documentation for details."
)


class SignatureFault(NamedTuple):
    """What is wrong with the signature of a request."""

    reason: str
    """For the log. It names no secret."""
    answer: ServiceError
    """For the client."""


class _FaultError(Exception):
    """The signature of a request is missing or wrong."""

    def __init__(self, reason: str, answer: ServiceError) -> None:
        super().__init__(reason)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class KeyPair:
    """The one key pair that is accepted."""

    access_key_id: str
    secret_access_key: str


@dataclass(frozen=True, slots=True)
class _Claim:
    """The signature of a request and what it covers."""

    credential: str
    signed_headers: str
    signature: str
    date: str
    good_for_s: float | None
    """How long a presigned URL is valid; None for a signature in the headers."""


def find_fault(
    keys: KeyPair, head: RequestHead, body: bytes, *, now_s: float
) -> SignatureFault | None:
    """Return what is wrong with the signature of a request, None if it is right.

    `now_s` is the time of the wall clock.
    """
    try:
        _check(keys, head, body, now_s)
    except _FaultError as fault:
        return SignatureFault(str(fault), fault.answer)
    return None


def _unsigned(reason: str) -> _FaultError:
    return _FaultError(reason, forbidden_at_url())


def _incomplete(reason: str, message: str) -> _FaultError:
    return _FaultError(reason, ServiceError(403, "IncompleteSignatureException", message))


def _invalid(reason: str, message: str = _MISMATCH) -> _FaultError:
    return _FaultError(reason, ServiceError(403, "InvalidSignatureException", message))


def _check(keys: KeyPair, head: RequestHead, body: bytes, now_s: float) -> None:
    claim = _presigned(dict(_parameters(head.query))) or _in_headers(head)
    credential = _check_credential(claim, keys)
    _check_time(claim, now_s)
    names = frozenset(claim.signed_headers.lower().split(";"))
    if "host" not in names:
        raise _invalid(
            "the host header is not signed",
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
        )
    body_sha256 = hashlib.sha256(body).hexdigest()
    _check_payload(head, body_sha256)
    canonical, _ = sigv4.canonical_request(
        head.method,
        sigv4.canonical_path(head.path),
        sigv4.canonical_query(head.query),
        _signed_fields(head, names),
        body_sha256,
    )
    expected = sigv4.sign(canonical, claim.date, credential.scope, keys.secret_access_key)
    if not sigv4.is_signature(claim.signature, expected):
        raise _invalid(
            "the signature does not match: another secret key, a changed request, or a path or"
            " query that was not signed in AWS's canonical form (older versions of curl)"
        )


def _parameters(query: str) -> list[tuple[str, str]]:
    """Return the query's parameters, decoded. A plus sign stays a plus sign."""
    return parse_qsl(query.replace("+", "%2B"), keep_blank_values=True)


def _presigned(fields: dict[str, str]) -> _Claim | None:
    if not fields.keys() & {"X-Amz-Algorithm", "X-Amz-Signature"}:
        return None
    missing = [f"'{name}'" for name in _PRESIGNED_FIELDS if name not in fields]
    if missing:
        raise _incomplete(
            f"a presigned URL without {', '.join(missing)}",
            f"AWS query-string parameters must include {', '.join(missing)}."
            " Re-examine the query-string parameters.",
        )
    if fields["X-Amz-Algorithm"] != ALGORITHM:
        raise _incomplete(
            f"X-Amz-Algorithm is not {ALGORITHM}",
            f"Unsupported AWS 'algorithm': {fields['X-Amz-Algorithm'][:40]!r}.",
        )
    good_for = fields["X-Amz-Expires"]
    is_number = good_for.isascii() and good_for.isdigit() and len(good_for) < 10
    if not is_number or int(good_for) > limits.PRESIGNED_S_MAX:
        text = f"X-Amz-Expires is not a number of seconds up to {limits.PRESIGNED_S_MAX}"
        raise _incomplete(text, f"{text}.")
    return _Claim(
        fields["X-Amz-Credential"],
        fields["X-Amz-SignedHeaders"],
        fields["X-Amz-Signature"],
        fields["X-Amz-Date"],
        float(good_for),
    )


def _in_headers(head: RequestHead) -> _Claim:
    value = (head.get(b"authorization") or b"").decode("latin-1")
    if not value:
        raise _unsigned("it is not signed")
    fields = sigv4.parse_authorization(value)
    if fields is None:  # a token of the application's, or of another service's
        raise _unsigned(f"the authorization header is not one of {ALGORITHM}")
    date = (head.get(b"x-amz-date") or b"").decode("latin-1")
    missing = [f"requires '{name}' parameter" for name in _REQUIRED if name not in fields]
    if not date:
        missing.append("requires existence of either a 'X-Amz-Date' or a 'Date' header")
    if missing:
        raise _incomplete(
            f"the authorization header {', '.join(missing)}",
            " ".join(f"Authorization header {what}." for what in missing),
        )
    return _Claim(
        fields["Credential"], fields["SignedHeaders"], fields["Signature"], date, good_for_s=None
    )


def _check_credential(claim: _Claim, keys: KeyPair) -> Credential:
    """Check the key and the scope of a signature."""
    credential = sigv4.parse_credential(claim.credential)
    if credential is None:
        raise _incomplete(
            "the credential is not KEY/DATE/REGION/lambda/aws4_request",
            "Credential must have exactly 5 slash-delimited elements, e.g."
            " keyid/date/region/service/term.",
        )
    key_id, day, _, service = credential
    if not hmac.compare_digest(key_id.encode(), keys.access_key_id.encode()):
        raise _invalid(
            "the access key is not the one of [emulator] access_key_id",
            "The security token included in the request is invalid.",
        )
    if service != "lambda":
        raise _invalid(
            f"it is signed for the service {service[:40]!r}, not for 'lambda'",
            "Credential should be scoped to correct service: 'lambda'. ",
        )
    if day != claim.date[:8]:
        raise _invalid(
            "the credential's day is not that of x-amz-date",
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from"
            f" HTTP: '{day[:16]}' != '{claim.date[:8]}', from '{claim.date[:40]}'.",
        )
    return credential


def _check_time(claim: _Claim, now_s: float) -> None:
    try:
        signed_s = calendar.timegm(time.strptime(claim.date, DATE_FORMAT))
    except ValueError:
        raise _incomplete(
            "x-amz-date is not a time such as 20261121T120000Z",
            f"Date must be in ISO-8601 'basic format'. Got '{claim.date[:40]}'.",
        ) from None
    skew_s = limits.SIGNATURE_SKEW_S
    if now_s < signed_s - skew_s:
        raise _invalid(
            "it is signed for a time to come",
            f"Signature not yet current: {claim.date} is still later than"
            f" {_time(now_s + skew_s)} ({_time(now_s)} + {_minutes(skew_s)} min.)",
        )
    good_for_s = skew_s if claim.good_for_s is None else claim.good_for_s
    if now_s > signed_s + good_for_s:
        raise _invalid(
            "the signature has expired",
            f"Signature expired: {claim.date} is now earlier than"
            f" {_time(now_s - good_for_s)} ({_time(now_s)} - {_minutes(good_for_s)} min.)",
        )


def _time(epoch_s: float) -> str:
    return time.strftime(DATE_FORMAT, time.gmtime(epoch_s))


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:g}"


def _check_payload(head: RequestHead, body_sha256: str) -> None:
    said = head.get(b"x-amz-content-sha256")
    if said is None:
        return  # the body's own digest is what must have been signed
    if said == b"UNSIGNED-PAYLOAD" or said.startswith(b"STREAMING-"):
        raise _invalid("the payload is not signed")
    if said.lower() != body_sha256.encode():
        raise _invalid("x-amz-content-sha256 is not the digest of the body")


def _signed_fields(head: RequestHead, names: frozenset[str]) -> list[tuple[str, str]]:
    """Return the signed headers, in the order in which they were sent."""
    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers]
    signed = [field for field in fields if field[0] in names]
    missing = names - {name for name, _ in signed}
    if missing:
        raise _invalid(f"a signed header did not come: {min(missing)[:40]}")
    return signed
