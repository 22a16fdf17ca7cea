"""The parameters of a callable, without `inspect`, whose import costs a cold start 10 ms."""

from __future__ import annotations

import functools

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final

COROUTINE: Final = 0x80  # inspect.CO_COROUTINE
VARARGS: Final = 0x04  # inspect.CO_VARARGS
GENERATOR: Final = 0x20  # inspect.CO_GENERATOR
ASYNC_GENERATOR: Final = 0x200  # inspect.CO_ASYNC_GENERATOR
FUNCTION: Final = type(lambda: None)


def signature_of(function: Any) -> tuple[int, list[str], int]:
    """Return a callable's code flags, positional parameters, and how many of them it requires.

    A callable that is not written in Python is taken for one with `(event, context)`.
    """
    bound = 0
    given: set[str] = set()  # by keyword
    while type(function) is not FUNCTION or hasattr(function, "__wrapped__"):
        if isinstance(function, functools.partial):
            bound += len(function.args)
            given.update(function.keywords)
            function = function.func
        elif hasattr(function, "__func__"):  # a bound method
            bound += 1
            function = function.__func__
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif hasattr(type(function).__call__, "__code__"):
            bound += 1
            function = type(function).__call__
        elif type(function.__call__) is FUNCTION or hasattr(function.__call__, "__func__"):
            function = function.__call__  # stored in the instance, in a slot of that name
        else:
            return 0, ["event", "context"], 2
    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    required = names[bound : code.co_argcount - len(function.__defaults__ or ())]
    return (
        code.co_flags,
        [name for name in names[bound:] if name not in given],
        sum(name not in given for name in required),
    )
