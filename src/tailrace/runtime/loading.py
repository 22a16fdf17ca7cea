"""Loads the handler by its name, with the errors that Lambda reports."""

from __future__ import annotations

import importlib
import sys

from tailrace.function.failure import Fault

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def load_handler(name: str) -> Callable[[Any, Any], Any]:
    """Import a handler, "package.module.attribute". A slash counts as a dot, as on Lambda.

    Raises:
        Fault: the name is malformed, the module cannot be imported or lacks the attribute.
        Exception: raised by the module.
    """
    module_name, dot, attribute = name.rpartition(".")
    if not dot:
        raise Fault(
            "Runtime.MalformedHandlerName",
            f"Bad handler '{name}': not enough values to unpack (expected 2, got 1)",
        )
    if module_name.partition(".")[0] in sys.builtin_module_names:
        raise Fault(
            "Runtime.BuiltInModuleConflict",
            f"Cannot use built-in module {module_name} as a handler module",
        )
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault(
            "Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}"
        ) from error
    except SyntaxError as error:
        where = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        raise Fault(
            "Runtime.UserCodeSyntaxError",
            f"Syntax error in module '{module_name}': {error}",
            [where],
        ) from error
    try:
        handler = getattr(module, attribute)
    except AttributeError as error:
        raise Fault(
            "Runtime.HandlerNotFound", f"Handler '{attribute}' missing on module '{module_name}'"
        ) from error
    return handler  # type: ignore[no-any-return]  # user code: what cannot be called fails then
