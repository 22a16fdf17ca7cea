"""What the platform says of an environment and its invocations, in Lambda's words."""

from __future__ import annotations

import math
import signal
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an invocation took, and how it ended."""

    request_id: str
    duration_ms: float
    init_ms: float | None
    """None in a warm environment."""
    memory_mb: int
    memory_peak_mb: int | None
    """None where nothing is known of it."""
    is_timeout: bool
    error_type: str | None

    def line(self) -> str:
        """The REPORT line."""
        fields = [
            f"REPORT RequestId: {self.request_id}",
            f"Duration: {self.duration_ms:.2f} ms",
            f"Billed Duration: {math.ceil(self.duration_ms)} ms",
            f"Memory Size: {self.memory_mb} MB",
        ]
        if self.memory_peak_mb is not None:
            fields.append(f"Max Memory Used: {self.memory_peak_mb} MB")
        if self.init_ms is not None:
            fields.append(f"Init Duration: {self.init_ms:.2f} ms")
        if self.is_timeout:
            fields.append("Status: timeout")
        elif self.error_type is not None:
            fields += ["Status: error", f"Error Type: {self.error_type}"]
        return "\t".join(fields) + "\t"


def exit_reason(status: int) -> str:
    """How Lambda words the end of a runtime: an exit status, or a signal's name as Go has it."""
    if status == 0:
        return "Runtime exited without providing a reason"
    if status > 0:
        return f"Runtime exited with error: exit status {status}"
    name = signal.strsignal(-status) or f"signal {-status}"
    return f"Runtime exited with error: signal: {name.lower()}"


def timestamp(now_s: float) -> str:
    """A moment as Lambda writes it: UTC, with milliseconds."""
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_s))
    return f"{text}.{int(now_s * 1000) % 1000:03d}Z"
