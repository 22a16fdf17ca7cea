"""Bounds of what a gateway finds out about its surroundings: see `tailrace.limits`."""

from __future__ import annotations

from typing import Final

# --- the gateway's surroundings ----------------------------------------------------------------

METADATA_TIMEOUT_S: Final = 1.0
"""How long the metadata service of a machine may take to answer (botocore's default). Where there
is none, `--advertise auto` waits so long for it, twice."""
METADATA_TOKEN_S: Final = 300
"""The validity of a token for that service, which is asked again and again with
`--lifecycle-hook`."""
AUTO_SCALING_TIMEOUT_S: Final = 5.0
"""How long the Auto Scaling API may take for an answer: the shortest heartbeat time-out of a hook,
30 s, has room for some attempts."""
CHECKS_MAX: Final = 8
"""Functions and URLs that `tailrace gateway --check` asks about at a time."""
CHECK_ANSWER_BYTES_MAX: Final = 16 * 1024
"""What `--check` reads of an answer from the advertised address."""
CHECK_BODY_TIMEOUT_S: Final = 1.0
"""How long `--check` waits for the end of that answer's body: a proxy's may have none."""
