"""A streamed response that runs anywhere: as a handler on Lambda, as an ASGI app, in a web app."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec

if TYPE_CHECKING:
    from tailrace.function.streamified import StreamifiedHandler
    from tailrace.html.hosts import Items
    from tailrace.html.hosts.starlette import StreamedResponse

P = ParamSpec("P")
"""What a function takes behind its first argument."""


class Endpoint(Generic[P]):
    """Serves what a function makes. It is an ASGI app.

    `produce` is called for each request, with the request and its way, and what it returns is
    closed in every case.
    """

    def __init__(self, function: Callable[..., Any], produce: Callable[..., Items]) -> None:
        functools.update_wrapper(self, function)
        del self.__dict__["__wrapped__"]  # it has not the parameters of its function
        self._function: Final = function
        self._produce: Final = produce

    @functools.cached_property
    def handler(self) -> StreamifiedHandler[Any]:
        """The handler for Lambda: `handler(event, context)`."""
        from tailrace.html.hosts.handler import handler_of

        return handler_of(functools.partial(self._produce, self._function))

    def response(self, *args: P.args, **kwargs: P.kwargs) -> StreamedResponse:
        """Return a response for Starlette and FastAPI; the function gets these arguments, too.

        They follow its first argument.

        Raises:
            ImportError: Starlette is not installed.
        """
        from tailrace.html.hosts.starlette import StreamedResponse

        function = self._function
        if args or kwargs:
            function = _with_arguments(function, args, kwargs)
        return StreamedResponse(functools.partial(self._produce, function))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from tailrace.html.hosts.asgi import serve

        await serve(functools.partial(self._produce, self._function), scope, receive, send)


def _with_arguments(function: Callable[..., Any], args: Any, kwargs: Any) -> Callable[..., Any]:
    from tailrace.html.threads import is_async

    if not is_async(function):
        return lambda first: function(first, *args, **kwargs)

    async def call(first: Any) -> Any:
        result = function(first, *args, **kwargs)
        return await result if hasattr(type(result), "__await__") else result

    return call


def endpoint_or_decorator(
    function: Callable[..., Any] | None, produce: Callable[..., Items]
) -> Any:
    """Return the endpoint of a function, or without one a decorator that makes it."""

    def decorate(function: Callable[..., Any]) -> Endpoint[...]:
        if not callable(function):
            raise TypeError(f"an endpoint is made of a function, not of {function!r}")
        return Endpoint(function, produce)

    return decorate if function is None else decorate(function)
