"""Loads the handler or the app by its name, with the errors that Lambda reports."""

from __future__ import annotations

import importlib
import sys

from tailrace.function.failure import Failure, Fault

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any, Final

START: Final = "__tailrace_start__"
"""The attribute of a handler that is called once in the init phase, before the first event. The SDK
has the same name: a plain handler does not import that."""


class LoadFault(Fault):
    """A failure of the init phase. The log shows more of it than is reported, as `shown`."""

    def __init__(self, error_type: str, message: str, hint: str, frames: list[str]) -> None:
        super().__init__(error_type, message)
        self.shown = Failure(error_type, f"{message}{hint}", frames)


def load_handler(name: str) -> Callable[[Any, Any], Any]:
    """Import a handler or an app, and return what is called for each event.

    The name is "package.module.attribute", where a slash counts as a dot, as on Lambda, or
    "package.module:attribute", where the attribute may have dots.

    Raises:
        Fault: the name is malformed, the module cannot be imported or lacks the attribute, or
            what it names is neither a handler nor an app.
        Exception: raised by the module.
    """
    module_name, separator, attribute = name.rpartition(":" if ":" in name else ".")
    if not module_name or not attribute:
        form = "" if not separator else "; write it as in main:app"
        raise Fault(
            "Runtime.MalformedHandlerName",
            f"Bad handler '{name}': not enough values to unpack (expected 2, got 1){form}",
        )
    if module_name.partition(".")[0] in sys.builtin_module_names:
        raise Fault(
            "Runtime.BuiltInModuleConflict",
            f"Cannot use built-in module {module_name} as a handler module",
        )
    loaded: Any = _import(module_name)
    module = loaded
    try:
        for part in attribute.split("."):
            loaded = getattr(loaded, part)
    except AttributeError as error:
        from tailrace.runtime.unloadable import near_attributes

        text = f"Handler '{attribute}' missing on module '{module_name}'"
        hint = near_attributes(module, attribute)
        raise LoadFault("Runtime.HandlerNotFound", text, hint, []) from error
    return handler_of(loaded, name)


def _import(module_name: str) -> ModuleType:
    try:
        return importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        from tailrace.runtime.unloadable import frames_of, import_hint

        text = f"Unable to import module '{module_name}': {error}"
        hint = import_hint(module_name, error)
        raise LoadFault("Runtime.ImportModuleError", text, hint, frames_of(error)) from error
    except SyntaxError as error:
        where = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        raise Fault(
            "Runtime.UserCodeSyntaxError",
            f"Syntax error in module '{module_name}': {error}",
            [where],
        ) from error


def handler_of(loaded: Any, name: str) -> Callable[[Any, Any], Any]:
    """Return what is called for each event: a handler itself, or the handler made of an app.

    Raises:
        Fault: it is neither. Only for a name with a colon: what else Lambda takes for a handler,
            such as a class, is one.
    """
    if _is_plain(loaded):
        return loaded  # type: ignore[no-any-return]  # user code
    from tailrace.function.apps.detect import kind_of, why_unknown

    kind = kind_of(loaded)
    if kind == "asgi":
        from tailrace.function.apps.asgi import asgi

        return asgi(loaded)
    if kind == "wsgi":
        from tailrace.function.apps.wsgi import wsgi

        return wsgi(loaded)
    if kind is None and ":" in name:
        text = f"'{name}' is neither an app nor a handler: {why_unknown(loaded)}"
        raise Fault("Runtime.HandlerNotFound", text)
    return loaded  # type: ignore[no-any-return]  # what cannot be called fails then


def _is_plain(loaded: Any) -> bool:
    """Whether it is a handler for sure, which then needs no more imports."""
    code = getattr(loaded, "__code__", None)
    return code is not None and code.co_varnames[:2] == ("event", "context")
