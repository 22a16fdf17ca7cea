"""Starts the parent's own command line once more: as a worker, as a trial, or in its own place."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NoReturn

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
    return spawn_with(command, VARIABLE, member.to_json(), member.descriptors)


def spawn_with(
    command: list[str], variable: str, document: bytes, descriptors: Iterable[int]
) -> int:
    """Start a process that finds a document in the descriptor that a variable names.

    Raises:
        OSError: no process can be started.
    """
    with _passed(document, descriptors) as number:
        environ = {**os.environ, variable: str(number)}
        # Signals that the parent has blocked for a moment are none of the new process's business.
        return os.posix_spawn(command[0], command, environ, setsigmask=())


def become(
    command: list[str], variable: str, document: bytes, descriptors: Iterable[int]
) -> NoReturn:
    """Run a command in this process, whose descriptors but these are closed.

    Raises:
        OSError: it cannot be run; then nothing has changed.
    """
    with _passed(document, descriptors) as number:
        os.execve(command[0], command, {**os.environ, variable: str(number)})


@contextmanager
def _passed(document: bytes, descriptors: Iterable[int]) -> Iterator[int]:
    """Let processes that start inherit descriptors, and one more that has the document."""
    with tempfile.TemporaryFile() as file:
        file.write(document)
        file.flush()
        file.seek(0)
        inherited = [*descriptors, file.fileno()]
        for number in inherited:
            os.set_inheritable(number, True)
        try:
            yield file.fileno()
        finally:
            for number in inherited:
                os.set_inheritable(number, False)
