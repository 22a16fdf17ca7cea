"""Lines of metrics, and the counts of exchanges by their end that are in them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import (
    AmazonCloudWatchEMFProvider,
)
from tests.emf import parse
from tests.fakes import RECORD

from tailrace.gateway.observe.emf import INCREASES, STATES, Gauges, MetricsSettings, encode_line
from tailrace.gateway.observe.ends import Ends
from tailrace.net.process.board import COUNTS, ENDS, SINCE_START, Board
from tailrace.net.process.limits import LOG_WRITE_BYTES_MAX

SETTINGS = MetricsSettings(name="shop", host="ip-10-0-1-17", interval_s=60)
GAUGES = Gauges(held=31, held_max=10_000, clients=44, uploads=2, late_us=1_234)
DUE = {each.source: 100 + place for place, each in enumerate(INCREASES)}


def test_a_line_has_every_value_under_its_name() -> None:
    line = parse(encode_line(SETTINGS, time.time(), GAUGES, DUE))

    assert line.dimensions == {"Gateway": "shop"}
    assert line.properties == {"Host": "ip-10-0-1-17"}
    assert line.metrics == {
        "Held": 31,
        "HeldPercent": 0.31,
        "Clients": 44,
        "Uploads": 2,
        "Late": 1.234,
        "Completed": 100,
        "ClientLeft": 101,
        "Failed": 102,
        "BytesRelayed": 103,
        "RequestsRefused": 104,
        "RequestsLate": 105,
        "UploadsRefused": 106,
        "ClientsRefused": 107,
        "CallbacksRefused": 108,
        "DescriptorsMissed": 109,
        "WorkersLost": 110,
        "LinesLost": 111,
    }
    assert {line.units[name] for name in ("Held", "Completed", "WorkersLost")} == {"Count"}
    assert [line.units[name] for name in ("HeldPercent", "Late", "BytesRelayed")] == [
        *("Percent", "Milliseconds", "Bytes"),
    ]


def test_a_node_that_takes_no_requests_is_in_no_average_of_held() -> None:
    line = parse(encode_line(SETTINGS, time.time(), GAUGES._replace(held_max=None), {}))

    assert line.metrics["HeldDraining"] == 31
    assert not {"Held", "HeldPercent"} & line.metrics.keys()
    assert line.metrics["Completed"] == 0, "what has not been counted is zero"


def test_what_the_processes_count_is_in_the_line() -> None:
    """`accepted` is not: connections say little where they are reused."""
    from_parent = {"workers_lost", "lines_lost"}

    assert {each.source for each in INCREASES} == {*SINCE_START, *from_parent} - {"accepted"}
    assert {each.source for each in STATES} <= {*COUNTS}


@pytest.mark.parametrize(("interval_s", "resolution"), [(60, None), (59, 1)])
def test_lines_that_come_more_often_have_a_high_resolution(
    interval_s: int, resolution: int | None
) -> None:
    settings = MetricsSettings(name="shop", host="h", interval_s=interval_s)

    document = json.loads(encode_line(settings, time.time(), GAUGES, DUE))

    (directive,) = document["_aws"]["CloudWatchMetrics"]
    assert {each.get("StorageResolution") for each in directive["Metrics"]} == {resolution}


def test_the_longest_line_is_one_write() -> None:
    """A pipe takes so much as a whole, or nothing."""
    most = 2**63 - 1
    settings = MetricsSettings(name=255 * "n", host=64 * "h", interval_s=1)
    gauges = Gauges(most, most, most, most, most)

    line = encode_line(settings, 9_999_999_999, gauges, dict.fromkeys(DUE, most))

    assert len(line) <= LOG_WRITE_BYTES_MAX


def test_powertools_makes_the_same_document(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS's own encoder refuses units and values that CloudWatch would."""
    line = encode_line(SETTINGS, time.time(), GAUGES, DUE)
    parsed, document = parse(line), json.loads(line)
    theirs = AmazonCloudWatchEMFProvider(namespace="Tailrace")
    theirs.add_dimension("Gateway", "shop")
    theirs.add_metadata("Host", "ip-10-0-1-17")
    for name, value in parsed.metrics.items():
        theirs.add_metric(name, parsed.units[name], value)

    made: dict[str, Any] = theirs.serialize_metric_set()
    theirs.clear_metrics()

    made["_aws"]["Timestamp"] = document["_aws"]["Timestamp"]
    made.update({name: made[name][0] for name in parsed.metrics})  # a list of one value each
    assert made == document


@pytest.mark.parametrize(
    ("outcome", "status", "name"),
    [
        ("complete", 200, "completed"),
        ("complete", 404, "completed"),
        ("complete", 500, "failed"),
        ("client-left", 0, "client_left"),
        ("callback-broken", 200, "failed"),
        ("invoke-refused", 503, "failed"),
        ("stopped", 503, "failed"),
    ],
)
@pytest.mark.parametrize("is_worker", [True, False])
def test_an_exchange_is_counted_once_by_its_end(
    outcome: str, status: int, name: str, is_worker: bool
) -> None:
    board = Board.create()
    row = board.take_row(1)
    ends = Ends(row if is_worker else None)

    ends(RECORD._replace(outcome=outcome, status=status, bytes_relayed=7))

    assert ends.counts() == {**dict.fromkeys(ENDS, 0), name: 1, "bytes_relayed": 7}
    assert row is not None
    in_row = row.counts()
    assert {each: in_row[each] for each in ENDS} == (
        ends.counts() if is_worker else dict.fromkeys(ENDS, 0)
    )
    board.close()
