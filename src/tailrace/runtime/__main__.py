"""The runtime's process: it reads the environment, loads the handler and serves events."""

from __future__ import annotations

# Not `signal`, nor `socket` anywhere here: their enumerations cost a cold start a millisecond each.
import _signal as signal  # type: ignore[import-not-found]  # typeshed has none
import os
import sys

from tailrace.errors import PeerError, RuntimeApiError
from tailrace.net.blocking.keep_alive import KeepAliveClient
from tailrace.runtime.invocation_loop import InvocationLoop
from tailrace.runtime.loading import START, load_handler
from tailrace.runtime.logs import configure_logging, configure_output, flush_output

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final, NoReturn

    from tailrace.runtime.invocation_loop import HandlerFunction

_INITIALIZATION_TYPE: Final = "AWS_LAMBDA_INITIALIZATION_TYPE"
_MAX_CONCURRENCY: Final = "AWS_LAMBDA_MAX_CONCURRENCY"


def main(arguments: list[str]) -> int:
    """Run until a signal ends the process; return its exit code."""
    environment = os.environ
    handler_name = arguments[0] if arguments else environment.get("_HANDLER", "")
    host, colon, port = environment.get("AWS_LAMBDA_RUNTIME_API", "").rpartition(":")
    if not handler_name or handler_name[0] == "-" or not colon or not port.isdecimal():
        from tailrace.runtime.usage import explain

        code, text = explain(arguments, environment)
        (sys.stderr if code else sys.stdout).write(text)
        return code
    workers = environment.get(_MAX_CONCURRENCY)
    if workers is not None:
        if not workers.isdecimal() or int(workers) < 1:
            sys.stderr.write(f"{_MAX_CONCURRENCY} is not a number of workers: {workers[:40]!r}\n")
            return 2
        from tailrace.runtime.workers import fork_workers, redirect_output

        ended = fork_workers(int(workers))
        if ended is not None:
            return ended
        redirect_output(environment)
    # Before the handler's module is loaded, which may install its own signal handler.
    signal.signal(signal.SIGTERM, _on_sigterm)
    os.register_at_fork(after_in_child=_reset_sigterm)
    wake_pipe = os.pipe()
    os.set_blocking(wake_pipe[1], False)
    configure_output()
    log = configure_logging(environment)
    task_root = environment.get("LAMBDA_TASK_ROOT") or os.getcwd()
    if sys.path[:1] != [task_root]:
        sys.path.insert(0, task_root)
    api = KeepAliveClient(host.strip("[]"), int(port), wake_pipe=wake_pipe)
    loop = InvocationLoop(api, log, environment, is_worker=workers is not None)
    try:
        try:
            handler = load_handler(handler_name)
            if environment.get("TAILRACE_RESPONSE_MODE"):
                handler = _in_mode(handler)
            start = getattr(handler, START, None)
            if start is not None:
                start()
            if "tailrace.function.handler" in sys.modules:
                # It may stream: imported now, in the init phase, not in the first invocation.
                import tailrace.function.native_invocation
                import tailrace.runtime.native_stream  # noqa: F401
        except Exception as error:
            loop.report_init_error(error)
            return 1
        if environment.get(_INITIALIZATION_TYPE) == "snap-start":
            from tailrace.runtime.snapshot import pass_snapshot

            code = pass_snapshot(api, log, environment)
            if code:
                return code
        loop.run(handler)
    except (PeerError, RuntimeApiError) as error:
        sys.stderr.write(f"tailrace.runtime: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        api.close()
        _shut_down_apps()
        flush_output()


def _shut_down_apps() -> None:
    """Now: the interpreter's exit first waits for threads."""
    event_loop = sys.modules.get("tailrace.function.event_loop")
    if event_loop is not None:
        event_loop.shut_down()


def _in_mode(handler: HandlerFunction) -> HandlerFunction:
    """Return the handler; a plain one is made to stream if the environment requires it."""
    from tailrace.function.handler import is_streamified, streamify_response
    from tailrace.function.input import mode_from

    if mode_from(os.environ) == "stream" and not is_streamified(handler):
        return streamify_response(handler)
    return handler


def _on_sigterm(signum: int, frame: object) -> NoReturn:
    # A normal end of the interpreter: open callbacks are aborted, atexit functions run.
    sys.exit(0)


def _reset_sigterm() -> None:
    """Let SIGTERM end a process that the handler forks at once, also during a long call."""
    if signal.getsignal(signal.SIGTERM) is _on_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
