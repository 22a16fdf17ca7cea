"""Policies are values: checked when they are made, and never changed."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from tailrace.function import FLUSH, FlushPolicy
from tailrace.function.flush.policy import policy_from
from tailrace.limits import FLUSH_PAD_BYTES, FLUSH_PAD_BYTES_MAX, FLUSH_QUIET_S


def test_a_policy_is_explicit_and_pads_what_was_measured() -> None:
    policy = FlushPolicy()

    assert (policy.when, policy.pads_text) == ("explicit", False)
    assert (policy.pad_bytes, policy.quiet_s) == (FLUSH_PAD_BYTES, FLUSH_QUIET_S)
    assert repr(policy) == (
        "FlushPolicy(when='explicit', pad_bytes=100000, quiet_s=0.05, pads_text=False)"
    )


def test_equal_policies_are_equal_also_after_a_copy() -> None:
    policy = FlushPolicy("adaptive", quiet_s=1)

    assert policy == FlushPolicy("adaptive", quiet_s=1.0) != FlushPolicy("adaptive")
    assert pickle.loads(pickle.dumps(policy)) == copy.deepcopy(policy) == policy
    assert len({policy, copy.copy(policy)}) == 1
    assert policy != "adaptive"


def test_a_policy_does_not_change() -> None:
    policy = FlushPolicy()

    with pytest.raises(AttributeError, match="cannot set when"):
        policy.when = "adaptive"
    with pytest.raises(AttributeError, match="cannot delete when"):
        del policy.when


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"when": "often"}, ValueError, 'when is "explicit", "every-write", "adaptive", not'),
        ({"when": None}, ValueError, "not None"),
        ({"pad_bytes": 0}, ValueError, f"pad_bytes is from 1 to {FLUSH_PAD_BYTES_MAX}, not 0"),
        ({"pad_bytes": FLUSH_PAD_BYTES_MAX + 1}, ValueError, "pad_bytes is from 1"),
        ({"pad_bytes": 1.5}, TypeError, "pad_bytes is a whole number, not 1.5"),
        ({"pad_bytes": True}, TypeError, "pad_bytes is a whole number, not True"),
        ({"quiet_s": 0}, ValueError, "quiet_s is above 0 and up to 900 seconds, not 0"),
        ({"quiet_s": float("nan")}, ValueError, "not nan"),
        ({"quiet_s": 901}, ValueError, "not 901"),
        ({"quiet_s": "1"}, TypeError, "quiet_s is a number of seconds, not '1'"),
        ({"pads_text": 1}, TypeError, "pads_text is True or False, not 1"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        FlushPolicy(**options)


def test_a_name_stands_for_its_policy() -> None:
    policy = FlushPolicy("adaptive", quiet_s=1)

    assert policy_from("every-write") == FlushPolicy("every-write")
    assert policy_from(policy) is policy
    for value in ("often", 1, None):
        with pytest.raises(TypeError, match=r"flush is .* or a FlushPolicy, not"):
            policy_from(value)


def test_there_is_one_flush() -> None:
    """It is known by its identity."""
    assert copy.deepcopy(FLUSH) is pickle.loads(pickle.dumps(FLUSH)) is FLUSH
    assert repr(FLUSH) == "FLUSH"
