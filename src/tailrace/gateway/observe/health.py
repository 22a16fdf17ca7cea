"""The health document: whether the gateway takes requests, what is open, and what was refused.

Load balancers need the status alone; the counts are for operators.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from tailrace.net.server.listener import Headers

_FIELDS: Final = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
_OPEN: Final = ("held", "uploads", "clients", "callbacks")


def encode_health(
    statistics: Mapping[str, int],
    *,
    is_draining: bool,
    requests_refused: int,
    clients_refused: Mapping[str, int],
    callbacks_refused: Mapping[str, int],
) -> tuple[int, Headers, bytes]:
    """Return the response to a request for the gateway's health: status, fields and body.

    `statistics` are those of the gateway. `requests_refused` counts the requests for which a route
    or the gateway had no room; the two mappings are what each listener has refused, by its bounds.
    Descriptors belong to the process, so both listeners count into one member.
    """
    status, text = (503, "draining") if is_draining else (200, "ok")
    refused = {
        "requests": requests_refused,
        "uploads": clients_refused["uploads"],
        "clients": clients_refused["connections"],
        "callbacks": callbacks_refused["connections"],
        "descriptors": clients_refused["descriptors"] + callbacks_refused["descriptors"],
    }
    counts = {name: statistics[name] for name in _OPEN}
    document = {"status": text, **counts, "refused": refused}
    return status, list(_FIELDS), json.dumps(document).encode() + b"\n"
