"""`python -m bench.counted …`: the `tailrace` command, with marks for callgrind.

At SIGUSR1 it calls a C function that nothing else calls. Callgrind writes what it has counted
before each call of that function, and starts again at zero.
"""

from __future__ import annotations

import ctypes
import signal
from typing import Final

MARK: Final = "lcong48"
"""The C function; see `--dump-before` in callgrind's manual."""


def main() -> None:
    """Run the command, and make a mark at each SIGUSR1."""
    from tailrace.cli import main as tailrace

    mark = ctypes.CDLL(None)[MARK]
    signal.signal(signal.SIGUSR1, lambda number, frame: mark(ctypes.create_string_buffer(16)))
    tailrace()


if __name__ == "__main__":
    main()
