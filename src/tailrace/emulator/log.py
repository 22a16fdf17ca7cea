"""What the emulator shows: Lambda's platform lines and each function's own output, line by line.

Nothing that is written here carries the secret of a callback URL, also when a function prints
its event.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Final, TextIO

from tailrace import limits
from tailrace.wire.capability import redact

_COLORS: Final = (36, 33, 35, 32, 34, 31, 96, 93, 95, 92)  # SGR foregrounds, most distinct first
_EMPTY_LINES: Final = re.compile("\n{2,}")
_CUT_MARK: Final = " … (line cut)"


class EmulatorLog:
    """Lines of all functions on one text stream, each behind the name of its function.

    `encode(name, line)` makes something else of each line, which then has no colour.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        is_colored: bool = False,
        encode: Callable[[str, str], str] | None = None,
    ) -> None:
        self._stream = stream
        self._encode = encode
        self._is_colored = is_colored
        self._width = 0
        self._color_codes: dict[str, int] = {}

    @classmethod
    def for_stream(
        cls,
        stream: TextIO,
        environ: Mapping[str, str],
        *,
        encode: Callable[[str, str], str] | None = None,
    ) -> EmulatorLog:
        """Coloured on a terminal, unless NO_COLOR is set (no-color.org) or TERM is dumb."""
        is_plain = environ.get("NO_COLOR", "") != "" or environ.get("TERM") == "dumb"
        return cls(stream, is_colored=stream.isatty() and not is_plain, encode=encode)

    def announce(self, name: str) -> None:
        """Make room for a function's name, so that all lines are aligned from the first one."""
        self._width = max(self._width, len(name))
        self._color_codes.setdefault(name, _COLORS[len(self._color_codes) % len(_COLORS)])

    def write(self, name: str, text: str) -> None:
        """Write a line of a function, or several. A closed or broken stream is no error here."""
        lines = self._lines(name, text)
        try:
            self._stream.write(lines)
            self._stream.flush()
        except UnicodeEncodeError:  # a terminal that is not UTF-8
            encoding = self._stream.encoding or "ascii"
            self._stream.write(lines.encode(encoding, "backslashreplace").decode(encoding))
            self._stream.flush()
        except (OSError, ValueError):
            pass

    def _lines(self, name: str, text: str) -> str:
        if self._encode is not None:
            return "".join(f"{self._encode(name, line)}\n" for line in text.split("\n"))
        self.announce(name)
        prefix = f"{name:<{self._width}} |"
        if self._is_colored:
            prefix = f"\x1b[{self._color_codes[name]}m{prefix}\x1b[0m"
        return f"{prefix} " + text.replace("\n", f"\n{prefix} ") + "\n"


class LastInit:
    """The last init phase of a version of a function: how it failed, if it did."""

    __slots__ = ("failure",)

    def __init__(self) -> None:
        self.failure: bytes | None = None


class EnvironmentLog:
    """The log of one execution environment: platform lines and process output in their order.

    `tail` gives the last 4 KB since `begin_tail`, as `X-Amz-Log-Type: Tail` asks for them. What an
    init phase prints is not shown again if it fails as `last` did: each invocation repeats it.
    """

    def __init__(self, log: EmulatorLog, name: str, last: LastInit) -> None:
        self._log = log
        self._name = name
        self._last = last
        self._printed: blake2b | None = None  # by the init phase, while it lasts
        self._held: list[tuple[str, bool]] | None = None  # lines, and whether they are platform's
        self._held_chars = 0
        self._partial = bytearray()
        self._is_cut = False  # the rest of an overlong line is thrown away
        self._tail = bytearray()

    def feed(self, data: bytes) -> None:
        """Output of the process; a line is written when its end has come.

        All lines that begin and end in it are written at once: one by one, those of a function
        that prints as fast as it can would take the emulator seconds.
        """
        start = 0
        while start < len(data):
            start += self._feed(data[start : start + limits.LOG_LINE_BYTES_MAX])

    def _feed(self, data: bytes) -> int:
        """Take output of which no line is too long by itself; return how much of it was taken."""
        first, end, others = data.partition(b"\n")
        self._extend(first)
        if not end:
            return len(data)
        self.flush()
        lines, end, rest = others.rpartition(b"\n")
        text = redact(lines.decode("utf-8", "replace"))
        text = _EMPTY_LINES.sub("\n", text).strip("\n")
        if text:
            self._write(_without_returns(text.removesuffix("\r")))
        return len(data) - len(rest)

    def flush(self) -> None:
        """Write a line that has no end yet."""
        if self._partial:
            text = redact(self._partial.decode("utf-8", "replace").removesuffix("\r"))
            self._write(_without_returns(text + (_CUT_MARK if self._is_cut else "")))
            self._partial.clear()
        self._is_cut = False

    def platform(self, text: str) -> None:
        """A line of the emulator itself, behind what the function has written so far."""
        self.flush()
        self._write(redact(text), is_platform=True)

    def begin_init(self) -> None:
        """Hold lines back until `end_init` if the last init phase has failed."""
        self._printed = blake2b(digest_size=16)
        self._held = None if self._last.failure is None else []
        self._held_chars = 0

    def end_init(self, error: bytes | None) -> None:
        """Show held lines, unless the init phase has failed as the one before it.

        `error` is what its runtime has reported; if that is empty, failures are compared by what
        they have printed. None: it has not failed.
        """
        if self._printed is None:
            return
        self.flush()
        failure = None if error is None else error or self._printed.digest()
        is_repeated = failure is not None and failure == self._last.failure
        self._printed, self._last.failure = None, failure
        self._release(is_repeated)

    def _release(self, is_repeated: bool) -> None:
        held, self._held = self._held or (), None
        for text, is_platform in held:
            if is_platform or not is_repeated:
                self._show(text)

    def begin_tail(self) -> None:
        """Forget the lines of the invocation before."""
        self._tail.clear()

    def tail(self) -> bytes:
        """The last 4 KB of this invocation's lines."""
        return bytes(self._tail)

    def _extend(self, data: bytes) -> None:
        room = limits.LOG_LINE_BYTES_MAX - len(self._partial)
        if len(data) > room:
            self._is_cut = True
            data = data[:room]
        self._partial += data

    def _write(self, text: str, *, is_platform: bool = False) -> None:
        if self._printed is not None and not is_platform:
            self._printed.update(text.encode())
        if self._held is None:
            self._show(text)
            return
        self._held.append((text, is_platform))
        self._held_chars += len(text)
        if self._held_chars > limits.INIT_OUTPUT_BYTES_MAX:
            self._release(False)

    def _show(self, text: str) -> None:
        self._log.write(self._name, text)
        self._tail += text[-limits.LOG_TAIL_BYTES :].encode() + b"\n"
        del self._tail[: -limits.LOG_TAIL_BYTES]


def _without_returns(text: str) -> str:
    """Returns begin lines, too: AWS's Python runtime prints a traceback as one line with them."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
