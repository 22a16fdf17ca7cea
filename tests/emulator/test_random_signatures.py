"""Random requests: signed as botocore signs them, accepted as they are, refused when changed."""

from __future__ import annotations

import pytest
from tests.emulator.signed_requests import compare


@pytest.mark.parametrize("seed", range(2, 7))
def test_signatures_agree_with_botocores_and_any_changed_byte_is_refused(seed: int) -> None:
    """`python -m tests.emulator.signed_requests 10000` compares more of them."""
    counts = compare(100, seed)

    assert counts["signed alike and accepted"] == 100
    assert counts["presigned and accepted"] > 0
    for place in ("method", "path", "query", "field", "body"):
        assert counts[f"refused: {place}"] > 0
