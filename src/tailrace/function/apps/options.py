"""The arguments that `asgi` and `wsgi` share."""

from __future__ import annotations

from tailrace.function.apps.detect import kind_of, why_unknown
from tailrace.function.handler import is_streamified

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Literal


def check_app(app: object, wanted: Literal["asgi", "wsgi"]) -> None:
    """Check that an object can be an app of a kind.

    Raises:
        TypeError: it cannot.
    """
    kind = kind_of(app)
    if kind in (wanted, "handler") and not is_streamified(app):
        return  # an app behind a wrapper of any parameters looks like a handler
    article = {"asgi": "an ASGI", "wsgi": "a WSGI"}
    if is_streamified(app):
        reason = "it is a handler already"
    elif kind is None:
        reason = why_unknown(app)
    else:
        reason = f"it is {article[kind]} app, for {kind}()"
    raise TypeError(f"{wanted}() takes {article[wanted]} app, and this is none: {reason}")


def mount_point(root_path: str | None) -> str | None:
    """Return a mount point without a slash at its end.

    Raises:
        TypeError: it has none at its beginning.
    """
    if root_path and not root_path.startswith("/"):
        raise TypeError(f'root_path begins with a slash, as in "/api": not {root_path!r:.80}')
    return None if root_path is None else root_path.rstrip("/")
