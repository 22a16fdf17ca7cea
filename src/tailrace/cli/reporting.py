"""A worker's failure to start, as its parent hears of it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tailrace.errors import ConfigError

if TYPE_CHECKING:  # Windows has no fleet
    from tailrace.fleet.membership import Membership


@contextmanager
def reporting(member: Membership) -> Iterator[None]:
    """Tell the parent why this worker cannot start, and exit; the parent shows the reason."""
    try:
        yield
    except ConfigError as error:
        _report(member, 2, str(error))
    except OSError as error:
        _report(member, 1, str(error))


def _report(member: Membership, code: int, text: str) -> None:
    message = {"is": "failed", "code": code, "text": text}
    os.write(member.channel, json.dumps(message).encode() + b"\n")
    sys.exit(code)
