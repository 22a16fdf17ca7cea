"""SnapStart: the hooks before and after the snapshot of an environment that has loaded its handler.

Imported only there. It behaves as AWS's Python runtime client (awslambdaric 4.2.2): the same
requests, order of the hooks, errors and exit codes.
"""

from __future__ import annotations

import sys

from tailrace.errors import RuntimeApiError
from tailrace.limits import ANSWER_TIMEOUT_S
from tailrace.runtime.marshal import escapes_non_ascii
from tailrace.runtime.report import failure_of, snapshot_failure_report
from tailrace.wire.runtime_api import INIT_ERROR_PATH, RESTORE_ERROR_PATH, RESTORE_NEXT_PATH

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

    from tailrace.net.blocking.keep_alive import KeepAliveClient
    from tailrace.runtime.logs import RuntimeLog

BEFORE_SNAPSHOT_ERROR: Final = "Runtime.BeforeSnapshotError"
AFTER_RESTORE_ERROR: Final = "Runtime.AfterRestoreError"

_HOOKS: Final = "snapshot_restore_py"
"""AWS's module with which a function registers hooks; the managed runtime has it."""
_BEFORE_EXIT_CODE: Final = 64
_AFTER_EXIT_CODE: Final = 65


def pass_snapshot(api: KeepAliveClient, log: RuntimeLog, environment: Mapping[str, str]) -> int:
    """Run hooks, wait until the environment is restored, run hooks; return 0, or the exit code.

    The snapshot is taken during the wait, which has no limit.

    Raises:
        PeerError: the Runtime API cannot be reached to report a failure.
        SystemExit: a signal ends the wait.
    """
    is_ascii = escapes_non_ascii(environment)

    def fail(path: str, reason: str, error: BaseException) -> None:
        failure = failure_of(error)
        log.write_failure(failure)
        report = snapshot_failure_report(path, reason, failure, is_ascii=is_ascii)
        api.request("POST", *report, timeout_s=ANSWER_TIMEOUT_S)

    try:
        _run_before_snapshot()
    except BaseException as error:  # a hook that exits must not end as a function that is ready
        fail(INIT_ERROR_PATH, BEFORE_SNAPSHOT_ERROR, error)
        return _BEFORE_EXIT_CODE
    try:
        _wait_restored(api)
    except Exception as error:
        fail(INIT_ERROR_PATH, BEFORE_SNAPSHOT_ERROR, error)
        return _BEFORE_EXIT_CODE
    try:
        _run_after_restore()
    except BaseException as error:
        fail(RESTORE_ERROR_PATH, AFTER_RESTORE_ERROR, error)
        return _AFTER_EXIT_CODE
    return 0


def _run_before_snapshot() -> None:
    """Run the hooks, the last one that was registered first."""
    hooks = _registered("get_before_snapshot")
    while hooks:
        function, arguments, named = hooks.pop()
        function(*arguments, **named)


def _run_after_restore() -> None:
    """Run the hooks in the order in which they were registered."""
    for function, arguments, named in _registered("get_after_restore"):
        function(*arguments, **named)


def _registered(name: str) -> list[Any]:
    """Return AWS's list of hooks. Without the module in use, nothing has been registered."""
    hooks = sys.modules.get(_HOOKS)
    if hooks is None:
        return []
    found: list[Any] = getattr(hooks, name)()
    return found


def _wait_restored(api: KeepAliveClient) -> None:
    try:
        answer = api.request("GET", RESTORE_NEXT_PATH, timeout_s=None)
    finally:
        api.close()  # the connection of the environment from which the snapshot was taken
    if answer.status != 200:
        text = answer.body[:200].decode("utf-8", "replace").strip()
        raise RuntimeApiError(
            f"the Runtime API answered {RESTORE_NEXT_PATH} with {answer.status}: {text}"
        )
