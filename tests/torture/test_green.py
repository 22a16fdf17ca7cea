"""The short form of the deploys under load: `make torture` does ten, with more streams.

The gateway is deregistered first; in e2e/test_blue_green.py it drains first.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.torture.green import deploys
from tests.torture.load import Mix

pytestmark = pytest.mark.timeout(300)  # many starts of processes, on a busy machine
FEW = Mix(streams=40, rate=20, quick=6, slow=0, stream_s=(1.0, 3.0))


def test_a_new_version_loses_nothing_and_has_all_new_requests(tmp_path: Path) -> None:
    result = deploys(tmp_path, 1, FEW)

    tally = result.load.tally
    assert tally.lost == dict.fromkeys(tally.lost, 0), result.load.failed
    assert result.load.ends == {"whole": tally.requests}
    assert result.load.surprises == []
    assert result.versions.strangers == []
    assert set(result.versions.answered) == {"1", "2"}
    assert min(result.streams) > 0
