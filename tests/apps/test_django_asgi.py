"""An app in Django under ASGI, on every road: see tests/kits/apps."""

from __future__ import annotations

import pytest
from tests.kits.apps.cases import cases_of
from tests.kits.apps.claims import Case, Claim, three_compressed_chunks
from tests.kits.apps.frameworks import Framework
from tests.kits.apps.roads import Road, Served
from tests.kits.seen import COMPLETE, Ending

FRAMEWORK = "django-asgi"


@pytest.mark.parametrize(("framework", "claim", "road"), cases_of(FRAMEWORK))
def test_app(served: Served, framework: Framework, claim: Claim, road: Road) -> None:
    claim(Case(served, framework, road))


def test_a_sync_iterator_is_read_as_a_whole_first(streamed: Case) -> None:
    """By Django itself, under any server; it warns. An async one streams."""
    chain = streamed.served.chain
    gate = chain.gate()
    with streamed.asked("/sync-stream", query=f"gate={gate.port}") as reading:
        assert reading.head().status == 201
        gate.open()
        assert not reading.has_more
        gate.open()
        assert reading.end() == Ending(b"one\ntwo\nthree", COMPLETE)

    # A warning of Python, once in a process.
    assert "StreamingHttpResponse must consume synchronous iterators" in chain.output


def test_an_async_stream_is_compressed_chunk_by_chunk(streamed: Case) -> None:
    three_compressed_chunks(streamed)
