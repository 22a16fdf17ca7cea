"""`NamedTuple` without `typing`, whose import costs a function's cold start two milliseconds.

What runs before a runtime's first event imports `typing` for the type checker only. mypy and
pyright take any name `TYPE_CHECKING` for true.
"""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:
    from collections import namedtuple

    class _Record(type):
        """Makes a named tuple of a class's annotations and defaults, as `typing` does."""

        def __new__(cls, name, bases, namespace):
            if not bases:
                return super().__new__(cls, name, bases, namespace)
            fields = tuple(namespace["__annotations__"])
            defaults = [namespace.pop(field) for field in fields if field in namespace]
            record = namedtuple(name, fields, defaults=defaults)
            return type(name, (record,), {**namespace, "__slots__": ()})

    class NamedTuple(metaclass=_Record):
        """The base of records."""
