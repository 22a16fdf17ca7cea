"""What a service manager is told: sd_notify(3), without a library.

A message is a datagram of lines NAME=VALUE to the socket that NOTIFY_SOCKET names. systemd takes
those of the main process, which the parent is (systemd.service(5), NotifyAccess=main).
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, MutableMapping

from tailrace.net.process import limits

logger = logging.getLogger("tailrace.gateway")


class Notifier:
    """Tells the service manager what the gateway does; nothing without an address."""

    def __init__(self, address: str | None = None, watchdog_s: float | None = None) -> None:
        """`address` is a path, or begins with "@" and is abstract.

        In each `watchdog_s` the service manager wants a sign of life.
        """
        self.address = address
        self.watchdog_s = watchdog_s
        self._has_failed = False
        self._unsent: dict[str, str] = {}
        self._status = ""
        self._is_ending = False

    @classmethod
    def from_environ(cls, environ: MutableMapping[str, str], pid: int) -> Notifier:
        """Take the variables of a process, so that its children do not inherit them."""
        address = environ.pop("NOTIFY_SOCKET", "") or None
        microseconds = environ.pop("WATCHDOG_USEC", "")
        for_pid = environ.pop("WATCHDOG_PID", str(pid))
        has_watchdog = microseconds.isdecimal() and int(microseconds) and for_pid == str(pid)
        return cls(address, int(microseconds) / 1e6 if has_watchdog else None)

    def ready(self, status: str) -> None:
        """The gateway serves, after its start or a reload, also one that has failed."""
        self._status = status
        self._send(READY="1", STATUS=status)

    def reloading(self) -> None:
        """A reload begins. The time of this message is what Type=notify-reload waits for."""
        self._send(RELOADING="1", MONOTONIC_USEC=str(time.monotonic_ns() // 1000))

    def stopping(self, status: str) -> None:
        """The gateway drains. From now on it asks for more time again and again."""
        self._status, self._is_ending = status, True
        self._send(STOPPING="1", STATUS=status)

    async def keep(self, status: Callable[[], str]) -> None:
        """Tell changes of the status, and give signs of life, until cancelled."""
        if self.address is None:
            return
        interval_s = limits.NOTIFY_INTERVAL_S
        if self.watchdog_s is not None:
            interval_s = min(interval_s, self.watchdog_s / 2)
        while True:
            self.tell(status())
            await asyncio.sleep(interval_s)

    def tell(self, status: str) -> None:
        """Send what there is to say now."""
        fields = dict(self._unsent)
        if status != self._status:
            fields["STATUS"] = self._status = status
        if self.watchdog_s is not None:
            fields["WATCHDOG"] = "1"
        if self._is_ending:
            fields["EXTEND_TIMEOUT_USEC"] = str(round(limits.NOTIFY_EXTEND_S * 1e6))
        if fields:
            self._send(**fields)

    def _send(self, **fields: str) -> None:
        if self.address is None:
            return
        self._unsent.update(fields)
        text = "".join(f"{name}={value}\n" for name, value in self._unsent.items())
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                sock.sendto(text.encode(), address)
            self._unsent.clear()
        except OSError as error:  # its queue is full, or it is not there: the next message tells it
            if not self._has_failed:
                logger.warning(
                    "NOTIFY_SOCKET takes no message now, the next one repeats it: %s", error
                )
            self._has_failed = True
