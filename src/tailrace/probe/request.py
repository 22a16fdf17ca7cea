"""GET requests as bytes, and the URLs that they go to."""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from tailrace import __version__
from tailrace.errors import ProbeError


def check(url: str, what: str = "") -> None:
    """Refuse what is no URL that can be asked.

    Raises:
        ProbeError: it is none.
    """
    before = f"{what} " if what else ""
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname)
        (parts.hostname or "").encode("idna")
        is_good = is_good and parts.port != 0
    except ValueError:
        is_good = False
    if is_good and " " not in url and url.isprintable():
        return
    hint = "" if "://" in url else f"; try http://{url}"
    raise ProbeError(f"{before}{url[:200]!a} is not an http(s) URL{hint}")


def shown(url: str) -> str:
    """A URL without a user's name and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def joined(url: str, location: str) -> str:
    """Where a redirect leads; what is no URL stays what it is, for `check` to refuse."""
    try:  # headers are read as Latin-1; a URL in other letters is in UTF-8
        location = location.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        return urljoin(url, location)
    except ValueError:
        return location


def encode_get(url: str, headers: tuple[tuple[str, str], ...]) -> bytes:
    """A GET request as bytes. Headers of our own give way to those that are given."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    path = quote(parts.path or "/", safe="%/:=&~!$+,;'@()*[]")
    query = quote(parts.query, safe="%/:=&~!$+,;'@()*[]?")
    fields = {"host": host.encode("idna").decode() if not host.isascii() else host}
    fields["user-agent"] = f"tailrace-probe/{__version__}"
    fields["accept"] = "*/*"
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        fields["authorization"] = "Basic " + b64encode(user.encode()).decode()
    given = {name.lower() for name, _ in headers}
    pairs = [pair for pair in fields.items() if pair[0] not in given] + list(headers)
    lines = [f"GET {path}{'?' if query else ''}{query} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in pairs]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
