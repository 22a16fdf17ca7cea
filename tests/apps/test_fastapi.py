"""An app in FastAPI, on every road: see tests/kits/apps."""

from __future__ import annotations

import pytest
from tests.kits.apps.cases import cases_of
from tests.kits.apps.claims import Case, Claim, three_chunks
from tests.kits.apps.frameworks import FRAMEWORKS, Framework
from tests.kits.apps.roads import CALLBACK, Road, Served

FRAMEWORK = "fastapi"


@pytest.mark.parametrize(("framework", "claim", "road"), cases_of(FRAMEWORK))
def test_app(served: Served, framework: Framework, claim: Claim, road: Road) -> None:
    claim(Case(served, framework, road))


def test_a_sync_generator_in_a_thread_streams(streamed: Case) -> None:
    three_chunks(streamed, "/sync-stream")


def test_whoever_asks_learns_that_the_client_has_left(served: Served) -> None:
    """The response has waited for the one `http.disconnect`, and `is_disconnected` is true."""
    case = Case(served, FRAMEWORKS[FRAMEWORK], CALLBACK)
    gate = served.chain.gate()
    with case.asked("/watched", query=f"gate={gate.port}") as reading:
        assert reading.head().status == 200
        assert reading.body(4) == b"one\n"
        assert gate.line() == "waiting"

    assert gate.line() == "closed: True"


def test_a_sync_generator_ends_after_its_next_chunk(served: Served) -> None:
    """It cannot be interrupted in its thread, and is closed when Python collects it."""
    case = Case(served, FRAMEWORKS[FRAMEWORK], CALLBACK)
    gate, noticed = served.chain.gate(), served.chain.gate()
    query = f"gate={gate.port}&noticed={noticed.port}"
    with case.asked("/sync-leaves", query=query) as reading:
        assert reading.head().status == 200
        assert reading.body(4) == b"one\n"
        assert gate.line() == "waiting"

    assert noticed.line() == "noticed"
    gate.open()

    assert gate.line() == "went on"
    assert case.answer("/collect").status == 204
    # It is collected together with its socket, either of them first.
    assert gate.line() in ("closed", "")
