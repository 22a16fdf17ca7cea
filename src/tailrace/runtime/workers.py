"""Concurrent invocations in one environment: one process for each, which gets its own events.

AWS's Python runtime client (awslambdaric 4.2.2) serves Lambda managed instances in the same way. A
worker that has ended is not replaced, there as here; the environment ends with its last one.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Mapping
from types import FrameType
from typing import Final

_OUTPUT_SOCKET: Final = "_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET"


def fork_workers(count: int) -> int | None:
    """Fork; return None in each worker, in the parent the exit code when all have ended.

    The parent passes SIGTERM and SIGINT on. Its code is the first of theirs that is not 0.
    """
    workers: list[int] = []

    def pass_on(signum: int, frame: FrameType | None) -> None:
        for worker in workers:
            try:
                os.kill(worker, signum)
            except ProcessLookupError:
                pass  # it has ended this moment

    signals = (signal.SIGTERM, signal.SIGINT)
    # Signals stay blocked until all workers are recorded and have their own handlers.
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    defaults = [signal.signal(signum, pass_on) for signum in signals]
    for _ in range(count):
        worker = os.fork()
        if worker == 0:
            for signum, default in zip(signals, defaults, strict=True):
                signal.signal(signum, default)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
            return None
        workers.append(worker)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    code = 0
    while workers:
        ended, status = os.wait()
        if ended in workers:  # not what an entry point had started before it became this process
            workers.remove(ended)
            code = code or _exit_code(status)
    return code


def redirect_output(environment: Mapping[str, str]) -> None:
    """Give a worker a separate output, if the platform provides one."""
    path = environment.get(_OUTPUT_SOCKET)
    if not path:
        return
    for descriptor in (1, 2):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as provider:
            provider.connect(path)
            os.dup2(provider.fileno(), descriptor)


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
