"""A worker that cannot start: what the command prints."""

from __future__ import annotations

import subprocess
import sys

from tests.command import PATIENCE_S, environ_of


def test_a_worker_without_credentials_says_so_and_nothing_else() -> None:
    """They are looked for when the worker listens to its parent already."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tailrace", "gateway", "--function", "f", "--workers", "2"),
            *("--listen", "127.0.0.1:0", "--callback-listen", "127.0.0.1:0"),
            *("--admin-listen", "off"),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env=environ_of({"AWS_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true"}),
        check=False,
    )

    assert done.returncode == 2
    assert "the parent has ended" not in done.stderr
    assert done.stderr.splitlines()[-1] == (
        "tailrace: no AWS credentials: set AWS_PROFILE or AWS_ACCESS_KEY_ID, or use a machine role"
    )
