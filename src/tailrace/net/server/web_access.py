"""Which requests of web browsers a server on a developer's machine serves.

Any web page can send requests to 127.0.0.1. With a DNS name that resolves to 127.0.0.1 (DNS
rebinding) it can also read the answers. Three headers, which a page cannot set, distinguish such
requests: Host names the server, `Origin` the page (on every request but GET and HEAD, and on all
with CORS), and `Sec-Fetch-Site` the relation of the two (Fetch and Fetch Metadata standards, read
2026-11). Programs other than browsers send neither of the last two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from tailrace.wire.host_name import HostPort, is_address, is_listed, is_loopback, parse_host
from tailrace.wire.http_head import RequestHead

_SAFE_METHODS: Final = ("GET", "HEAD")
_SAME_SITES: Final = frozenset(("same-origin", "same-site", "none"))
_SHOWN_CHARACTERS_MAX: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class WebAccess:
    """The requests of browsers that one listener serves.

    `hosts`: Host names to serve in addition to loopback names and IP addresses (`.example.com`
    includes all names below it). `origins`: pages that may send requests, in addition to pages of
    this machine and of the listener's own host; "*" allows all. `serves_links`: whether links on
    any page may lead here, as a GET of a whole document, with which browsers also send cookies of
    SameSite=Lax.
    """

    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    serves_links: bool = False
    origins_setting: str = "allowed_origins in [emulator] of tailrace.toml"
    """The setting that allows more origins, for messages."""
    remedy: str | None = None
    """What to do instead, for messages; None: allow the host or the page."""


class WebRefusal(NamedTuple):
    """The reason why a request is refused, and the setting that would allow it."""

    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.reason}; {self.remedy}"


def find_refusal(access: WebAccess, head: RequestHead) -> WebRefusal | None:
    """Return why a request must not be served; None if it may be."""
    authority = (head.get(b"host") or b"").decode("latin-1")
    host = parse_host(authority)
    if authority and (host is None or not _is_served(access, host)):
        return _foreign_host(access, authority)
    if "*" in access.origins:
        return None
    origins = [_text(value) for name, value in head.headers if name == b"origin"]
    sites = {_text(value).lower() for name, value in head.headers if name == b"sec-fetch-site"}
    for origin in origins:
        if not _is_own_page(access, origin, host) and not (
            # The page's origin is withheld (for example by `Referrer-Policy: no-referrer`), but the
            # browser reports the same site; opaque origins, as of sandboxed frames, are cross-site.
            origin == "null" and sites and sites <= _SAME_SITES
        ):
            return _foreign_page(access, f"a web page of {_shown(origin)}", origin)
    if origins or "cross-site" not in sites:
        return None
    if access.serves_links and _is_link(head):
        return None
    # Images and the like have no Origin, even if a page of localhost embeds one of 127.0.0.1.
    referer = _text(head.get(b"referer") or b"")
    if _is_own_page(access, _origin_of(referer), host):
        return None
    return _foreign_page(access, "a web page of another site (Sec-Fetch-Site: cross-site)", None)


def _is_served(access: WebAccess, host: HostPort) -> bool:
    name = host.host
    return is_loopback(name) or is_address(name) or is_listed(host, access.hosts)


def _is_own_page(access: WebAccess, origin: str, host: HostPort | None) -> bool:
    """Whether a page may send requests: it is of this machine, of the same host, or allowed.

    The port is ignored: to browsers, too, another port of the same host is the same site.
    """
    if origin in access.origins:
        return True
    scheme, separator, authority = origin.partition("://")
    page = parse_host(authority) if separator and scheme in ("http", "https") else None
    if page is None or not page.host:
        return False
    return is_loopback(page.host) or (host is not None and page.host == host.host)


def _is_link(head: RequestHead) -> bool:
    """Whether the browser loads a whole document, and not a part of a page."""
    return (
        head.method in _SAFE_METHODS
        and head.get(b"sec-fetch-mode") == b"navigate"
        and head.get(b"sec-fetch-dest") == b"document"
    )


def _origin_of(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return scheme + separator + rest.partition("/")[0]


def _text(value: bytes) -> str:
    return value.decode("latin-1").strip()


def _shown(text: str) -> str:
    return repr(text[:_SHOWN_CHARACTERS_MAX])


def _foreign_host(access: WebAccess, authority: str) -> WebRefusal:
    name = authority.rpartition(":")[0] or authority
    return WebRefusal(
        f"the host {_shown(authority)} is not served here, because any web page could reach this"
        " server under a name of its own",
        access.remedy
        or "use 127.0.0.1, localhost or another IP address, or allow the name:"
        f" --allow-host {name[:_SHOWN_CHARACTERS_MAX]},"
        " or allowed_hosts in [emulator] of tailrace.toml",
    )


def _foreign_page(access: WebAccess, who: str, origin: str | None) -> WebRefusal:
    shown = "its origin" if origin is None or origin == "null" else _shown(origin)
    return WebRefusal(
        f"{who} sent this request, and only pages of this machine are served",
        access.remedy or f"to allow it, add {shown} to {access.origins_setting}",
    )
