"""An app in Django under WSGI, on every road: see tests/kits/apps."""

from __future__ import annotations

import gzip

import pytest
from tests.kits.apps.cases import cases_of
from tests.kits.apps.claims import Case, Claim
from tests.kits.apps.frameworks import Framework
from tests.kits.apps.roads import Road, Served
from tests.kits.seen import COMPLETE

FRAMEWORK = "django-wsgi"


@pytest.mark.parametrize(("framework", "claim", "road"), cases_of(FRAMEWORK))
def test_app(served: Served, framework: Framework, claim: Claim, road: Road) -> None:
    claim(Case(served, framework, road))


def test_a_compressed_sync_stream_is_held_back(streamed: Case) -> None:
    """By the compressor of Django's own middleware, which it does not flush."""
    gate = streamed.served.chain.gate()
    asks = {"query": f"gate={gate.port}", "headers": (("accept-encoding", "gzip"),)}
    with streamed.asked("/stream", **asks) as reading:
        gate.open()
        gate.open()
        assert reading.head().get("content-encoding") == "gzip"
        ending = reading.end()
    assert ending.ending == COMPLETE
    assert gzip.decompress(ending.rest) == b"one\ntwo\nthree"
