"""A worker's failure to start, as its parent hears of it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tailrace.cli.error_words import in_words

if TYPE_CHECKING:  # Windows has no fleet
    from tailrace.fleet.membership import Membership


@contextmanager
def reporting(member: Membership) -> Iterator[None]:
    """Tell the parent why this worker cannot start, and exit; the parent shows the reason."""
    try:
        yield
    except Exception as error:
        code, text = in_words(error, ["gateway"])
        message = {"is": "failed", "code": code, "text": text}
        os.write(member.channel, json.dumps(message).encode() + b"\n")
        sys.exit(code)
