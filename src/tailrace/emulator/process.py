"""One function process: a process group of its own, and one pipe for all it prints.

Concurrency law: everything runs on one event loop. `on_output` and `on_exit` are called by it,
`on_exit` exactly once and last: after it nothing of the group runs and the pipe is closed.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tailrace import limits
from tailrace.net.tasks import TaskSet

_READ_BYTES = 64 * limits.KIB


class FunctionProcess:
    """A running program whose whole process group ends with it.

    A descendant that leaves the group on purpose (setsid) is not followed.
    """

    def __init__(self, on_output: Callable[[bytes], None], on_exit: Callable[[int], None]) -> None:
        self._on_output = on_output
        self._on_exit = on_exit
        self._tasks = TaskSet()
        self._exited = asyncio.Event()
        self._drained = asyncio.Event()
        self._pipe = -1
        self.pid = 0

    async def start(
        self, arguments: Sequence[str], *, path: Path, variables: Mapping[str, str]
    ) -> None:
        """Start the program with `path` as its working directory.

        Standard error goes into the same pipe as standard output, so that the order of lines is
        kept, as in a CloudWatch log stream.

        Raises:
            OSError: the program or the directory cannot be used; nothing is left behind.
        """
        reading, writing = os.pipe()
        try:
            os.set_blocking(reading, False)
            process = await asyncio.create_subprocess_exec(
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=asyncio.subprocess.STDOUT,
                cwd=path,
                env=variables,
                start_new_session=True,
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self._pipe = reading
        self.pid = process.pid
        asyncio.get_running_loop().add_reader(reading, self.read_output)
        self._tasks.spawn(self._watch(process), f"process {self.pid}")

    @property
    def has_ended(self) -> bool:
        """Whether the end has been told; nothing of the process group is left then."""
        return self._exited.is_set()

    @property
    def is_alive(self) -> bool:
        """Whether the process runs, also when its end has not been told yet."""
        if self._exited.is_set():
            return False
        try:
            flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
            return os.waitid(os.P_PID, self.pid, flags) is None
        except ChildProcessError:  # reaped, and about to be told
            return False

    def read_output(self) -> None:
        """Take what the process has printed so far; called as it comes, and before log lines."""
        if self._pipe < 0:
            return
        for _ in range(limits.OUTPUT_BYTES_PER_TURN_MAX // _READ_BYTES):
            try:
                data = os.read(self._pipe, _READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                self._close_pipe()
                return
            self._on_output(data)

    def memory_peak_mb(self) -> int | None:
        """The process's peak of resident memory; None where the kernel does not tell."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return None
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                return -(-int(line.split()[1]) // 1024)
        return None

    def freeze(self) -> None:
        """Stop the process group where it is; it can be ended in that state."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on; nothing happens to one that runs."""
        self._signal(signal.SIGCONT)

    async def wait_exit(self, timeout_s: float) -> bool:
        """Wait until it has ended by itself; False when the time was over first."""
        try:
            async with asyncio.timeout(timeout_s):  # wait_for can lose a cancellation
                await self._exited.wait()
        except TimeoutError:
            return False
        return True

    async def kill(self) -> None:
        """End the process group at once, and wait for it."""
        self._signal(signal.SIGKILL)
        await self._exited.wait()

    async def terminate(self, grace_s: float) -> None:
        """Ask the process group to end, end it after `grace_s`, and wait for it."""
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)  # a frozen one could not take it in
        if not await self.wait_exit(grace_s):
            await self.kill()

    def _signal(self, number: signal.Signals) -> None:
        if not self._exited.is_set():
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:  # all of it has just ended
                pass

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        status = await process.wait()
        self._signal(signal.SIGKILL)  # what the process has started and left behind
        self.read_output()
        try:
            async with asyncio.timeout(limits.OUTPUT_TIMEOUT_S):
                await self._drained.wait()
        except TimeoutError:
            self._close_pipe()
        self._exited.set()
        self._on_exit(status)

    def _close_pipe(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pipe)
        os.close(self._pipe)
        self._pipe = -1
        self._drained.set()
