"""An app in Flask, on every road: see tests/kits/apps."""

from __future__ import annotations

import pytest
from tests.e2e.chain import until
from tests.kits.apps.cases import cases_of
from tests.kits.apps.claims import Case, Claim
from tests.kits.apps.frameworks import FRAMEWORKS, Framework
from tests.kits.apps.roads import CALLBACK, Road, Served
from tests.kits.seen import COMPLETE, Ending

FRAMEWORK = "flask"


@pytest.mark.parametrize(("framework", "claim", "road"), cases_of(FRAMEWORK))
def test_app(served: Served, framework: Framework, claim: Claim, road: Road) -> None:
    claim(Case(served, framework, road))


def test_a_session_is_a_cookie_beside_others(streamed: Case) -> None:
    first = streamed.answer("/session")
    cookies = dict(value.partition(";")[0].split("=", 1) for value in first.all("set-cookie"))
    again = streamed.answer("/session", headers=(("cookie", f"session={cookies['session']}"),))

    assert (first.body, again.body) == (b"1", b"2")
    assert set(cookies) == {"a", "b", "session"}


def test_a_stream_has_its_request_until_its_end(streamed: Case) -> None:
    gate = streamed.served.chain.gate()
    with streamed.asked("/with-context", query=f"gate={gate.port}&word=last") as reading:
        assert reading.head().status == 200
        assert reading.body(13) == b"/with-context"
        assert gate.line() == "torn down"  # behind the view
        assert not reading.has_more
        gate.open()
        assert reading.end() == Ending(b"last", COMPLETE)

    assert gate.line() == "torn down"


def test_a_request_is_torn_down_when_its_client_has_left(served: Served) -> None:
    case = Case(served, FRAMEWORKS[FRAMEWORK], CALLBACK)
    chain, gate = served.chain, served.chain.gate()
    with case.asked("/with-context", query=f"gate={gate.port}&word=last") as reading:
        assert reading.head().status == 200
        assert reading.body(13) == b"/with-context"
        assert gate.line() == "torn down"  # behind the view
        earlier = chain.outcomes("/with-context")

    until(lambda: chain.outcomes("/with-context") == [*earlier, "client-left"], "the leaving")
    gate.open()

    assert gate.line() == "torn down"
