"""How a parent becomes its new code: the same process, with its sockets and its workers.

The process executes its own command line again. Its state is a JSON document in a descriptor that
the variable TAILRACE_PARENT names, and all descriptors that the document names stay open. Before
that, a child process tries whether the new code starts and can read the state.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, NoReturn

from tailrace.errors import ConfigError
from tailrace.fleet.spawning import START_SIGNALS, become, spawn_with
from tailrace.fleet.worker import StartFailedError, end_in_words
from tailrace.net.process import limits

VARIABLE: Final = "TAILRACE_PARENT"
VERSION: Final = 1
"""Of the format. Code that reads another one refuses it, and the parent that runs goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerState:
    """A worker, as `Worker` has it."""

    pid: int
    slot: int
    generation: int
    callback_port: int
    channel: int | None
    """A descriptor; None if it has ended."""
    received: str
    facts: dict[str, Any]
    is_leaving: bool
    wants_to_leave: bool
    leaves_by_s: float | None
    ends: int
    started_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentState:
    """A parent. The numbers of `public`, `board` and `kept` are descriptors."""

    version: int = VERSION
    is_trial: bool = False
    """Whether the process shall read this, and end."""
    public: list[int]
    is_given: bool
    """Whether another process holds the public sockets, too."""
    board: int
    kept: list[int]
    """The sockets of the admin listener."""
    generation: int
    config_text: str | None
    callback_ports: tuple[int, int]
    wanted: int
    wanted_more: int
    wants_reload: bool
    notify_address: str | None
    watchdog_s: float | None
    workers: list[WorkerState]
    advertise: str | None = None
    """What `--advertise` stands for; it was found once, if the option says `auto`."""
    advertise_source: str | None = None
    due: dict[str, int] | None = None
    """Counts that metrics have not reported, as `CountsDue.kept` has them; None of older code."""

    @property
    def descriptors(self) -> list[int]:
        """All that stay open."""
        channels = [each.channel for each in self.workers if each.channel is not None]
        return [*self.public, self.board, *self.kept, *channels]

    def to_json(self) -> bytes:
        """Return the document as bytes."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> ParentState:
        """Read a document.

        Raises:
            ConfigError: it has another format.
        """
        document: dict[str, Any] = json.loads(text)
        version = document.get("version")
        if version != VERSION:
            problem = f"the running parent's state has format {version}, and this code reads"
            raise ConfigError(f"{problem} {VERSION}; start the gateway anew", where=VARIABLE)
        document["workers"] = [WorkerState(**each) for each in document["workers"]]
        document["callback_ports"] = tuple(document["callback_ports"])
        return cls(**document)


def state_from(environ: MutableMapping[str, str]) -> ParentState | None:
    """Return what this process was before, and remove the variable; None at a first start.

    Raises:
        ConfigError: it has another format.
    """
    number = environ.pop(VARIABLE, None)
    if number is None:
        return None
    with os.fdopen(int(number), "rb") as file:
        state = ParentState.from_json(file.read())
    for descriptor in state.descriptors:
        os.set_inheritable(descriptor, False)
    return state


async def try_out(command: list[str], state: ParentState) -> None:
    """Start the command as a child that reads the state, and wait for its end.

    Raises:
        StartFailedError: it has failed.
        OSError: no process can be started.
    """
    trial = replace(state, is_trial=True)
    pid = spawn_with(command, VARIABLE, trial.to_json(), trial.descriptors)
    status: int | None = None
    try:
        async with asyncio.timeout(limits.WORKER_START_TIMEOUT_S):
            while status is None:
                await asyncio.sleep(limits.HANDOVER_LOOK_INTERVAL_S)
                ended, found = os.waitpid(pid, os.WNOHANG)  # noqa: ASYNC222 - it does not wait
                status = os.waitstatus_to_exitcode(found) if ended else None
    except TimeoutError:
        raise StartFailedError("its new code did not start in time") from None
    finally:
        if status is None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)  # noqa: ASYNC222 - after SIGKILL
    if status:
        raise StartFailedError(f"its new code did not start, {end_in_words(status)}")


def take_over(command: list[str], state: ParentState) -> NoReturn:
    """Become the command, with this state.

    Raises:
        OSError: it cannot be run; then nothing has changed.
    """
    become(command, VARIABLE, state.to_json(), state.descriptors)


@contextmanager
def signals_kept() -> Iterator[None]:
    """Let signals wait: until the end, or until the process that this one becomes takes them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, START_SIGNALS)
    try:
        yield
    finally:
        take_signals()


def take_signals() -> None:
    """Take those that have waited; the process's handlers are there."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, START_SIGNALS)
