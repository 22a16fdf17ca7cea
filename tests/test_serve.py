"""What a gateway makes of the limits of its process."""

from __future__ import annotations

import subprocess
import sys


def test_a_gateway_holds_no_more_than_its_open_files_allow_and_says_so() -> None:
    code = """
import logging, resource
from tailrace.cli.serve import _held_max
logging.basicConfig(format="%(levelname)s %(message)s")
resource.setrlimit(resource.RLIMIT_NOFILE, (500, 1024))
print(_held_max(10_000), _held_max(100))
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert result.stdout.split() == ["312", "100"]
    assert result.stderr.startswith("WARNING the limit of 1024 open files is enough for 312 open")
    assert result.stderr.count("\n") == 1
