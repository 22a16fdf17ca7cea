"""How a Function URL changes the head of a function's response.

AWS documents little of it. Each entry names its source; read 2026-11.
"""

from __future__ import annotations

from typing import Final

from tailrace.errors import HeadError
from tailrace.wire import integration
from tailrace.wire.http_head import Headers
from tailrace.wire.integration import Head

KEYS: Final = integration.KEYS - {"multiValueHeaders"}
"""The keys of a prelude that a Function URL reads. `multiValueHeaders` belongs to payload format
1.0 (API Gateway Developer Guide, "http-api-develop-integrations-lambda"); maintainers of AWS's
runtime for Rust and of others confirm that a Function URL does not read it (2022 to 2024)."""

PREFIX: Final = "x-amzn-remapped-"

RENAMED: Final = frozenset(
    (
        "connection",  # as edge workers undo it, 2024
        "content-length",  # the same
        "date",  # the same
        "server",  # the same
        "www-authenticate",  # reported 2026
    )
)
"""Headers that reach the client with `PREFIX`: their names belong to Lambda's own connection."""

STRIPPED: Final = frozenset(
    (
        # RFC 9110, section 7.6.1: fields of one connection. We infer that Lambda removes them.
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        # Lambda sets them itself.
        "x-amzn-requestid",
        "x-amzn-trace-id",
    )
)
"""Headers of the function that do not reach the client."""

FORBIDDEN: Final = frozenset((f"{PREFIX}connection", f"{PREFIX}content-length"))
"""Headers with which Lambda answers 500 instead (reported 2024)."""


def response_fields(head: Head, *, dropped: frozenset[str] = frozenset()) -> Headers:
    """Return the header fields for the client, with names in lower case and one for each cookie.

    Repeated names are joined with ", ". Names in `dropped` are left out.

    Raises:
        HeadError: with status 500: see `FORBIDDEN`.
    """
    joined: dict[str, str] = {}
    for name, value in head.headers:
        lower = name.lower()
        if lower in FORBIDDEN:
            error = HeadError(f"{name}: no function may set this header")
            error.status = 500
            raise error
        if lower in STRIPPED or lower in dropped:
            continue
        key = PREFIX + lower if lower in RENAMED else lower
        joined[key] = f"{joined[key]}, {value}" if key in joined else value
    fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in joined.items()]
    fields += [(b"set-cookie", cookie.encode("latin-1")) for cookie in head.cookies]
    return fields
