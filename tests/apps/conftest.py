"""What the tests of the apps have in common: one served app in a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.kits.apps.cases import roads_of
from tests.kits.apps.claims import Case
from tests.kits.apps.frameworks import FRAMEWORKS
from tests.kits.apps.roads import SERVER, STREAMED, Served
from tests.kits.apps.serving import serving_app


@pytest.fixture(scope="module")
def serving(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """The app of the module's FRAMEWORK on every road."""
    framework = FRAMEWORKS[request.module.FRAMEWORK]
    directory = tmp_path_factory.mktemp(framework.name)
    with_server = SERVER in roads_of(framework)
    with serving_app(directory, framework, with_server=with_server) as served:
        yield served


@pytest.fixture
def served(serving: Served) -> Iterator[Served]:
    """The served app; everything has come to rest when a test ends."""
    before = len(serving.chain.output)
    yield serving
    print(serving.chain.output[before:])  # pytest shows it if the test has failed
    serving.chain.settle()


@pytest.fixture(params=STREAMED, ids=lambda road: road.name)
def streamed(request: pytest.FixtureRequest, served: Served) -> Case:
    """The module's app on each road over HTTP that streams."""
    return Case(served, FRAMEWORKS[request.module.FRAMEWORK], request.param)
