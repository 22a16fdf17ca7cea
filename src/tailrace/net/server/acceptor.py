"""Accepts connections from listening sockets that several processes may share.

An event loop's own server accepts without asking. Here a process that has more than its share
leaves the sockets alone for a moment. If connections still wait after it, others do not take them
fast enough, so it takes one, and after some further pauses more and more: a queue is never left
without anybody.

Concurrency law: callbacks of one event loop. A connection is made, and so admitted, in the turn
after its accept, and before the next round of accepts.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final

from tailrace.limits import BACKLOG_MAX
from tailrace.net.clock import Timer, TimerClock
from tailrace.net.process import limits
from tailrace.net.server.refusals import Tally

logger = logging.getLogger(__name__)


_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Acceptor:
    """Accepts from sockets, each of which it closes at the end.

    `is_above` tells before each round whether this process has more than its share. While it
    `is_behind` with the requests that it has, it makes one connection in a turn: in the kernel's
    queue they cost nothing, but none may stay there for ever. `turns_away` may answer and close a
    connection, and returns whether it has.
    """

    def __init__(
        self,
        listening: Sequence[socket.socket],
        make: Callable[[], asyncio.Protocol],
        *,
        name: str,
        is_above: Callable[[], bool],
        is_behind: Callable[[], bool] = lambda: False,
        turns_away: Callable[[socket.socket], bool] | None = None,
        clock: TimerClock,
    ) -> None:
        self.accepted = 0
        """Connections since the start."""
        self._listening = list(listening)
        self._make = make
        self._name = name
        self._is_above = is_above
        self._is_behind = is_behind
        self._turns_away = turns_away
        self._clock = clock
        self._exhausted = Tally(clock.now_s)
        self._timer: Timer | None = None  # while this process leaves the sockets alone
        self._pauses = 0  # in a row, after each of which connections still waited
        self._closed = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def wait_closed(self) -> None:
        """Wait until all sockets are closed, after `stop` or `close`. Cancelling is safe."""
        await self._closed.wait()

    def start(self) -> None:
        """Begin to accept."""
        for sock in self._listening:
            sock.setblocking(False)
        self._watch()

    def stop(self, *, keeps_queue: bool) -> None:
        """Accept nothing more but what waits now, over some turns; then close the sockets.

        With `keeps_queue` that is left to the other processes that share the sockets.
        """
        self._unwatch()
        if keeps_queue:
            self.close()
        elif self._listening:
            self._take_rest(BACKLOG_MAX)

    def close(self) -> None:
        """Close the sockets now."""
        self._unwatch()
        for sock in self._listening:
            sock.close()
        self._listening.clear()
        self._closed.set()

    # --- rounds -------------------------------------------------------------------------------

    def _watch(self) -> None:
        self._timer = None
        for sock in self._listening:
            self._loop.add_reader(sock, self._on_waiting, sock)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for sock in self._listening:
            self._loop.remove_reader(sock)

    def _pause(self, delay_s: float, then: Callable[[], None]) -> None:
        self._unwatch()
        self._timer = self._clock.call_later(delay_s, then)

    def _is_paused(self) -> bool:
        return self._timer is not None

    def _on_waiting(self, sock: socket.socket) -> None:
        if self._is_above():
            self._pauses = 0
            self._pause(limits.BALANCE_PAUSE_S, self._on_pause_end)
        else:
            most = limits.ACCEPTS_PER_TURN_MAX
            self._take(sock, most, made_max=1 if self._is_behind() else most)

    def _on_pause_end(self) -> None:
        """Accept what the others have left in the queues, but not much."""
        self._timer = None
        most = min(2 ** (self._pauses // limits.BALANCE_PAUSES), limits.BALANCE_ACCEPTS_MAX)
        is_left = False
        if self._is_above():
            for sock in self._listening:
                is_left |= self._take(sock, most) == most
        if self._is_paused():  # nothing can be accepted now
            return
        if is_left:
            self._pauses += 1
            self._pause(limits.BALANCE_PAUSE_S, self._on_pause_end)
        else:
            self._watch()

    def _take_rest(self, most: int) -> None:
        """Empty the queues, up to `most` connections: new ones may follow without end."""
        self._timer = None
        for sock in list(self._listening):
            if most <= 0 or self._take(sock, limits.ACCEPTS_PER_TURN_MAX) == 0:
                self._listening.remove(sock)
                sock.close()
        if not self._listening:
            self._closed.set()
            return
        left = most - limits.ACCEPTS_PER_TURN_MAX
        self._unwatch()
        self._timer = self._clock.call_later(0, self._take_rest, left)

    # --- connections --------------------------------------------------------------------------

    def _take(self, sock: socket.socket, most: int, *, made_max: int | None = None) -> int:
        """Accept up to `most` connections, of which `made_max` are not turned away.

        Return how many were accepted.
        """
        made = 0
        for count in range(most):
            try:
                accepted, _ = sock.accept()
            except (BlockingIOError, InterruptedError):  # empty, or another process was faster
                return count
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._on_exhausted(error)
                    return count
                continue  # the peer has left (accept(2): such errors are those of its connection)
            self.accepted += 1
            if not self._is_turned_away(accepted):
                self._adopt(accepted)
                made += 1
                if made == made_max:
                    return count + 1
        return most

    def _is_turned_away(self, accepted: socket.socket) -> bool:
        if self._turns_away is None:
            return False
        try:
            return self._turns_away(accepted)
        except Exception:  # a round that raises would be the last
            logger.exception("%s listener: a connection was not judged", self._name)
            return False

    def _on_exhausted(self, error: OSError) -> None:
        """Leave the sockets alone for a while: they stay readable."""
        if due := self._exhausted.add():
            logger.error("%s listener: accept failed %d times: %s", self._name, due, error)
        self._pause(limits.ACCEPT_RETRY_S, self._watch)

    def _adopt(self, accepted: socket.socket) -> None:
        """Give a connection to the event loop.

        Its coroutine is run by hand: a task for each connection costs a turn more, and its time.
        """
        making = self._loop.connect_accepted_socket(self._make, accepted)
        try:
            made = making.send(None)
        except OSError:  # the peer has left
            accepted.close()
            return
        made.add_done_callback(partial(_finish, making))


def _finish(making: Coroutine[Any, Any, object], made: asyncio.Future[Any]) -> None:
    """The connection is made: let the coroutine return."""
    try:
        making.send(None)
    except StopIteration:
        return
    except Exception:
        logger.exception("a connection was not made")
