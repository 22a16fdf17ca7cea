"""The ASGI scope of an HTTP request.

Source: ASGI specification 3.0, "HTTP & WebSocket ASGI Message Format" (asgiref, read 2026-11).
"""

from __future__ import annotations

from tailrace.wire.mark import without_keys

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Final

    from tailrace.function.request import Request

ASGI_VERSIONS: Final = {"version": "3.0", "spec_version": "2.3"}
"""2.3, as uvicorn: from 2.4 on Starlette does not watch for a disconnect while it streams, and a
generator that waits is not stopped until its next chunk."""


def scope_of(
    request: Request, context: Any, root_path: str | None, state: dict[str, Any]
) -> dict[str, Any]:
    """Return the scope of a request; `root_path`, if given, replaces that of the event.

    `aws.event` and `aws.context` are the keys that Mangum gives to apps. The event is without the
    gateway's keys, because error pages and error trackers show what is here.
    """
    mount, path, raw_path = mounted(request, root_path)
    client = request.client
    return {
        "type": "http",
        "asgi": ASGI_VERSIONS.copy(),
        "http_version": request.http_version,
        "method": request.method,
        "scheme": request.scheme,
        "path": path,
        "raw_path": _octets(raw_path),
        "query_string": _octets(request.raw_query),
        "root_path": mount,
        "headers": _encoded(request.headers.pairs),
        "client": None if client is None else (client, 0),
        "server": (host, request.port) if (host := request.host) else None,
        "state": state,
        "extensions": {},
        "aws.event": without_keys(request.event),
        "aws.context": context,
    }


def add_length(headers: list[tuple[bytes, bytes]], size: int) -> None:
    """Add the length of a body to header fields that lack it, as those of some front ends do.

    Without it Django reads no multipart form under ASGI.
    """
    if size and all(name != b"content-length" for name, _ in headers):
        headers.append((b"content-length", b"%d" % size))


def mounted(request: Request, root_path: str | None) -> tuple[str, str, str]:
    """Return the mount point of the app, and the decoded and the raw path, both with it in front.

    `root_path` None: the mount point is that of the event. Otherwise it replaces that of the event;
    it is put in front of a path that does not begin with it.
    """
    own = request.root_path
    if root_path is None or root_path == own:
        return own, request.path, request.raw_path
    path, raw_path = request.path.removeprefix(own), request.raw_path.removeprefix(own)
    if path != root_path and not path.startswith(root_path + "/"):
        path, raw_path = root_path + path, root_path + raw_path
    return root_path, path, raw_path


def _encoded(pairs: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    try:  # at once: a call for each text takes as long as all else of the scope
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
    except UnicodeEncodeError:
        return [(_octets(name), _octets(value)) for name, value in pairs]


def _octets(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")
