"""The web frameworks of the kit: each runs the same small app, of its own file in `sources`."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

SOURCES: Final = Path(__file__).with_name("sources")


class Framework(NamedTuple):
    """One app, and what cannot be asked of it."""

    name: str
    module: str
    """In `sources`; the app is its `app`."""
    interface: str
    """`asgi` or `wsgi`."""
    lacks: frozenset[str] = frozenset()
    """The claims that it has nothing for."""


NO_BACKGROUND: Final = frozenset({"background_task"})
"""WSGI has no time after a response, and Django no background tasks."""

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
    )
}
