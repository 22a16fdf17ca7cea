"""`streamify_response`: a handler that streams, as a function that Lambda can call."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable

from tailrace.function.drive import Handler
from tailrace.function.input import mode_from
from tailrace.function.invocation import invoke
from tailrace.function.signature import (
    ASYNC_GENERATOR,
    COROUTINE,
    GENERATOR,
    VARARGS,
    signature_of,
)

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final, Literal, TypeAlias, TypeVar, overload

    from tailrace.function.flush.policy import FlushPolicy, When
    from tailrace.function.streamified import AnyHandler, StreamifiedHandler

    H = TypeVar("H", bound=AnyHandler)
    OnError: TypeAlias = Literal["log", "raise"]
    FlushOption: TypeAlias = FlushPolicy | When | None

STREAMIFIED: Final = "__tailrace_streamified__"
START: Final = "__tailrace_start__"
"""The attribute with what a runtime calls in the init phase, once the handler is loaded."""

if TYPE_CHECKING:

    @overload
    def streamify_response(
        handler: H, /, *, on_error: OnError = ..., flush: FlushOption = ...
    ) -> StreamifiedHandler[H]: ...

    @overload
    def streamify_response(
        *, on_error: OnError = ..., flush: FlushOption = ...
    ) -> Callable[[H], StreamifiedHandler[H]]: ...


def streamify_response(
    handler: H | None = None, /, *, on_error: OnError = "log", flush: FlushOption = None
) -> StreamifiedHandler[H] | Callable[[H], StreamifiedHandler[H]]:
    """Make a handler's response stream; with or without arguments, as decorator or call.

    A handler is one of

    - a generator or async generator `handler(event, context)`. It may yield a `Head` first; then
      str (sent as UTF-8) or bytes, each of which is sent immediately. It may yield `FLUSH` to
      flush what Lambda holds back;
    - `async def handler(event, response, context)` that writes to `response`;
    - a function, async or not, that returns a result as Lambda expects it, or a generator.

    Called with an event of the gateway, it sends the response to the gateway's callback and
    returns None. Called with any other event, it streams if the runtime can, as `tailrace.runtime`
    does, and the event's front end, too. Otherwise it returns the response: for an HTTP event a
    result in the form of its front end, for any other the body alone, str if all chunks were str,
    else bytes. `TAILRACE_RESPONSE_MODE`, read here, overrides the runtime: `stream` or `buffer`.

    `on_error="raise"`: an exception of the handler also fails the invocation, after it has ended
    the response; Lambda then retries an asynchronous invocation. Without a callback an exception
    always fails the invocation.

    `flush` is when the response is flushed automatically: "explicit", never; "every-write";
    "adaptive", when nothing is written for a while and bytes are held back; or a `FlushPolicy`.
    Only native streaming needs padding for that. By default it is "explicit", or the policy of a
    handler that has passed its event on to this one.

    If the client leaves, an async handler is cancelled where it waits; a sync generator is closed
    at its next yield.

    Raises:
        TypeError: the handler has neither of the signatures above, has three parameters and is not
            async, or is an app; or `on_error` or `flush` is unknown.
        ConfigError: `TAILRACE_RESPONSE_MODE` has another value.
    """
    if on_error not in ("log", "raise"):
        raise TypeError(f'on_error is "log" or "raise", not {on_error!r}')
    raises = on_error == "raise"
    policy = _policy_of(flush)
    if handler is None:
        return functools.partial(_streamify, raises=raises, policy=policy)
    return _streamify(handler, raises=raises, policy=policy)


def _policy_of(flush: FlushOption) -> FlushPolicy | None:
    if flush is None:
        return None
    from tailrace.function.flush.policy import policy_from

    return policy_from(flush)


def _streamify(function: H, *, raises: bool, policy: FlushPolicy | None) -> StreamifiedHandler[H]:
    if not callable(function):
        raise TypeError(f"a handler is a function, not {type(function).__name__}")
    flags, names, required = signature_of(function)
    if names[:1] != ["event"]:
        _refuse_app(function)
    is_named = names[1:2] == ["response"]
    takes_response = required == 3 or (is_named and len(names) > 2)
    is_short = len(names) < 2 and not flags & VARARGS
    if is_short or required > 3 or (is_named and not takes_response):
        raise TypeError(
            "a handler takes (event, context) or (event, response, context), not"
            f" ({', '.join(names)})"
        )
    if takes_response and not flags & COROUTINE:
        raise TypeError("a handler with (event, response, context) must be an async def function")
    _import_early(flags, takes_response=takes_response)
    handler = Handler(function, takes_response, raises, mode_from(os.environ), policy)

    def call(event: Any, context: Any = None) -> Any:
        return invoke(handler, event, context)

    functools.update_wrapper(call, function)
    setattr(call, STREAMIFIED, True)
    return call  # type: ignore[return-value]  # it has `__wrapped__` now


def _refuse_app(function: object) -> None:
    from tailrace.function.apps.detect import kind_of  # here: most handlers take an `event`

    kind = kind_of(function)
    if kind == "asgi":
        raise TypeError("this is an ASGI app, and no handler: use asgi(app)")
    if kind == "wsgi":
        raise TypeError("this is a WSGI app, and no handler: use wsgi(app)")


def _import_early(flags: int, *, takes_response: bool) -> None:
    """Import in the init phase what the first invocation needs, so that no client waits for it."""
    if flags & (COROUTINE | ASYNC_GENERATOR):
        import tailrace.function.async_drive
    if takes_response:
        import tailrace.function.response
    elif not flags & (GENERATOR | ASYNC_GENERATOR):
        import tailrace.wire.results  # noqa: F401


def is_streamified(function: object) -> bool:
    """Whether a function streams, or wraps one that does (`functools.wraps`)."""
    return getattr(function, STREAMIFIED, False) is True
