"""The cases of kits/json_results.py are compared with AWS in test_runtime_results.py."""

from __future__ import annotations

import json
from collections import namedtuple
from decimal import Decimal
from typing import Any

import pytest
from tests.kits.json_results import cases, namespace

from tailrace.wire import result_json

Point = namedtuple("Point", "x y")
NAMES = namespace()


def value_of(case: str) -> Any:
    """The value of a case; an object, which no JSON has, for a case that raises."""
    try:
        return eval(case, NAMES)
    except Exception:
        return object()


def is_pythons(value: Any) -> bool:
    """Whether Python's own encoder writes a value as AWS's does."""
    try:
        json.dumps(value)
    except Exception:
        return False
    return not result_json._holds_record(value)


@pytest.mark.parametrize("is_ascii", [True, False])
def test_the_writer_says_what_pythons_own_encoder_says(is_ascii: bool) -> None:
    """Each value goes one way or the other, and none may show which."""
    values = [value for value in map(value_of, cases()) if is_pythons(value)]
    assert len(values) > 50

    for value in values:
        writer = result_json._Writer(is_ascii=is_ascii, allows_nan=True, separators=(", ", ": "))
        writer.write(value)
        assert "".join(writer.pieces) == json.dumps(value, ensure_ascii=is_ascii)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1, {"a": (2, "ö")}], '[1,{"a":[2,"ö"]}]'),
        ([Point(1, {"ö": [2]}), Decimal("1.50")], '[{"x":1,"y":{"ö":[2]}},1.50]'),
    ],
)
def test_minified_both_ways(value: Any, text: str) -> None:
    assert result_json.encode(value, is_ascii=False, is_minified=True) == text


@pytest.mark.parametrize(
    "number", [float("nan"), float("-inf"), Decimal("NaN"), Decimal("-Infinity")]
)
def test_what_is_no_number_can_be_refused(number: Any) -> None:
    for value in (number, [Point(number, 1)]):
        with pytest.raises(ValueError, match="Out of range float values are not JSON compliant"):
            result_json.encode(value, is_ascii=True, allows_nan=False)


def test_a_value_that_appears_twice_is_no_cycle() -> None:
    inner = [Point(1, 2)]

    assert json.loads(result_json.encode([inner, inner], is_ascii=True)) == [[{"x": 1, "y": 2}]] * 2


def test_the_class_of_a_record_has_no_fields() -> None:
    """Its `_asdict` lacks an object. AWS's runtime cannot write a class either."""
    assert result_json.fields_of_record(Point) is None
    with pytest.raises(TypeError, match="Object of type type is not JSON serializable"):
        result_json.encode([Point], is_ascii=True)
