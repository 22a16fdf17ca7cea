"""AWS Signature Version 4: what a signature covers, for signing and for verifying.

    canonical request   method · path · query · signed fields · their names · digest of the body
    string to sign      algorithm · time · scope · digest of the canonical request
    signature           HMAC-SHA256 of it, with a key of the secret, the day, region and service

Source: IAM User Guide, "Create a signed AWS API request", read 2026-11. AWS's published vectors are
in tests/vectors/sigv4.json.

Paths follow the rule of every service but S3: dot segments and empty segments are removed, and what
is percent-encoded already is encoded once more. Callers that need S3's rule pass a path that they
have encoded themselves.

Callers pass the time, and decide how old a signature may be.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote, unquote_to_bytes

ALGORITHM: Final = "AWS4-HMAC-SHA256"
DATE_FORMAT: Final = "%Y%m%dT%H%M%SZ"
"""Of `X-Amz-Date`, in UTC, as `time.strftime` takes it."""

_TERMINATION: Final = "aws4_request"
_SIGNATURE_PARAMETER: Final = "X-Amz-Signature"
_UNRESERVED: Final = "-_.~"
_AUTHORIZATION_FIELD: Final = re.compile(r"(Credential|SignedHeaders|Signature)=([^\s,]+)")
_KEYS_MAX: Final = 16
"""Signing keys that are cached: each is valid for one secret and scope."""
_HMAC_BLOCK_BYTES: Final = 64
"""Of SHA-256: a signing key has 32 bytes, and is filled up."""
_SLOT: Final = "\0"
"""Stands for the time and the digest in a prepared request; no field can contain it."""


class Credential(NamedTuple):
    """The id of the key that signed a request, and the scope in which the signature is valid."""

    key_id: str
    day: str
    region: str
    service: str

    @property
    def scope(self) -> str:
        """All but the key's id, as it is signed."""
        return f"{self.day}/{self.region}/{self.service}/{_TERMINATION}"


def parse_credential(text: str) -> Credential | None:
    """Read KEY/DAY/REGION/SERVICE/aws4_request; None for anything else."""
    parts = text.split("/")
    return Credential(*parts[:4]) if len(parts) == 5 and parts[4] == _TERMINATION else None


def parse_authorization(value: str) -> dict[str, str] | None:
    """Read an Authorization header: `Credential`, `SignedHeaders` and `Signature`, if given.

    None if it names another algorithm.
    """
    algorithm, _, rest = value.partition(" ")
    return dict(_AUTHORIZATION_FIELD.findall(rest)) if algorithm == ALGORITHM else None


def canonical_path(path: str) -> str:
    """Return a path, as it is sent, in the form that is signed."""
    if "//" in path or "/." in path or not path:
        path = _normalized(path)
    return quote(path, safe="/~")


def canonical_query(query: str) -> str:
    """Return a query, as it is sent, in the form that is signed: decoded, encoded and sorted.

    The signature's own parameter is left out. The bytes count, whatever text they are: each
    character of `query` is one byte (Latin-1). A plus sign is a plus sign, not a space.
    """
    pairs = []
    for field in query.split("&"):
        raw_name, _, raw_value = field.partition("=")
        name = _encoded_once(raw_name)
        if field and name != _SIGNATURE_PARAMETER:
            pairs.append((name, _encoded_once(raw_value)))
    return "&".join([f"{name}={value}" for name, value in sorted(pairs)])


def canonical_request(
    method: str, path: str, query: str, fields: Iterable[tuple[str, str]], body_sha256: str
) -> tuple[str, str]:
    """Return the canonical request and the names of its signed fields.

    `path` and `query` are canonical. `fields` are those to sign, in the order in which they are
    sent, with names in lower case; values of one name are joined with a comma.
    """
    values: dict[str, list[str]] = {}
    for name, value in fields:
        values.setdefault(name, []).append(" ".join(value.split()))
    names = sorted(values)
    lines = [f"{name}:{','.join(values[name])}\n" for name in names]
    signed_names = ";".join(names)
    head = f"{method}\n{path}\n{query}\n{''.join(lines)}\n{signed_names}\n"
    return head + body_sha256, signed_names


def sign(canonical: str, date: str, scope: str, secret: str) -> str:
    """Return the signature of a canonical request, in hex digits.

    `date` is in `DATE_FORMAT`, `scope` is DAY/REGION/SERVICE/aws4_request.
    """
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = _before_digest(date, scope) + digest
    return hmac.digest(_signing_key(secret, scope), text.encode(), "sha256").hex()


def is_signature(given: str, expected: str) -> bool:
    """Compare signatures in a time that does not depend on where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


class PreparedRequest:
    """A request of which only time and body change: all else of its signature is prepared.

    What depends on the time is prepared once for each second, and hashed as far as it is known.

    `fields` are those to sign beside `x-amz-date`, names in lower case.
    """

    __slots__ = (
        "_after_date",
        "_before_date",
        "_canonical",
        "_date",
        "_inner",
        "_key_id",
        "_outer",
        "_scope_end",
        "_secret",
        "_signed_names",
        "_start",
    )

    def __init__(
        self,
        method: str,
        path: str,
        query: str,
        fields: Iterable[tuple[str, str]],
        *,
        key_id: str,
        secret: str,
        region: str,
        service: str,
    ) -> None:
        canonical, self._signed_names = canonical_request(
            method,
            canonical_path(path),
            canonical_query(query),
            (*fields, ("x-amz-date", _SLOT)),
            _SLOT,
        )
        self._before_date, self._after_date, _ = canonical.split(_SLOT)
        self._key_id = key_id
        self._secret = secret
        self._scope_end = f"/{region}/{service}/{_TERMINATION}"
        self._date = ""  # for which the rest is prepared
        self._start = ""
        self._canonical = self._inner = self._outer = hashlib.sha256()

    def authorization(self, date: str, body: bytes) -> str:
        """Return the Authorization header of this request at a time, with a body."""
        if date != self._date:
            self._prepare(date)
        canonical = self._canonical.copy()
        canonical.update(hashlib.sha256(body).hexdigest().encode())
        # As `sign`: the states of an HMAC are copied at half the price of a new one.
        inner = self._inner.copy()
        inner.update(canonical.hexdigest().encode())
        outer = self._outer.copy()
        outer.update(inner.digest())
        return self._start + outer.hexdigest()

    def _prepare(self, date: str) -> None:
        scope = date[:8] + self._scope_end
        self._start = (
            f"{ALGORITHM} Credential={self._key_id}/{scope}, SignedHeaders={self._signed_names},"
            " Signature="
        )
        self._canonical = hashlib.sha256(f"{self._before_date}{date}{self._after_date}".encode())
        key = _signing_key(self._secret, scope).ljust(_HMAC_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key))  # RFC 2104, section 2
        self._inner.update(_before_digest(date, scope).encode())
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key))
        self._date = date  # last: a secret that cannot be encoded is an error each time


def _before_digest(date: str, scope: str) -> str:
    """Return the string to sign up to the digest of the canonical request."""
    return f"{ALGORITHM}\n{date}\n{scope}\n"


@lru_cache(maxsize=_KEYS_MAX)
def _signing_key(secret: str, scope: str) -> bytes:
    """Return the key of a day, region and service (IAM User Guide, "Derive a signing key")."""
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _normalized(path: str) -> str:
    """Remove dot segments (RFC 3986, section 5.2.4) and empty segments."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in ("", "."):
            segments.append(segment)
    end = "/" if segments and path.endswith("/") else ""
    return f"/{'/'.join(segments)}{end}"


def _encoded_once(text: str) -> str:
    return quote(unquote_to_bytes(text.encode("latin-1")), safe=_UNRESERVED)
