"""Asks a gateway for its drain, and shows what is open until it is over."""

from __future__ import annotations

import http.client
import json
import signal
import sys
import time
from typing import Any, Final

from tailrace.cli.steps import Steps
from tailrace.config import Address
from tailrace.net.process import limits
from tailrace.net.process.board import OPEN
from tailrace.words import counted

_UNANSWERED_MAX: Final = 2
"""Questions in a row without an answer after which it gives up: a gateway that takes up new code
answers the second."""

State = dict[str, Any]
"""What a line shows: status, seconds, workers, and counts of what is open."""


class UnansweredError(Exception):
    """The text says who does not answer as an admin listener does, and what to do."""


class DrainSession:
    """One run of the command."""

    def __init__(self, admin: Address, timeout_s: float | None, *, is_json: bool) -> None:
        self._admin = admin
        self._timeout_s = timeout_s
        self._is_json = is_json
        self._steps = Steps(sys.stdout)
        self._shown: State = {}
        self._shown_at_s = 0.0
        self._has_begun = False

    def run(self) -> int:
        """Drain, and watch; return the exit code."""
        try:
            with self._steps:
                return self._run()
        except UnansweredError as error:
            return self._fail(str(error))
        except KeyboardInterrupt:
            self._steps.end()
            watched = "no longer watching; the drain goes on: tailrace drain shows it again"
            self._fail(watched if self._has_begun else "nobody has answered, and nothing drains")
            return 128 + signal.SIGINT

    def _run(self) -> int:
        began_s = time.monotonic()
        node = self._begin()
        state = {**_state_of(node), "status": "draining", "seconds": 0.0}
        while True:
            now = self._node()
            if now is None or now["pid"] != node["pid"] or not _is_draining(now):
                return self._finish_ended(state)
            state = _state_of(now)
            if state["status"] == "drained":
                return self._finish(state)
            self._show(state)
            left_s = limits.DRAIN_POLL_S
            if self._timeout_s is not None:
                left_s = min(left_s, began_s + self._timeout_s - time.monotonic())
            if left_s <= 0:
                self._write({**state, "status": "timeout"}, f"still {_in_words(state)}")
                return self._fail("not drained in time; the drain goes on")
            time.sleep(left_s)

    # --- what is asked ------------------------------------------------------------------------

    def _begin(self) -> dict[str, Any]:
        """Begin the drain; return the node's statistics before it."""
        try:
            # What listens there may be another server: a POST could do anything to it.
            before: dict[str, Any] = self._ask("GET", "/statistics", "node")["node"]
            self._has_begun = True  # it may, from now on
            self._ask("POST", "/drain", "status")
        except (OSError, http.client.HTTPException) as error:
            words = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise UnansweredError(
                f"nobody answers at {self._admin} ({words}): is a gateway running there, with this"
                " --admin-listen? --admin HOST:PORT names another"
            ) from None
        return before

    def _node(self) -> dict[str, Any] | None:
        """Return the node's statistics; None if nobody listens there any more."""
        for attempt in range(_UNANSWERED_MAX):
            try:
                node: dict[str, Any] = self._ask("GET", "/statistics", "node")["node"]
            except ConnectionRefusedError:
                return None
            except (OSError, http.client.HTTPException):
                if attempt + 1 < _UNANSWERED_MAX:
                    time.sleep(limits.DRAIN_POLL_S)
            else:
                return node
        raise UnansweredError(f"{self._admin} does not answer any more; the drain may go on")

    def _ask(self, method: str, path: str, member: str) -> dict[str, Any]:
        """Return the answer's document, which must have this member."""
        client = http.client.HTTPConnection(*self._admin, timeout=limits.ADMIN_TIMEOUT_S)
        try:
            client.connect()
            # A name in `Host` is refused: it could be one that a web page has.
            host = Address(*client.sock.getpeername()[:2])
            client.request(method, path, headers={"Host": str(host), "Connection": "close"})
            response = client.getresponse()
            body = response.read(limits.ADMIN_ANSWER_BYTES_MAX)
        finally:
            client.close()
        try:
            document = json.loads(body)
        except ValueError:
            document = None
        is_ours = isinstance(document, dict) and member in document
        if response.status not in (200, 202) or not is_ours:
            raise UnansweredError(
                f"what answers at {self._admin} is no admin listener of a gateway: HTTP"
                f" {response.status} for {method} {path}; --admin HOST:PORT names another"
            )
        answer: dict[str, Any] = document
        return answer

    # --- what is shown ------------------------------------------------------------------------

    def _show(self, state: State) -> None:
        """Show a state: always on a terminal, elsewhere when it has changed."""
        if sys.stdout.isatty() and not self._is_json:
            self._steps.begin(_in_words(state))
            return
        now_s = time.monotonic()
        shown = {**state, "seconds": None}
        if shown != self._shown and now_s - self._shown_at_s >= limits.DRAIN_SHOWN_INTERVAL_S:
            self._shown, self._shown_at_s = shown, now_s
            self._write(state, _in_words(state))

    def _finish(self, state: State) -> int:
        how = f"drained in {state['seconds']:.1f} s"
        if state["was_cut"]:
            how += ": some responses were cut off, their lines in the gateway's log are warnings"
        else:
            how += ": everything has ended"
        self._write(state, f"{how}; SIGTERM ends the gateway")
        return 1 if state["was_cut"] else 0

    def _finish_ended(self, state: State) -> int:
        """The gateway has ended before it could report: somebody has sent SIGTERM."""
        count = state["held"]
        held = counted(count, "open response")
        more = f"; {held} when last asked, see its log" if count else ""
        text = f"the gateway has ended after {state['seconds']:.1f} s{more}"
        self._write({**state, "status": "ended"}, text)
        return 0

    def _write(self, state: State, text: str) -> None:
        self._steps.note(json.dumps(state) if self._is_json else text)

    def _fail(self, text: str) -> int:
        print(f"tailrace: {text}", file=sys.stderr)  # noqa: T201 - as every command's errors
        return 1


def _state_of(node: dict[str, Any]) -> State:
    names = ("status", "was_cut", "workers", *OPEN)
    return {**{name: node[name] for name in names}, "seconds": node["drain_s"]}


def _is_draining(node: dict[str, Any]) -> bool:
    return node["status"] in ("draining", "drained")


def _in_words(state: State) -> str:
    return ", ".join(
        (
            f"{state['status']}: {counted(state['held'], 'open response')}",
            counted(state["clients"], "connection"),
            counted(state["workers"], "worker"),
            f"{state['seconds']:.0f} s",
        )
    )
