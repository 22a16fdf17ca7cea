"""The WSGI environ of an HTTP request.

Source: PEP 3333, "environ Variables" and "Unicode Issues" (read 2026-11). What it leaves open is
done as gunicorn does it, because apps are deployed behind that.
"""

from __future__ import annotations

import re
import sys
from io import BytesIO

from tailrace.wire.mark import without_keys

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final

    from tailrace.function.request import Request

_ESCAPE: Final = re.compile("%([0-9A-Fa-f]{2})").sub
_NOT_PASSED_ON: Final = frozenset(("content-length", "content-type", "proxy", "transfer-encoding"))
"""Fields without a variable `HTTP_…`: the first two have names of their own; `HTTP_PROXY` is how
many programs are configured (httpoxy, CVE-2016-5385); the body has no transfer coding any more."""


def environ_of(request: Request, context: Any, root_path: str | None) -> dict[str, Any]:
    """Return the environ of a request; `root_path`, if given, replaces that of the event.

    `aws.event`, without the gateway's keys, and `aws.context` are as in an ASGI scope;
    `serverless.event` and `serverless.context` are the names that serverless-wsgi gives to them.

    Raises:
        ValueError: the body should be base64, and is not.
    """
    mount, path = _split(request, root_path)
    query = native(request.raw_query)
    uri = native(request.raw_path) + ("?" + query if query else "")
    body = request.body
    event = without_keys(request.event)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": mount,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REQUEST_URI": uri,
        "RAW_URI": uri,
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": request.host or "localhost",  # must not be empty
        "SERVER_PORT": str(request.port),
        "SERVER_PROTOCOL": f"HTTP/{request.http_version}",
        "SERVER_SOFTWARE": "tailrace",
        "REMOTE_ADDR": request.client or "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "aws.event": event,
        "aws.context": context,
        "serverless.event": event,
        "serverless.context": context,
    }
    headers = request.headers
    if "content-type" in headers:
        environ["CONTENT_TYPE"] = native(headers["content-type"])
    for name in headers:
        # `x_user` would have the variable of `x-user`, which a proxy may vouch for.
        if name not in _NOT_PASSED_ON and "_" not in name:
            environ["HTTP_" + name.upper().replace("-", "_")] = native(headers[name])
    return environ


def native(text: str) -> str:
    """Return a text of the event as PEP 3333 wants it: each character is one byte."""
    if text.isascii():
        return text
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass").decode("latin-1")
    return text


def _split(request: Request, root_path: str | None) -> tuple[str, str]:
    """Return SCRIPT_NAME and PATH_INFO, which is decoded to bytes and never has the former."""
    own = request.root_path
    raw_path = native(request.raw_path).removeprefix(own)
    path = _ESCAPE(_byte_of, raw_path) if "%" in raw_path else raw_path
    mount = own if root_path is None else native(root_path)
    if mount != own and (path == mount or path.startswith(mount + "/")):
        path = path[len(mount) :]
    return mount, path or ("" if mount else "/")


def _byte_of(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16))
