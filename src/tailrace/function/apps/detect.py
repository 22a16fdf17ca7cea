"""What an object is: an ASGI app, a WSGI app, or a handler of events."""

from __future__ import annotations

from tailrace.function.signature import COROUTINE, FUNCTION, VARARGS, signature_of

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final, Literal, TypeAlias

    Kind: TypeAlias = Literal["asgi", "wsgi", "handler"]

_ENVIRONS: Final = ("environ", "env", "environment", "wsgi_environ")
_STARTS: Final = ("start_response", "start_resp")
_EVENTS: Final = ("event", "evt")
_CONTEXTS: Final = ("context", "ctx")
_REPLACED: Final[tuple[tuple[str, Kind], ...]] = (("asgi_app", "asgi"), ("wsgi_app", "wsgi"))
"""Attributes of the classes of apps: Quart's and Flask's, which users replace by middleware."""
_DECORATING: Final = ("webob", "werkzeug")
"""Libraries that make a WSGI app of a function that takes a request."""


def kind_of(value: object) -> Kind | None:
    """Return what an object is, from the names of its parameters; None: see `why_unknown`.

    Nothing is called. A class counts if its instances are made for one request, as PEP 3333 has it.
    """
    if not callable(value):
        return None
    if isinstance(value, type):
        return _app_kind(_parameters_of_class(value))
    flags, names, required = signature_of(value)
    kind = _app_kind(names)
    if kind is not None:
        return kind
    if flags & VARARGS or _takes_anything(value):
        return _kind_by_origin(value) or "handler"
    if len(names) >= 2 and required == 0:
        is_handler = _plain(names[0]) in _EVENTS or _plain(names[1]) in _CONTEXTS
        return "handler" if is_handler else None
    if required == 3:
        return "handler" if flags & COROUTINE else None
    return "handler" if len(names) >= 2 and required <= 2 else None


def why_unknown(value: object) -> str:
    """Return why `kind_of` is None, and what to do, as the end of a sentence."""
    if not callable(value):
        return f"it is of type {type(value).__name__}, which cannot be called"
    if isinstance(value, type):
        return f"it is a class: name an instance of it, such as app = {value.__name__}()"
    _, names, required = signature_of(value)
    if required == 0:
        name = getattr(value, "__name__", "create_app")
        return f"it is a factory: name what it returns, such as app = {name}()"
    return (
        f"its parameters are ({', '.join(names)}), and not (event, context) of a handler,"
        " (scope, receive, send) of an ASGI app or (environ, start_response) of a WSGI app"
    )


def _app_kind(names: list[str]) -> Kind | None:
    """Return the kind of an app that has parameters of these names."""
    if len(names) >= 3 and (_plain(names[0]) == "scope" or names[1:3] == ["receive", "send"]):
        return "asgi"
    first, second = (*map(_plain, names[:2]), "", "")[:2]
    if second in _STARTS or (second and first in _ENVIRONS and second not in _CONTEXTS):
        return "wsgi"
    return None


def _takes_anything(value: object) -> bool:
    """Whether a function takes any number of parameters, whatever the one that it wraps takes."""
    code = getattr(value, "__code__", None)
    return code is not None and bool(code.co_flags & VARARGS)


def _kind_by_origin(value: object) -> Kind | None:
    """Return the kind of an app whose parameters have no names."""
    for name, kind in _REPLACED:
        if hasattr(type(value), name):
            return kind
    names: dict[str, Any] = getattr(value, "__globals__", {})
    module = str(names.get("__name__", type(value).__module__))
    return "wsgi" if module.partition(".")[0] in _DECORATING else None


def _parameters_of_class(value: type[Any]) -> list[str]:
    if type(value.__init__) is not FUNCTION:
        return []
    return signature_of(value.__init__)[1][1:]


def _plain(name: str) -> str:
    return name.strip("_")
