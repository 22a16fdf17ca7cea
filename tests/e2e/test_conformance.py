"""Every shape of a handler on every path: see tests/kits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path as Directory
from typing import Any

import pytest
from tests.kits.conformance import check
from tests.kits.differences import DIFFERENCES
from tests.kits.paths import PATHS, Callers, Conversation, Path, serving_shapes
from tests.kits.seen import COMPLETE
from tests.kits.shapes import ERROR, SHAPES, Shape

SOURCE = Directory(__file__).parents[1] / "kits" / "app.py"


@pytest.fixture(scope="module")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callers]:
    with serving_shapes(tmp_path_factory.mktemp("shapes"), SOURCE.read_text()) as callers:
        yield callers


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_handler_is_the_same_on_every_path(callers: Callers, shape: Shape, path: Path) -> None:
    check(callers, path, shape)


class Spoiled:
    """A conversation in which one thing goes wrong."""

    def __init__(self, conversation: Conversation, **wrong: Callable[[Any], Any]) -> None:
        self._conversation = conversation
        self._wrong = wrong

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._conversation, name)
        if name not in self._wrong:
            return value
        wrong = self._wrong[name]
        return (lambda *given: wrong(value(*given))) if callable(value) else wrong(value)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("many_chunks", {"end": lambda end: end._replace(rest=end.rest[:-1])}),
        ("many_cookies", {"head": lambda head: head._replace(cookies=head.cookies[::-1])}),
        ("repeated_headers", {"head": lambda head: head._replace(headers=head.headers[1:])}),
        ("head_only", {"head": lambda head: head._replace(status=200)}),
        ("fails_late", {"end": lambda end: end._replace(ending=COMPLETE)}),
        ("fails_at_once", {"end": lambda end: end._replace(rest=ERROR.encode())}),
        ("sync_generator", {"has_more": lambda more: True}),
    ],
)
def test_the_kit_notices(callers: Callers, name: str, wrong: dict[str, Any]) -> None:
    (shape,) = (shape for shape in SHAPES if shape.name == name)
    path = PATHS[0]
    spoiled = path._replace(ask=lambda *given: Spoiled(path.ask(*given), **wrong))

    with pytest.raises(AssertionError):
        check(callers, spoiled, shape)

    callers.chain.settle()


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
