"""The admin listener of a node: its health, its statistics, and its drain on request.

It is in the parent, so it answers whatever the workers do. A path is a row of `Admin.paths`.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from tailrace.config import WILDCARDS, Address, Wanted
from tailrace.fleet.draining import end_of_drain
from tailrace.fleet.parent import Parent
from tailrace.fleet.sockets import bind_public
from tailrace.fleet.worker import Worker
from tailrace.net.clock import LoopClock
from tailrace.net.process import limits
from tailrace.net.process.board import OPEN, SUMMED
from tailrace.net.server.listener import (
    IGNORE,
    Connection,
    Headers,
    HttpLimits,
    HttpServer,
    Receiver,
    RequestHead,
)
from tailrace.net.server.problem import encode_problem
from tailrace.net.server.refusals import WebGuard
from tailrace.net.server.web_access import WebAccess
from tailrace.net.tasks import TaskSet
from tailrace.wire.host_name import is_loopback
from tailrace.words import counted

if TYPE_CHECKING:  # it is imported for `--lifecycle-hook` alone
    from tailrace.fleet.lifecycle import Lifecycle

logger = logging.getLogger(__name__)

AdminAnswer = tuple[int, Headers, bytes]

_FIELDS: Final = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
_BOUNDS: Final = HttpLimits(connections=limits.ADMIN_CONNECTIONS_MAX)


def bind_admin(wanted: Wanted | None) -> list[socket.socket]:
    """Return the sockets of the admin listener; none if there is to be none.

    A default address that is in use is a warning. So is an address that other machines may reach.

    Raises:
        OSError: an address that the command line names cannot be used.
    """
    if wanted is None:
        return []
    try:
        sockets = bind_public(wanted.address, wanted.option)
    except OSError as error:
        if wanted.is_firm:
            raise
        logger.warning("no admin listener: %s", error)
        return []
    host = wanted.address.host
    if host in WILDCARDS or not is_loopback(f"[{host}]" if ":" in host else host):
        logger.warning(
            "any host that can connect to the admin listener at %s can drain this gateway;"
            " allow operators only, by a firewall",
            wanted,
        )
    return sockets


class Admin:
    """The listener, while it is entered. With no sockets it does nothing."""

    def __init__(
        self, parent: Parent, sockets: Sequence[socket.socket], lifecycle: Lifecycle | None = None
    ) -> None:
        """`sockets` listen already: they are new, or those of the process before this one."""
        self.sockets = sockets
        self._parent = parent
        self._lifecycle = lifecycle
        self._tasks = TaskSet()
        self.paths: dict[str, dict[str, Callable[[], AdminAnswer]]] = {
            "/health": {"GET": self._health},
            "/statistics": {"GET": self._statistics},
            "/drain": {"POST": self._drain},
        }
        """For each path and method, what answers it; HEAD is GET without the body."""
        access = WebAccess(remedy="use 127.0.0.1, localhost or another IP address")
        self._guard = WebGuard("admin", access, LoopClock())
        self._servers = [HttpServer(self._on_head, name="admin", bounds=_BOUNDS) for _ in sockets]

    async def __aenter__(self) -> Self:
        for server, sock in zip(self._servers, self.sockets, strict=True):
            await server.start_on([sock])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._tasks.cancel_all()
        for server in self._servers:
            await server.stop()

    def __str__(self) -> str:
        """Where it is, for the log line of the start; empty if it is nowhere."""
        if not self.sockets:
            return ""
        return f"http://{Address(self._servers[0].host, self._servers[0].port)}"

    def _on_head(self, head: RequestHead, connection: Connection) -> Receiver:
        connection.respond(*self._answer(head))
        return IGNORE

    def _answer(self, head: RequestHead) -> AdminAnswer:
        refusal = self._guard.find_refusal(head)
        if refusal is not None:
            return _problem(head, 403, str(refusal))
        methods = self.paths.get(head.path)
        if methods is None:
            known = ", ".join(
                f"{method} {path}" for path, methods in self.paths.items() for method in methods
            )
            return _problem(head, 404, f"there is no {head.path[:200]} here; there are {known}")
        answer = methods.get("GET" if head.method == "HEAD" else head.method)
        if answer is None:
            allowed = ", ".join(methods)
            status, fields, body = _problem(head, 405, f"{head.path} takes {allowed}")
            allow = ", ".join((*methods, "HEAD") if "GET" in methods else methods)
            return status, [*fields, (b"allow", allow.encode())], body
        return answer()

    # --- the paths ----------------------------------------------------------------------------

    def _health(self) -> AdminAnswer:
        document = self._state()
        return _json(200 if document["status"] == "ok" else 503, document)

    def _statistics(self) -> AdminAnswer:
        parent = self._parent
        counts = [worker.row.counts() for worker in parent.workers]
        node = {
            "status": self.status,
            "pid": os.getpid(),
            "generation": parent.generation,
            "workers": len(counts),
            "accepting": self._accepting(),
            "held_max": parent.held_max,
            "drain_s": _rounded(parent.node_drain.seconds),
            "was_cut": parent.was_cut,
            "lifecycle": None if self._lifecycle is None else self._lifecycle.state,
            "late_us": max((count["late_us"] for count in counts), default=0),
            **{name: sum(count[name] for count in counts) for name in SUMMED},
        }
        workers = [_of_worker(worker) for worker in parent.workers]
        return _json(200, {"node": node, "workers": workers})

    def _drain(self) -> AdminAnswer:
        is_new = not self._parent.is_draining
        if is_new:
            held = counted(self._parent.held, "open response")
            logger.info("drain: asked for at the admin listener, %s", held)
            self._parent.begin_drain()
            self._tasks.spawn(self._report(), "report the drain")
        return _json(202 if is_new else 200, self._state())

    async def _report(self) -> None:
        is_whole = await self._parent.node_drain.wait()
        logger.info("drained: %s; SIGTERM ends this gateway", end_of_drain(is_whole))

    # --- the state ----------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """One word: starting, ok, draining or drained."""
        if self._parent.is_draining:
            return "drained" if self._parent.node_drain.is_over else "draining"
        return "ok" if self._accepting() else "starting"

    def _state(self) -> dict[str, Any]:
        counts = [worker.row.counts() for worker in self._parent.workers]
        opened = {name: sum(count[name] for count in counts) for name in OPEN}
        return {"status": self.status, "workers": len(counts), **opened}

    def _accepting(self) -> int:
        return sum(_state_of(worker) == "accepting" for worker in self._parent.workers)


def _of_worker(worker: Worker) -> dict[str, Any]:
    counts = worker.row.counts()
    beat_ns = counts.pop("beat_ns")
    age_s = (time.monotonic_ns() - beat_ns) / 1e9 if beat_ns else None
    return {
        "slot": worker.row.slot,
        **counts,
        "state": _state_of(worker),
        "callback_port": worker.callback_port,
        "beat_age_s": _rounded(age_s),
    }


def _state_of(worker: Worker) -> str:
    """What a worker does, as its parent knows it."""
    if worker.is_leaving:
        return "draining"
    return "accepting" if worker.is_ready else "starting"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _json(status: int, document: Mapping[str, Any]) -> AdminAnswer:
    return status, list(_FIELDS), json.dumps(document).encode() + b"\n"


def _problem(head: RequestHead, status: int, detail: str) -> AdminAnswer:
    return status, *encode_problem(status, detail, accept=head.get(b"accept"))
