"""`page`: makes an endpoint of a page function."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, overload

from tailrace.html.endpoint import Endpoint, P, endpoint_or_decorator
from tailrace.html.limits import PARTS_AT_ONCE_MAX
from tailrace.html.pages import Page
from tailrace.html.render import render

if TYPE_CHECKING:
    from tailrace.function.request import Request
    from tailrace.function.way import ResponseWay
    from tailrace.html.hosts import Items


@overload
def page(function: Callable[Concatenate[Page, P], object], /) -> Endpoint[P]: ...
@overload
def page(
    *, in_order: bool = ..., parts_at_once: int = ...
) -> Callable[[Callable[Concatenate[Page, P], object]], Endpoint[P]]: ...


def page(
    function: Callable[..., Any] | None = None,
    /,
    *,
    in_order: bool = False,
    parts_at_once: int = PARTS_AT_ONCE_MAX,
) -> Any:
    """Make an endpoint of a page function; with or without arguments, as a decorator or a call.

    A page function takes a `Page` and returns the content of the page, or yields it piece by piece;
    it may be async. `in_order` sends parts in the order of the page: for browsers that know neither
    scripts nor declarative partial updates. `parts_at_once`: how many parts are made at the same
    time; the others wait for one to end.

    Raises:
        ValueError: `parts_at_once` is less than 1.
    """
    if parts_at_once < 1:
        raise ValueError(f"parts_at_once is 1 or more, not {parts_at_once}")

    def produce(function: Callable[..., Any], request: Request, way: ResponseWay) -> Items:
        return render(
            function, Page(request, way, is_in_order=in_order, parts_at_once=parts_at_once)
        )

    return endpoint_or_decorator(function, produce)
