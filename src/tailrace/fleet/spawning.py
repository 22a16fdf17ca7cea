"""Starts a worker: the parent's own command line once more, with a membership."""

from __future__ import annotations

import os
import sys
import tempfile

from tailrace.fleet.membership import VARIABLE, Membership


def own_command() -> list[str]:
    """Return the command line that has started this process, for another one like it.

    The interpreter reads the program from disk again, so that new code is taken up.
    """
    return [sys.executable, *sys.orig_argv[1:]]


def spawn(command: list[str], member: Membership) -> int:
    """Start a worker with these descriptors and this process's environment; return its id.

    Raises:
        OSError: no process can be started.
    """
    with tempfile.TemporaryFile() as file:
        file.write(member.to_json())
        file.flush()
        file.seek(0)
        inherited = [*member.descriptors, file.fileno()]
        for number in inherited:
            os.set_inheritable(number, True)
        try:
            environ = {**os.environ, VARIABLE: str(file.fileno())}
            return os.posix_spawn(command[0], command, environ)
        finally:
            for number in inherited:
                os.set_inheritable(number, False)
