"""Every shape of a handler on every path: see tests/kits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as Directory

import pytest
from tests.kits.conformance import check
from tests.kits.differences import DIFFERENCES
from tests.kits.paths import PATHS, Callers, Path, serving_shapes
from tests.kits.shapes import SHAPES, Shape

SOURCE = Directory(__file__).parents[1] / "kits" / "app.py"


@pytest.fixture(scope="module")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callers]:
    with serving_shapes(tmp_path_factory.mktemp("shapes"), SOURCE.read_text()) as callers:
        yield callers


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_handler_is_the_same_on_every_path(callers: Callers, shape: Shape, path: Path) -> None:
    check(callers, path, shape)


def test_every_difference_is_one() -> None:
    """None is left over when a path has changed; each has a reason and a source."""
    shapes = {shape.name: shape for shape in SHAPES}
    for difference in DIFFERENCES:
        assert difference.reason and difference.source, difference.name
        assert set(difference.paths) <= {path.name for path in PATHS}, difference.name
        for name in difference.shapes:
            seen = shapes[name].seen
            assert seen._replace(**difference.gives) != seen, (difference.name, name)


def test_every_handler_of_the_source_is_a_shape() -> None:
    text = SOURCE.read_text()

    assert text.count("\n@streamify_response\n") == len(SHAPES)
    assert all(f"def {shape.name}(" in text for shape in SHAPES)
