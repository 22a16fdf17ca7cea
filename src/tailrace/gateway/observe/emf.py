"""Metrics of a node as a line of CloudWatch's embedded metric format.

Source: "Specification: Embedded metric format" of the CloudWatch user guide, read 2026-11; its
JSON schema is in tests/vectors/emf/. CloudWatch Logs makes metrics of such a line if the line is
one JSON object.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

NAMESPACE: Final = "Tailrace"
DIMENSION: Final = "Gateway"


class Metric(NamedTuple):
    """A metric, and the count of the node from which it is made."""

    name: str
    unit: str
    """As CloudWatch spells it: a document with any other is refused."""
    source: str
    meaning: str
    """For the reference, in Markdown."""


STATES: Final = (
    Metric("Held", "Count", "held", "Open responses of a node that takes requests."),
    Metric(
        "HeldPercent",
        "Percent",
        "held",
        "The same, of the node's `held_max`: comparable between machines of any size.",
    ),
    Metric(
        "HeldDraining",
        "Count",
        "held",
        "Open responses of a node that drains or has no worker that accepts. It stands in the "
        "place of the two above.",
    ),
    Metric("Clients", "Count", "clients", "Connections of clients."),
    Metric("Uploads", "Count", "uploads", "Request bodies that are being received."),
    Metric(
        "Late",
        "Milliseconds",
        "late_us",
        "How late the event loop of a worker ran: the greatest that was found at one look a second "
        "since the last line.",
    ),
)
"""What a node has open, and how it is, at the time of a line."""
INCREASES: Final = (
    Metric("Completed", "Count", "completed", "Exchanges that ended in good order."),
    Metric("ClientLeft", "Count", "client_left", "Exchanges that ended because the client left."),
    Metric(
        "Failed",
        "Count",
        "failed",
        "Exchanges whose log line is a warning: any other outcome, or a status of 500 or more.",
    ),
    Metric(
        "BytesRelayed", "Bytes", "bytes_relayed", "Body bytes of the exchanges that have ended."
    ),
    Metric(
        "RequestsRefused",
        "Count",
        "requests_refused",
        "Requests that got 503, because a route or the node was at its bound.",
    ),
    Metric(
        "RequestsLate",
        "Count",
        "requests_late",
        "Requests that got 503, because the event loop ran late.",
    ),
    Metric("UploadsRefused", "Count", "uploads_refused", "Uploads above `uploads_max`."),
    Metric(
        "ClientsRefused",
        "Count",
        "clients_refused",
        "Connections of clients that were closed above their bound.",
    ),
    Metric(
        "CallbacksRefused",
        "Count",
        "callbacks_refused",
        "Connections of functions that were closed above their bound.",
    ),
    Metric(
        "DescriptorsMissed",
        "Count",
        "descriptors_missed",
        "Connections that were closed for want of file descriptors.",
    ),
    Metric(
        "WorkersLost",
        "Count",
        "workers_lost",
        "Workers that have crashed or were killed. Their open responses broke.",
    ),
    Metric(
        "LinesLost",
        "Count",
        "lines_lost",
        "Lines of metrics that could not be written. Their counts are in the next line.",
    ),
)
"""What has been counted since the line before. The sum over all lines is the sum of all events."""


class Gauges(NamedTuple):
    """What a node has open."""

    held: int
    held_max: int | None
    """None: it takes no requests."""
    clients: int
    uploads: int
    late_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    """Where the metrics belong, and how often they come."""

    name: str
    """The value of the dimension: the same for all nodes that are scaled together."""
    host: str
    """This machine: a property of the line, and no dimension, which would cost a set of metrics
    for each machine."""
    interval_s: int


def encode_line(
    settings: MetricsSettings, at_wall_s: float, gauges: Gauges, due: Mapping[str, int]
) -> bytes:
    """Return a line. A count that `due` does not have is zero."""
    values = {**_states(gauges), **{each.name: due.get(each.source, 0) for each in INCREASES}}
    resolution = {} if settings.interval_s >= 60 else {"StorageResolution": 1}
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [[DIMENSION]],
        "Metrics": [
            {"Name": each.name, "Unit": each.unit, **resolution}
            for each in (*STATES, *INCREASES)
            if each.name in values
        ],
    }
    document = {
        "_aws": {"Timestamp": int(at_wall_s * 1000), "CloudWatchMetrics": [directive]},
        DIMENSION: settings.name,
        "Host": settings.host,
        **values,
    }
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def _states(gauges: Gauges) -> dict[str, float]:
    held, held_max = gauges.held, gauges.held_max
    if held_max is None:
        values: dict[str, float] = {"HeldDraining": held}
    else:
        values = {"Held": held, "HeldPercent": round(100 * held / held_max, 2)}
    return {
        **values,
        "Clients": gauges.clients,
        "Uploads": gauges.uploads,
        "Late": gauges.late_us / 1000,
    }
