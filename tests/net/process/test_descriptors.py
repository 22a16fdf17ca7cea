"""The limit of open files: raised as far as allowed, and never promised beyond."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tailrace import limits
from tailrace.net.process.descriptors import WANTED, shares_of


@pytest.mark.parametrize("hard", [256, 4_096])
def test_the_soft_limit_becomes_the_hard_one(hard: int) -> None:
    code = f"""
import resource
from tailrace.net.process.descriptors import raise_descriptor_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (128, {hard}))
print(raise_descriptor_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert result.stdout.split() == [str(hard)] * 3


@pytest.mark.parametrize(
    ("descriptors", "held", "clients", "uploads"),
    [
        (WANTED, limits.HELD_MAX, 10_112, 2_528),
        (WANTED * 10, limits.HELD_MAX, limits.CONNECTIONS_MAX, 4_000),
        (WANTED - 2, limits.HELD_MAX - 1, 10_111, 2_527),
        (1_024, 312, 424, 106),
        (100, 1, 1, 1),
    ],
)
def test_each_held_response_takes_two(
    descriptors: int, held: int, clients: int, uploads: int
) -> None:
    shares = shares_of(descriptors)

    assert (shares.held, shares.clients, shares.uploads) == (held, clients, uploads)
    assert shares.callbacks == held + limits.CALLBACKS_SPARE


@pytest.mark.parametrize("descriptors", range(402, 40_000, 997))
def test_all_shares_together_are_no_more_than_there_is(descriptors: int) -> None:
    shares = shares_of(descriptors)
    invoking = limits.INVOKE_CONNECTIONS_MAX + limits.STREAM_CONNECTIONS_KEPT_MAX

    taken = shares.clients + shares.callbacks + invoking + limits.DESCRIPTORS_LEFT

    assert taken <= descriptors
    assert shares.held <= min(shares.clients, shares.callbacks)
