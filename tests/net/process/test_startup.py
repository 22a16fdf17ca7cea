"""Memory of reads is kept: `make bench` shows what it saves; here, that it can be asked for."""

from __future__ import annotations

import subprocess
import sys


def test_a_process_can_ask_to_keep_its_read_buffers() -> None:
    code = """
import resource
from tailrace.net.process.startup import keep_read_buffers
keep_read_buffers()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def pass_bodies(count):
    for _ in range(count):
        held = [bytes(256 * 1024) for _ in range(3)]
pass_bodies(20)
before = faults()
pass_bodies(200)
print(faults() - before)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    # Without it, each of the 600 buffers of 64 pages is fetched anew: over 30,000 faults.
    assert int(result.stdout) < 600


def test_a_process_is_set_up_with_all_descriptors_that_it_may_have() -> None:
    code = """
import resource
from tailrace.net.process.startup import set_up
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 256))
print(set_up(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert result.stdout.split() == ["256"] * 3
