"""sse-starlette: events one by one, pings of its own, and what it does when a client leaves."""

from __future__ import annotations

import os
import signal

from tests.e2e.chain import until
from tests.kits.apps.claims import Case, starts_once
from tests.kits.apps.frameworks import FRAMEWORKS
from tests.kits.apps.roads import CALLBACK, Served
from tests.kits.seen import BROKEN, COMPLETE, Ending

FRAMEWORK = "sse-starlette"


def event(data: str) -> bytes:
    return f"event: part\r\ndata: {data}\r\n\r\n".encode()


def test_each_event_is_at_the_client_before_the_next_is_made(streamed: Case) -> None:
    gate = streamed.served.chain.gate()
    with streamed.asked("/events", query=f"gate={gate.port}") as reading:
        head = reading.head()
        assert head.status == 200
        assert (head.get("content-type") or "").startswith("text/event-stream")
        for data in ("one", "two"):
            assert reading.body(len(event(data))) == event(data)
            assert not reading.has_more
            gate.open()
        assert reading.end() == Ending(event("three"), COMPLETE)


def test_head_gets_no_stream(streamed: Case) -> None:
    answer = streamed.answer("/events", method="HEAD", query="gate=1")

    assert (answer.status, answer.body) == (200, b"")


def test_its_watcher_of_the_process_does_not_hold_requests(streamed: Case) -> None:
    """It starts a task with the first response that never ends."""
    test_each_event_is_at_the_client_before_the_next_is_made(streamed)

    starts_once(streamed)


def test_a_client_that_leaves_ends_the_events(served: Served) -> None:
    case = Case(served, FRAMEWORKS[FRAMEWORK], CALLBACK)
    gate = served.chain.gate()
    with case.asked("/waits", query=f"gate={gate.port}") as reading:
        assert reading.head().status == 200
        assert reading.body(13) == b"data: one\r\n\r\n"
        assert gate.line().isdigit()

    assert {gate.line(), gate.line()} == {"ended", "closed: http.disconnect"}


def test_a_process_that_is_told_to_end_breaks_its_response(streamed: Case) -> None:
    """sse-starlette waits for uvicorn's end, which is not there. The response is not complete."""
    gate = streamed.served.chain.gate()
    with streamed.asked("/waits", query=f"gate={gate.port}") as reading:
        assert reading.head().status == 200
        assert reading.body(13) == b"data: one\r\n\r\n"
        os.kill(int(gate.line()), signal.SIGTERM)
        assert reading.end() == Ending(b"", BROKEN)

    assert gate.line() == "ended"
    until(lambda: streamed.answer("/starts").status == 200, "another environment")
