"""The type of a handler that streams, for annotations. Nothing here runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from tailrace.function.response import ResponseStream

AnyHandler: TypeAlias = (
    "Callable[[Any, Any], object] | Callable[[Any, ResponseStream, Any], Awaitable[object]]"
)
H_co = TypeVar("H_co", bound="AnyHandler", covariant=True)


class StreamifiedHandler(Protocol[H_co]):
    """The function that Lambda calls; the handler itself is `__wrapped__`."""

    __name__: str

    @property
    def __wrapped__(self) -> H_co: ...

    def __call__(self, event: Any, context: Any = None) -> Any:
        """Run the handler; return None after a callback, otherwise its response as a result."""
