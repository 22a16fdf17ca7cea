"""Starts the parent's own command line once more: as a worker, as a trial, or in its own place."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

from tailrace.fleet.membership import VARIABLE, Membership
from tailrace.net.process.descriptors import unnamed_file

START_SIGNALS: Final = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGTTIN,
    signal.SIGTTOU,
)
"""Those that a new process is started with blocked. A terminal, `pkill` or a supervisor sends them
to all processes, and it could neither ignore nor handle them yet: it would end or stop."""


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
        return os.posix_spawn(command[0], command, environ, setsigmask=START_SIGNALS)


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
    with os.fdopen(unnamed_file("tailrace-document"), "wb+") as file:
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
