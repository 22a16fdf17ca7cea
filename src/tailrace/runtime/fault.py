"""A failure that is the runtime's to name, as Lambda names it: `Runtime.Something`."""

from __future__ import annotations

from tailrace.function.failure import Failure, describe


class Fault(Exception):
    """`error_type` is reported in place of the class's name."""

    def __init__(self, error_type: str, message: str, stack_trace: list[str] | None = None) -> None:
        super().__init__(message)
        self.failure = Failure(error_type, message, stack_trace or [])


def failure_of(error: BaseException) -> Failure:
    """Return what is reported of an exception."""
    return error.failure if isinstance(error, Fault) else describe(error)
