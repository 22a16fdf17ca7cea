"""A worker's failure to start, as its parent hears of it."""

from __future__ import annotations

import contextlib
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
    """Tell the parent why this worker cannot start, and exit; the parent shows the reason.

    A mistake in the code is raised all the same: its traceback belongs into the log.
    """
    channel = os.dup(member.channel)  # its user closes it before the error arrives here
    try:
        yield
    except Exception as error:
        try:
            code, text = in_words(error, ["gateway"])
        except Exception:
            _report(channel, 1, f"{type(error).__name__}: {error}")
            raise
        _report(channel, code, text)
        sys.exit(code)
    finally:
        os.close(channel)


def _report(channel: int, code: int, text: str) -> None:
    message = {"is": "failed", "code": code, "text": text}
    with contextlib.suppress(OSError):  # the parent has ended
        os.write(channel, json.dumps(message).encode() + b"\n")
