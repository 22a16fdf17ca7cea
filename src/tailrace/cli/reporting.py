"""A worker's failure to start, as its parent is told of it."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tailrace.cli.error_words import error_in_words

if TYPE_CHECKING:  # Windows has no fleet
    from tailrace.fleet.membership import Membership


@contextmanager
def reporting(member: Membership) -> Iterator[None]:
    """Tell the parent why this worker cannot start, and exit; the parent shows the reason.

    Of a mistake in the code the log gets the traceback, too.
    """
    channel = os.dup(member.channel)  # its user closes it before the error arrives here
    try:
        yield
    except Exception as error:
        try:
            code, text = error_in_words(error, ["gateway"])
        except Exception:
            traceback.print_exc()  # first: the parent ends a worker that has failed at once
            _report(channel, 1, f"{type(error).__name__}: {error}")
            sys.exit(1)
        _report(channel, code, text)
        sys.exit(code)
    finally:
        os.close(channel)


def _report(channel: int, code: int, text: str) -> None:
    message = {"is": "failed", "code": code, "text": text}
    with contextlib.suppress(OSError):  # the parent has ended
        os.write(channel, json.dumps(message).encode() + b"\n")
