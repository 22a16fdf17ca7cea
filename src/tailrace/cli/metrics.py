"""The lines of `--metrics` on standard output, which neither wait for a reader nor need one."""

from __future__ import annotations

import logging
import os
import select
import sys
import time
from collections.abc import Callable

from tailrace.gateway.observe.emf import Gauges, MetricsSettings, encode_line
from tailrace.net.clock import LoopClock, Timer, TimerClock
from tailrace.net.process.counts_due import CountsDue
from tailrace.net.process.limits import LOG_WRITE_BYTES_MAX, METRICS_LOOK_INTERVAL_S

logger = logging.getLogger("tailrace.gateway")


class LineOutput:
    """A file descriptor that takes lines, each as a whole or not at all.

    Nothing is kept but the rest of one line: a full disk takes a part of it.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = b""

    def write(self, line: bytes) -> None:
        """Write a line, without waiting.

        Raises:
            OSError: nothing of it was written.
        """
        self._push()
        if self._rest:
            raise BlockingIOError("the end of the line before is not written yet")
        self._rest = line
        try:
            self._push()
        except OSError:
            if self._rest != line:
                return  # the rest follows before the next line
            self._rest = b""
            raise
        if self._rest == line:
            self._rest = b""
            raise BlockingIOError("nobody reads them")

    def _push(self) -> None:
        while self._rest and self._has_room():
            piece = self._rest[:LOG_WRITE_BYTES_MAX]  # a pipe with room takes it as a whole
            self._rest = self._rest[os.write(self._descriptor, piece) :]

    def _has_room(self) -> bool:
        if sys.platform == "win32":
            return True
        return bool(select.select((), (self._descriptor,), (), 0)[1])


class MetricLines:
    """Writes a line when it starts, at intervals, and when it stops. Without settings it does not.

    A line that cannot be written is lost, and counted; its counts are in the next one.
    """

    def __init__(
        self,
        settings: MetricsSettings | None,
        gauges: Callable[[], Gauges],
        due: CountsDue,
        output: LineOutput | None = None,
        clock: TimerClock | None = None,
    ) -> None:
        self._settings = settings
        self._gauges = gauges
        self._due = due
        self._output = output or LineOutput(1)
        self._clock = clock or LoopClock()
        self._timer: Timer | None = None
        self._looks = 0
        self._late_us = 0
        self._lost = 0  # lines since one was written

    def start(self) -> None:
        """Write the first line, and begin with the others."""
        if self._settings is not None:
            self._next_s = self._clock.now_s()
            self._write(self._settings)
            self._look_later()

    def stop(self) -> None:
        """Write the last line."""
        if self._timer is not None and self._settings is not None:
            self._timer.cancel()
            self._timer = None
            self._write(self._settings)

    def _look_later(self) -> None:
        # In fixed steps, so that each minute has its lines; not faster after a pause.
        self._next_s = max(self._next_s + METRICS_LOOK_INTERVAL_S, self._clock.now_s())
        self._timer = self._clock.call_at(self._next_s, self._look)

    def _look(self) -> None:
        assert self._settings is not None
        self._looks += 1
        self._late_us = max(self._late_us, self._gauges().late_us)
        if self._looks * METRICS_LOOK_INTERVAL_S >= self._settings.interval_s:
            self._write(self._settings)
        self._look_later()

    def _write(self, settings: MetricsSettings) -> None:
        gauges, due = self._gauges(), self._due.take()
        gauges = gauges._replace(late_us=max(self._late_us, gauges.late_us))
        self._looks = self._late_us = 0
        try:
            self._output.write(encode_line(settings, time.time(), gauges, due))
        except OSError as error:
            self._due.add({**due, "lines_lost": due.get("lines_lost", 0) + 1})
            self._lost += 1
            if self._lost == 1:
                why = error.strerror or error
                logger.warning("metrics: standard output takes no lines: %s; counts are kept", why)
        else:
            if self._lost:
                logger.info("metrics: standard output takes lines again, %d are lost", self._lost)
            self._lost = 0
