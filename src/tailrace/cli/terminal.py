"""Output of a command: lines for people, coloured on a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TextIO

from tailrace import limits
from tailrace.cli.logs import JsonLineFormatter, LogSettings
from tailrace.net.clock import LoopClock
from tailrace.net.process.limits import (
    LOG_KEPT_CHARS_MAX,
    LOG_ROOM_TIMEOUT_S,
    LOG_WRITE_BYTES_MAX,
)

logger = logging.getLogger(__name__)

DIM: Final = 2
BOLD: Final = 1
CYAN: Final = 36
YELLOW: Final = 33
RED: Final = 31

_DEFAULT_LOG: Final = LogSettings()


class Terminal:
    """A text stream that has colours if it is a terminal. Lines keep their order.

    A stream that has taken the log never waits for a reader: while a pipe is full or a terminal is
    stopped, lines are kept, and from LOG_KEPT_CHARS_MAX on they are counted and lost.
    """

    def __init__(self, stream: TextIO, environ: Mapping[str, str]) -> None:
        is_plain = environ.get("NO_COLOR", "") != "" or environ.get("TERM") == "dumb"
        self.stream = stream
        self.is_colored = stream.isatty() and not is_plain
        self.failure: OSError | None = None
        """The first error of a write, except that of a reader that has left."""
        self._waiting: list[str] = []  # lines, see `write_soon`
        self._waiting_chars = 0
        self._has_timer = False
        self._is_log = False
        self._lost = 0  # lines
        self._lock = threading.RLock()
        self._clock = LoopClock()
        self._second = 0
        self._time = ""  # of day, in that second

    @property
    def columns(self) -> int | None:
        """The width of the terminal; None if the stream is none."""
        try:
            return os.get_terminal_size(self.stream.fileno()).columns or None
        except (OSError, ValueError):
            return None

    def paint(self, text: str, code: int) -> str:
        """Return the text in a colour (an SGR code), if the stream has colours."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.is_colored else text

    def write(self, text: str) -> None:
        """Write lines and flush them. A closed or broken stream is not an error.

        Any other error, such as that of a full disk, is kept in `failure`.
        """
        with self._lock:
            self._add(text)
            self._write_waiting()

    def write_soon(self, text: str) -> None:
        """Write a line within LOG_DELAY_S, together with others: a write is a system call.

        Called in an event loop. What `write` is given before then takes the line along.
        """
        with self._lock:
            self._add(text)
            if self._waiting_chars >= limits.LOG_WAITING_CHARS_MAX:
                self._write_waiting()
            else:
                self._write_later()

    def flush(self) -> None:
        """Write the lines that wait; see `write`. Those of a log wait a moment for a reader."""
        with self._lock:
            self._write_waiting(LOG_ROOM_TIMEOUT_S)

    def _add(self, text: str) -> None:
        if self._waiting_chars >= LOG_KEPT_CHARS_MAX:
            self._lost += 1
        else:
            self._waiting.append(text)
            self._waiting_chars += len(text)

    def _write_later(self) -> None:
        if not self._has_timer:
            self._has_timer = True
            self._clock.call_later(limits.LOG_DELAY_S, self._on_timer)

    def _on_timer(self) -> None:
        with self._lock:
            self._has_timer = False
            self._write_waiting()

    def _write_waiting(self, patience_s: float = 0.0) -> None:
        if not self._waiting or not self._has_room(patience_s):
            return
        pieces = deque(_pieces("\n".join(self._waiting) + "\n"))
        self._waiting, self._waiting_chars = [], 0
        try:
            while pieces and self._has_room(patience_s):
                self.stream.write(pieces.popleft())
                self.stream.flush()
        except BrokenPipeError:
            return
        except OSError as error:
            self.failure = self.failure or error
            return
        except ValueError:
            return
        if pieces:
            self._waiting = ["".join(pieces).removesuffix("\n")]
            self._waiting_chars = len(self._waiting[0])
        elif self._lost:
            lost, self._lost = self._lost, 0
            logger.warning("%d lines of this log are lost: nobody has read it fast enough", lost)

    def _has_room(self, patience_s: float) -> bool:
        """Whether a piece can be written without waiting for a reader; if not, it is tried again.

        Another process may fill the same pipe at the same moment.
        """
        if sys.platform == "win32" or not self._is_log:
            return True
        try:
            _, has_room, _ = select.select((), (self.stream,), (), patience_s)
        except (OSError, ValueError):  # not a file, or closed, as the write shows
            return True
        if not has_room:
            with contextlib.suppress(RuntimeError):  # no event loop here
                asyncio.get_running_loop()
                self._write_later()
        return bool(has_room)

    def log(self, text: str) -> None:
        """Write a line with the time of day."""
        self.write(self.timed(text))

    def timed(self, text: str) -> str:
        """Return a line with the time of day, which is formatted once a second."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._time = self.paint(time.strftime("%H:%M:%S", time.localtime(second)), DIM)
        return f"{self._time} {text}"

    def take_log(
        self,
        write: Callable[[str, str], None] | None = None,
        settings: LogSettings = _DEFAULT_LOG,
    ) -> None:
        """Send the log here: our own from a level on, and warnings of libraries.

        `write` gets the part of the program and the text. Without it, and for JSON, this stream
        gets the lines.
        """
        self._is_log = True
        handler: logging.Handler
        if settings.is_json:
            handler = _JsonHandler(self)
        else:
            handler = _Handler(self, write or (lambda part, text: self.log(text)))
        root = logging.getLogger()
        root.handlers[:] = [handler]
        root.setLevel(max(logging.WARNING, settings.number))
        logging.getLogger("tailrace").setLevel(settings.number)


def _pieces(text: str) -> Iterator[str]:
    """Divide lines into writes that the kernel does not divide further, if no line is too long.

    Several processes write to one pipe: the lines of one may not stand within those of another.
    """
    if len(text) <= LOG_WRITE_BYTES_MAX and text.isascii():
        yield text
        return
    piece, size = "", 0
    for line in text.removesuffix("\n").split("\n"):
        line += "\n"
        line_bytes = len(line.encode(errors="replace"))
        if piece and size + line_bytes > LOG_WRITE_BYTES_MAX:
            yield piece
            piece, size = "", 0
        piece += line
        size += line_bytes
    yield piece


class _TerminalHandler(logging.Handler):
    """A handler whose flush writes the lines that wait: see `Terminal.write_soon`."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal

    def flush(self) -> None:
        self._terminal.flush()


class _JsonHandler(_TerminalHandler):
    """Writes each record as a line of JSON."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(terminal)
        self.setFormatter(JsonLineFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        self._terminal.write(self.format(record))


class _Handler(_TerminalHandler):
    """Writes each record with the part of the program, and with its level from WARNING on."""

    def __init__(self, terminal: Terminal, write: Callable[[str, str], None]) -> None:
        super().__init__(terminal)
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        if record.levelno >= logging.WARNING:
            color = YELLOW if record.levelno < logging.ERROR else RED
            text = f"{self._terminal.paint(record.levelname.lower(), color)}: {text}"
        package, _, rest = record.name.partition(".")
        self._write(rest.partition(".")[0] if package == "tailrace" and rest else package, text)
