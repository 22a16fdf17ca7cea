"""Named tuples without `typing` are those of `typing`."""

from __future__ import annotations

import pickle
import typing

import pytest

from tailrace.records import NamedTuple


class Ours(NamedTuple):
    """A record."""

    name: str
    count: int = 3
    """How many."""

    def doubled(self) -> int:
        """A method."""
        return self.count * 2


class Theirs(typing.NamedTuple):
    """A record."""

    name: str
    count: int = 3

    def doubled(self) -> int:
        """A method."""
        return self.count * 2


def test_a_record_is_a_named_tuple() -> None:
    ours, theirs = Ours("x"), Theirs("x")

    assert ours == theirs == ("x", 3)
    assert repr(ours) == repr(theirs).replace("Theirs", "Ours")
    assert ours._fields == theirs._fields
    assert ours._replace(count=4) == ("x", 4)
    assert ours.doubled() == 6
    assert (Ours.__doc__, Ours.__qualname__, Ours.__module__) == ("A record.", "Ours", __name__)
    assert isinstance(ours, Ours)
    assert pickle.loads(pickle.dumps(ours)) == ours
    assert not hasattr(ours, "__dict__")


def test_a_record_wants_its_fields() -> None:
    with pytest.raises(TypeError, match="name"):
        Ours()  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        Ours("x").name = "y"  # type: ignore[misc]
