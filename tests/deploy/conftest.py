"""What the tests of the infrastructure share: one synthesis per app and session."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.deploy.assembly import ROOT, Assembly, Template, synthesize

APPS = Path(__file__).parent / "apps"
EXAMPLE = ROOT / "examples" / "deploy" / "app.py"
NO_NETWORK = ("unshare", "--net")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's cache, in which the wheels of the gateway are kept."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def front(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Assembly:
    """A public load balancer, and all that can be set: see the app."""
    folder = tmp_path_factory.mktemp("front") / "cdk.out"
    return synthesize(APPS / "front.py", folder, cache=cache)


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory, cache: Path, front: Assembly) -> Assembly:
    """The app of the documentation, without a network: the wheels are in the cache by now."""
    folder = tmp_path_factory.mktemp("example") / "cdk.out"
    return synthesize(EXAMPLE, folder, cache=cache, prefix=NO_NETWORK)


@pytest.fixture(scope="session")
def lines(example: Assembly) -> Template:
    """The only template of that app."""
    return example.template("Lines")


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Assembly:
    """Network, functions and gateways, each as it is alone: see the app."""
    folder = tmp_path_factory.mktemp("parts") / "cdk.out"
    return synthesize(APPS / "parts.py", folder, cache=cache)


@pytest.fixture(scope="session")
def updates(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> dict[str, Template]:
    """The template of a stack, before and after each of two changes: see the app."""
    folder = tmp_path_factory.mktemp("updates") / "cdk.out"
    synthesize(APPS / "updates.py", folder, cache=cache)
    names = ("before", "other-code", "other-concurrency")
    return {name: Assembly(folder / name, "").template("Lines") for name in names}
