"""Signed requests to the Lambda API (Signature Version 4)."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Final, Protocol
from urllib.parse import urlsplit

from tailrace.wire.sigv4 import DATE_FORMAT, PreparedRequest

_PREPARED_MAX: Final = 256
"""Requests that are kept prepared: one for each function, transport and set of keys."""


class SigningKeys(Protocol):
    """Keys to sign with, as botocore has them; a source that finds none returns no such object."""

    @property
    def access_key(self) -> str | None: ...
    @property
    def secret_key(self) -> str | None: ...
    @property
    def token(self) -> str | None: ...
    def __hash__(self) -> int: ...


def sign_post(
    url: str,
    headers: dict[str, str],
    body: bytes,
    *,
    credentials: SigningKeys,
    region: str,
) -> dict[str, str]:
    """Return the headers of a signed POST to Lambda: those given, host, date and signature.

    `url` must not have a query, and must be sent in the same spelling.
    """
    fields, prepared = _prepare(url, tuple(headers.items()), credentials, region)
    date = time.strftime(DATE_FORMAT, time.gmtime())
    return {**fields, "X-Amz-Date": date, "Authorization": prepared.authorization(date, body)}


@lru_cache(maxsize=_PREPARED_MAX)
def _prepare(
    url: str, headers: tuple[tuple[str, str], ...], credentials: SigningKeys, region: str
) -> tuple[dict[str, str], PreparedRequest]:
    assert credentials.access_key is not None and credentials.secret_key is not None
    parts = urlsplit(url)
    fields = {"host": parts.netloc, **dict(headers)}
    if credentials.token:
        fields["X-Amz-Security-Token"] = credentials.token
    prepared = PreparedRequest(
        "POST",
        parts.path,
        "",
        [(name.lower(), value) for name, value in fields.items()],
        key_id=credentials.access_key,
        secret=credentials.secret_key,
        region=region,
        service="lambda",
    )
    return fields, prepared
