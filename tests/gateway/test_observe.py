"""What operators see: the line that is made of a record, and counts in warnings."""

from __future__ import annotations

import json
import logging

import pytest
from tests.clock import ManualClock
from tests.fakes import RECORD, encode_head
from tests.gateway.world import World, played

from tailrace import limits
from tailrace.gateway.exchange.record import ExchangeRecord
from tailrace.gateway.observe.ends import Ends
from tailrace.gateway.observe.health import encode_health
from tailrace.gateway.observe.log import LINE, NAMES, log_exchange, values_of
from tailrace.gateway.observe.tallies import Tallies


def line_of(record: ExchangeRecord, caplog: pytest.LogCaptureFixture) -> tuple[str, str]:
    """Level and text of the one line of a record."""
    with caplog.at_level(logging.INFO):
        log_exchange(record)
    (line,) = caplog.records
    assert line.name == "tailrace.gateway.exchange"
    return line.levelname, line.getMessage()


def test_a_line_has_every_value_of_the_record(caplog: pytest.LogCaptureFixture) -> None:
    assert line_of(RECORD, caplog) == (
        "INFO",
        "exchange=8f5b6a0e-5d0e-4f1c-9a53-0e3a2b6f1c11 request_id=3c0a5f0e client=203.0.113.7"
        " method=GET path=/lines function=lines transport=callback status=200 outcome=complete"
        " bytes=420 padded=7 first_byte_ms=139 total_ms=3167",
    )


def test_a_line_can_be_made_without_a_log_record(caplog: pytest.LogCaptureFixture) -> None:
    values = values_of(RECORD)

    assert LINE % values == line_of(RECORD, caplog)[1]
    assert caplog.records[0].args == dict(zip(NAMES, values, strict=True))


def test_what_is_unknown_or_no_word_is_a_hyphen(caplog: pytest.LogCaptureFixture) -> None:
    record = RECORD._replace(
        request_id=None, client="a b", status=0, first_byte_s=None, outcome="client-left"
    )

    _, text = line_of(record, caplog)

    assert " request_id=- client=- method=GET " in text
    assert " status=- outcome=client-left bytes=420 padded=7 first_byte_ms=- " in text


@pytest.mark.parametrize(
    ("outcome", "status", "level"),
    [
        ("complete", 404, "INFO"),
        ("client-left", 200, "INFO"),
        ("complete", 500, "WARNING"),
        ("malformed", 200, "WARNING"),
        ("gateway-failed", 0, "WARNING"),
    ],
)
def test_a_failure_is_a_warning(
    caplog: pytest.LogCaptureFixture, outcome: str, status: int, level: str
) -> None:
    record = RECORD._replace(outcome=outcome, status=status)

    assert line_of(record, caplog)[0] == level


def test_nothing_is_logged_below_the_level(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        log_exchange(RECORD)

    assert caplog.records == []


def test_a_failure_is_logged_where_only_warnings_are(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        log_exchange(RECORD._replace(outcome="malformed"))

    assert [line.levelname for line in caplog.records] == ["WARNING"]


@played()
async def test_each_observer_gets_each_record_once(world: World) -> None:
    """The log is the first of them, the counts of ends come after it."""
    records: list[ExchangeRecord] = []
    log, ends = world.gateway._registry._observers
    assert (log, type(ends)) == (log_exchange, Ends)
    world.gateway._registry._observers = (log, ends, records.append)
    client, function = await world.pair("POST", "/a?secret=1")
    await function.write(encode_head(201) + b"hello")
    await function.end()
    await client.read_response()
    left, _ = await world.hold()
    left.reset()
    await world.assert_settled()

    first, second = records
    assert (first.method, first.path, first.function) == ("POST", "/a", "stream")
    assert (first.status, first.outcome, first.bytes_relayed) == (201, "complete", 5)
    assert first.first_byte_s is not None
    assert 0 <= first.first_byte_s <= first.total_s
    assert (second.status, second.outcome, second.first_byte_s) == (0, "client-left", None)
    assert len(world.summaries()) == 2
    assert not [value for value in first if value in world.secrets]


def test_tallies_count_each_key_and_warn_now_and_then() -> None:
    clock = ManualClock()
    tallies: Tallies[str] = Tallies(clock)

    assert [tallies.add(key) for key in ("a", "a", "b", "a")] == [1, 0, 1, 0]
    clock.advance(limits.WARNING_INTERVAL_S + 1)
    assert [tallies.add("a"), tallies.add("b")] == [3, 1]
    assert tallies.total == 6


def test_tallies_are_bounded() -> None:
    tallies: Tallies[int] = Tallies(ManualClock())

    for key in range(3 * limits.REFUSAL_ROUTES_MAX):
        tallies.add(key)

    assert len(tallies) <= limits.REFUSAL_ROUTES_MAX
    assert tallies.total == 3 * limits.REFUSAL_ROUTES_MAX


@pytest.mark.parametrize(
    ("is_draining", "status", "text"), [(False, 200, "ok"), (True, 503, "draining")]
)
def test_health_has_what_is_open_and_what_was_refused(
    is_draining: bool, status: int, text: str
) -> None:
    counts = {
        "held": 1,
        "uploads": 2,
        "clients": 3,
        "callbacks": 4,
        "streams": 5,
        "late_us": 13,
        "requests_refused": 6,
        "requests_late": 12,
        "uploads_refused": 7,
        "clients_refused": 8,
        "callbacks_refused": 10,
        "descriptors_missed": 20,
    }

    answered, fields, body = encode_health(counts, is_draining=is_draining)

    assert answered == status
    assert (b"cache-control", b"no-store") in fields
    assert json.loads(body) == {
        "status": text,
        "held": 1,
        "uploads": 2,
        "clients": 3,
        "callbacks": 4,
        "late_us": 13,
        "refused": {
            "requests": 6,
            "late": 12,
            "uploads": 7,
            "clients": 8,
            "callbacks": 10,
            "descriptors": 20,
        },
    }
