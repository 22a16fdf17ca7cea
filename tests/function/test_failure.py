"""The log's entry of a failure: what has led to an exception is in it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tailrace.function.failure import describe, failure_text
from tailrace.limits import FAILURE_CAUSES_MAX

SECRET = "http://gateway.test/00000000-0000-0000-0000-000000000000/" + 32 * "a"


def entry_of(function: Callable[[], None]) -> str:
    """The entry of what a function raises."""
    with pytest.raises(BaseException) as caught:
        function()
    return failure_text(describe(caught.value), "id")


def refuse() -> None:
    raise ValueError(f"no luck at {SECRET}")


def refuse_otherwise() -> None:
    """As frameworks do it: the app's exception is a cause."""
    try:
        refuse()
    except ValueError as error:
        raise RuntimeError("it failed") from error


def fail_instead() -> None:
    try:
        refuse()
    except ValueError:
        raise KeyError("another") from None


def fail_twice() -> None:
    try:
        refuse()
    except ValueError:
        {}["missing"]


def fail_in_group() -> None:
    """As task groups do it."""
    errors = []
    for function in (refuse, fail_twice):
        try:
            function()
        except Exception as error:
            errors.append(error)
    raise ExceptionGroup("unhandled errors in a TaskGroup", errors)


def test_a_cause_is_in_the_entry_with_its_frames() -> None:
    lines = entry_of(refuse_otherwise).splitlines()

    assert lines[0] == "[ERROR] RuntimeError: it failed"
    (at,) = [number for number, line in enumerate(lines) if line.startswith("Caused by")]
    assert lines[at].startswith("Caused by ValueError: no luck at ")
    assert "refuse_otherwise" in "".join(lines[:at])
    assert lines[-2].endswith(", in refuse")


def test_the_members_of_a_group_are_in_the_entry() -> None:
    entry = entry_of(fail_in_group)

    assert "\nContains ValueError: no luck" in entry
    assert "\nContains KeyError: 'missing'" in entry
    assert "\nRaised while handling ValueError: no luck" in entry


def test_what_an_exception_replaces_on_purpose_is_left_out() -> None:
    assert "ValueError" not in entry_of(fail_instead)


@pytest.mark.parametrize("function", [refuse, refuse_otherwise, fail_in_group])
def test_no_secret_is_in_the_entry(function: Callable[[], None]) -> None:
    assert 32 * "a" not in entry_of(function)


def test_a_circle_of_causes_ends() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first

    assert failure_text(describe(first), "id").splitlines() == [
        "[ERROR] ValueError: first",
        "Caused by ValueError: second",
    ]


def test_a_long_chain_is_bounded() -> None:
    error: BaseException = ValueError("0")
    for number in range(1, 100):
        wrapping = ValueError(str(number))
        wrapping.__cause__ = error
        error = wrapping

    assert failure_text(describe(error), "id").count("Caused by") == FAILURE_CAUSES_MAX


def test_a_json_entry_has_the_causes_behind_the_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_LOG_FORMAT", "JSON")

    entry = json.loads(entry_of(refuse_otherwise))

    assert entry["errorType"] == "RuntimeError"
    assert any(line.startswith("Caused by ValueError") for line in entry["stackTrace"])
