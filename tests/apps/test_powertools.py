"""Powertools' resolvers in a handler that streams, on every road: see tests/kits/apps."""

from __future__ import annotations

import pytest
from tests.kits.apps.cases import cases_of
from tests.kits.apps.claims import Case, Claim, fails_before_the_head
from tests.kits.apps.frameworks import FRAMEWORKS, Framework
from tests.kits.apps.roads import CALLBACK, Road, Served

FRAMEWORK = "powertools"


@pytest.mark.parametrize(("framework", "claim", "road"), cases_of(FRAMEWORK))
def test_app(served: Served, framework: Framework, claim: Claim, road: Road) -> None:
    claim(Case(served, framework, road))


def test_what_a_route_raises_is_a_complete_500(served: Served) -> None:
    """By callback; elsewhere the invocation fails, as on AWS."""
    fails_before_the_head(Case(served, FRAMEWORKS[FRAMEWORK], CALLBACK))
