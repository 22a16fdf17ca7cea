"""The limit of open files: raised as far as allowed, and never promised beyond."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tailrace import limits
from tailrace.net.descriptors import WANTED, held_max_within


@pytest.mark.parametrize("hard", [256, 4_096])
def test_the_soft_limit_becomes_the_hard_one(hard: int) -> None:
    code = f"""
import resource
from tailrace.net.descriptors import raise_descriptor_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (128, {hard}))
print(raise_descriptor_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert result.stdout.split() == [str(hard)] * 3


@pytest.mark.parametrize(
    ("descriptors", "held"),
    [
        (WANTED, limits.HELD_MAX),
        (WANTED * 10, limits.HELD_MAX),
        (WANTED - 2, limits.HELD_MAX - 1),
        (1_024, 312),
        (100, 1),
    ],
)
def test_each_held_response_takes_two(descriptors: int, held: int) -> None:
    assert held_max_within(descriptors) == held
