"""A process that runs the helper's file as Lambda does: one event a line, in its main thread.

Arguments: the file, and whole seconds of the function's time-out. Prints what is logged, and after
each event a line that says how the handler returned.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import sys
import time
import traceback


class Context:
    """What the helper reads of Lambda's context."""

    def __init__(self, timeout_s: float) -> None:
        self._end_s = time.monotonic() + timeout_s

    def get_remaining_time_in_millis(self) -> int:
        """As Lambda's."""
        return round(1000 * (self._end_s - time.monotonic()))


def main() -> None:
    """Serve events until the input ends."""
    logging.basicConfig(stream=sys.stdout)  # Lambda's runtime has a handler, too
    spec = importlib.util.spec_from_file_location("index", sys.argv[1])
    assert spec is not None and spec.loader is not None
    index = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(index)
    index.POLL_S = index.PAUSE_S = 0.01
    for line in sys.stdin:
        event, timeout_s = json.loads(line)
        try:
            index.handler(event, Context(timeout_s))
        except Exception:
            traceback.print_exc(file=sys.stdout)
            print("RAISED", flush=True)
        else:
            print("RETURNED", flush=True)


if __name__ == "__main__":
    main()
