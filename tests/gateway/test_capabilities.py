"""New capabilities are random and differ, in a forked process as well."""

from __future__ import annotations

import os

from tailrace.gateway.exchange.capabilities import new_capability
from tailrace.limits import CAPABILITIES_MADE
from tailrace.wire.capability import parse_path


def test_capabilities_differ_over_several_reads_of_random_bytes() -> None:
    made = [new_capability() for _ in range(3 * CAPABILITIES_MADE)]

    assert (
        len({each.exchange_id for each in made}) == len({each.secret for each in made}) == len(made)
    )
    assert all(parse_path(f"/{each.exchange_id}/{each.secret}") == each for each in made)


def test_a_forked_process_makes_others() -> None:
    """Both have the bytes that were read before the fork, if these are not discarded."""
    new_capability()
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(theirs, b"".join(new_capability().secret.encode() for _ in range(8)))
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        forked = pipe.read().decode()
    os.waitpid(child, 0)

    made = [new_capability().secret for _ in range(CAPABILITIES_MADE)]

    assert len(forked) == 8 * 32
    assert not any(secret in forked for secret in made)
