"""`NamedTuple` and `Protocol` without `typing`, whose import costs a cold start two milliseconds.

What runs inside a function imports `typing` for the type checker only. mypy and pyright take any
name `TYPE_CHECKING` for true.
"""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
    from typing import Protocol as Protocol
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

    class Protocol:
        """The base of protocols; nothing is checked at run time."""
