"""An app in Litestar, on every road: see tests/kits/apps."""

from __future__ import annotations

import pytest
from tests.kits.apps.cases import cases_of
from tests.kits.apps.claims import Case, Claim
from tests.kits.apps.frameworks import Framework
from tests.kits.apps.roads import Road, Served

FRAMEWORK = "litestar"


@pytest.mark.parametrize(("framework", "claim", "road"), cases_of(FRAMEWORK))
def test_app(served: Served, framework: Framework, claim: Claim, road: Road) -> None:
    claim(Case(served, framework, road))
