"""The health document: whether the gateway takes requests, what is open, and what was refused.

Load balancers need the status alone; the counts are for operators.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from tailrace.net.process.board import OPEN
from tailrace.net.server.listener import Headers

_FIELDS: Final = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
_REFUSED: Final = {
    "requests": "requests_refused",
    "late": "requests_late",
    "uploads": "uploads_refused",
    "clients": "clients_refused",
    "callbacks": "callbacks_refused",
    "descriptors": "descriptors_missed",
}


def encode_health(counts: Mapping[str, int], *, is_draining: bool) -> tuple[int, Headers, bytes]:
    """Return the response to a request for the gateway's health: status, fields and body.

    `counts` are those of the gateway, or of all processes of its node; `requests_refused` counts
    the requests for which a route or the gateway had no room, `requests_late` those that the
    process was too late for, the others what the listeners have refused, by their bounds.
    """
    status, text = (503, "draining") if is_draining else (200, "ok")
    document = {
        "status": text,
        **{name: counts[name] for name in OPEN},
        "late_us": counts["late_us"],
        "refused": {name: counts[count] for name, count in _REFUSED.items()},
    }
    return status, list(_FIELDS), json.dumps(document).encode() + b"\n"
