"""The web frameworks of the kit: each runs the same small app, of its own file in `sources`."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

SOURCES: Final = Path(__file__).with_name("sources")


class Framework(NamedTuple):
    """One app, and what cannot be asked of it."""

    name: str
    module: str
    """In `sources`; the app is its `app`, the handler its `handler`."""
    interface: str
    """`asgi`, `wsgi` or `handler`."""
    lacks: frozenset[str] = frozenset()
    """The claims that it has nothing for."""
    lacks_roads: frozenset[str] = frozenset()
    """The roads that it cannot take."""


NO_BACKGROUND: Final = frozenset({"background_task"})
"""WSGI has no time after a response, and Django no background tasks."""

NO_STREAM: Final = NO_BACKGROUND | {
    *("streams", "fails_after_the_head", "client_leaves"),
    *("form", "multipart", "request_parts", "fails_before_the_head"),
}
"""A resolver returns its response as a whole, reads no forms, and raises what a route raises."""

NO_APP: Final = frozenset({"stream-rest", "result-alb", "server"})

FRAMEWORKS: Final = {
    framework.name: framework
    for framework in (
        Framework("fastapi", "fastapi_app", "asgi"),
        Framework("starlette", "starlette_app", "asgi"),
        Framework("litestar", "litestar_app", "asgi"),
        Framework("quart", "quart_app", "asgi"),
        Framework("django-asgi", "django_app", "asgi", NO_BACKGROUND),
        Framework("django-wsgi", "django_app", "wsgi", NO_BACKGROUND),
        Framework("flask", "flask_app", "wsgi", NO_BACKGROUND),
        # Its result for a REST API is no stream; for a balancer's single values it has one cookie.
        Framework("powertools", "powertools_app", "handler", NO_STREAM, NO_APP),
        # These have other apps than the kit's, and tests of their own.
        Framework("sse-starlette", "sse_app", "asgi"),
        Framework("mcp", "mcp_app", "asgi"),
    )
}
