"""An app in Starlette, behind the middleware of most apps, on every road: see tests/kits/apps."""

from __future__ import annotations

import pytest
from tests.e2e.chain import until
from tests.kits.apps.cases import cases_of
from tests.kits.apps.claims import Case, Claim, three_chunks, three_compressed_chunks
from tests.kits.apps.frameworks import FRAMEWORKS, Framework
from tests.kits.apps.roads import CALLBACK, Road, Served
from tests.kits.seen import BROKEN, COMPLETE, Ending

FRAMEWORK = "starlette"


@pytest.mark.parametrize(("framework", "claim", "road"), cases_of(FRAMEWORK))
def test_app(served: Served, framework: Framework, claim: Claim, road: Road) -> None:
    claim(Case(served, framework, road))


def test_a_sync_generator_in_a_thread_streams(streamed: Case) -> None:
    three_chunks(streamed, "/sync-stream")


def test_every_middleware_has_taken_part(streamed: Case) -> None:
    answer = streamed.answer("/text")

    assert answer.get("x-marked") == "yes"
    assert "Accept-Encoding" in (answer.get("vary") or "")


def test_a_session_is_a_cookie_beside_others(streamed: Case) -> None:
    first = streamed.answer("/session")
    cookies = dict(value.partition(";")[0].split("=", 1) for value in first.all("set-cookie"))
    again = streamed.answer("/session", headers=(("cookie", f"session={cookies['session']}"),))

    assert (first.body, again.body) == (b"1", b"2")
    assert set(cookies) == {"a", "b", "session"}


def test_cors_is_the_apps_own(served: Served) -> None:
    """Behind a Function URL it is the URL's."""
    case = Case(served, FRAMEWORKS[FRAMEWORK], CALLBACK)
    origin = ("origin", "https://page.test")

    preflight = case.answer(
        "/text", method="OPTIONS", headers=(origin, ("access-control-request-method", "PUT"))
    )
    answer = case.answer("/text", headers=(origin,))

    assert preflight.status == 200
    assert "PUT" in (preflight.get("access-control-allow-methods") or "")
    assert answer.get("access-control-allow-origin") == "https://page.test"


def test_gzip_streams(streamed: Case) -> None:
    """Since Starlette 1.5 its compressor is flushed behind each chunk; before, it held 32 KiB."""
    three_compressed_chunks(streamed)


def test_gzip_leaves_server_sent_events_alone(streamed: Case) -> None:
    gate = streamed.served.chain.gate()
    asks = {"query": f"gate={gate.port}", "headers": (("accept-encoding", "gzip"),)}
    with streamed.asked("/events", **asks) as reading:
        assert reading.head().get("content-encoding") is None
        assert reading.body(4) == b"one\n"
        gate.open()
        assert reading.body(4) == b"two\n"
        gate.open()
        assert reading.end() == Ending(b"three", COMPLETE)


def test_a_failure_behind_base_http_middleware_is_never_complete(streamed: Case) -> None:
    """It sends a last message for an app that has failed, and raises the exception later."""
    chain = streamed.served.chain
    before = len(chain.output)
    gate = chain.gate()
    with streamed.asked("/fails-late", query=f"gate={gate.port}") as reading:
        reading.head()
        assert reading.body(4) == b"half"
        gate.open()
        assert reading.end() == Ending(b"", BROKEN)
    until(lambda: "ValueError" in chain.output[before:], "the traceback")
