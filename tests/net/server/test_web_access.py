"""Which requests of browsers a server on a developer's machine serves."""

from __future__ import annotations

import pytest

from tailrace.net.server.web_access import WebAccess, find_refusal
from tailrace.wire.http_head import Headers, RequestHead

PLAIN = WebAccess()
LINKED = WebAccess(serves_links=True)
NAMED = WebAccess(
    hosts=("my-laptop.local", ".tunnel.example"),
    origins=("https://app.example", "chrome-extension://abc", "null"),
)
ANY_PAGE = WebAccess(origins=("*",))


def refusal(access: WebAccess, method: str = "POST", **fields: str) -> str | None:
    """Why a request to 127.0.0.1:9000 is refused; a field's `_` is a `-`."""
    given = {"host": "127.0.0.1:9000", **fields}
    headers: Headers = [
        (name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in given.items()
    ]
    found = find_refusal(access, RequestHead(method, "/", "1.1", headers))
    return None if found is None else str(found)


SERVED_HOSTS = [
    "127.0.0.1:9000",
    "localhost:9000",
    "LOCALHOST",
    "localhost.:9000",
    "fn.localhost:9000",
    "[::1]:9000",
    "192.168.1.7:8080",
    "[fe80::1]:8080",
    "0.0.0.0:8080",
]


@pytest.mark.parametrize("host", SERVED_HOSTS)
def test_loopback_and_addresses_are_served(host: str) -> None:
    """An address cannot be rebound, and a phone in the same network has no other way."""
    assert refusal(PLAIN, host=host) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:9000",
        "localhost.evil.example:9000",
        "127.0.0.1.evil.example",
        "my-laptop.local:9000",
        "rebound",
        "127.0.0.1:9000:1",
    ],
)
def test_other_names_are_refused(host: str) -> None:
    text = refusal(PLAIN, host=host, sec_fetch_site="same-origin", origin=f"http://{host}")

    assert text is not None
    assert f"the host {host!r} is not served here" in text
    assert "--allow-host" in text
    assert "allowed_hosts in [emulator]" in text


@pytest.mark.parametrize("host", ["my-laptop.local:1", "MY-LAPTOP.local", "a.b.tunnel.example"])
def test_names_that_are_allowed_are_served(host: str) -> None:
    assert refusal(NAMED, host=host) is None
    assert refusal(NAMED, host=host, origin=f"http://{host}") is None


@pytest.mark.parametrize("fields", [{}, {"host": ""}])
def test_without_a_host_no_browser_asks(fields: dict[str, str]) -> None:
    headers: Headers = [(name.encode(), value.encode()) for name, value in fields.items()]
    assert find_refusal(PLAIN, RequestHead("POST", "/", "1.0", headers)) is None


def test_programs_that_are_no_browsers_are_served() -> None:
    """boto3, curl and the JavaScript SDK send none of these; undici sends its mode alone."""
    assert refusal(PLAIN) is None
    assert refusal(PLAIN, sec_fetch_mode="cors") is None


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://evil.example:9000",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://192.168.1.9:9000",
        "https://app.example.evil.example",
        "chrome-extension://other",
        "file://",
        "null",
        "",
        "garbage",
        "http://",
        "http://localhost:3000 https://evil.example",
        "http://user@localhost",
    ],
)
@pytest.mark.parametrize("access", [PLAIN, LINKED])
@pytest.mark.parametrize("site", [None, "cross-site"])
def test_foreign_pages_are_refused(access: WebAccess, origin: str, site: str | None) -> None:
    fields = {"origin": origin, **({} if site is None else {"sec_fetch_site": site})}
    text = refusal(access, **fields)

    assert text is not None
    assert "allowed_origins in [emulator]" in text


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:3000",
        "https://localhost",
        "http://127.0.0.1:5173",
        "http://[::1]:3000",
        "http://app.localhost:3000",
        "http://127.0.0.1:9000",
    ],
)
@pytest.mark.parametrize("site", ["same-origin", "same-site", "cross-site"])
def test_pages_of_this_machine_are_served(origin: str, site: str) -> None:
    """localhost and 127.0.0.1 are different sites, and one machine."""
    assert refusal(PLAIN, origin=origin, sec_fetch_site=site) is None


def test_a_page_of_the_same_address_is_served_on_any_port() -> None:
    """A phone has opened the developer's page, which calls the gateway. No Fetch Metadata there:
    browsers send it to trustworthy addresses only."""
    phone = {"host": "192.168.1.7:8080", "origin": "http://192.168.1.7:3000"}
    assert refusal(PLAIN, **phone) is None
    assert refusal(PLAIN, **{**phone, "origin": "http://192.168.1.8:3000"}) is not None


@pytest.mark.parametrize("origin", ["https://app.example", "chrome-extension://abc", "null"])
def test_pages_that_are_allowed_are_served(origin: str) -> None:
    assert refusal(NAMED, origin=origin, sec_fetch_site="cross-site") is None


@pytest.mark.parametrize("origin", ["https://app.example:8443", "http://app.example", "https://x"])
def test_allowed_origins_are_compared_whole(origin: str) -> None:
    assert refusal(NAMED, origin=origin) is not None


def test_every_origin_counts() -> None:
    head = RequestHead(
        "POST",
        "/",
        "1.1",
        [
            (b"host", b"localhost"),
            (b"origin", b"http://localhost"),
            (b"origin", b"https://evil.example"),
        ],
    )
    assert find_refusal(PLAIN, head) is not None


@pytest.mark.parametrize("site", ["same-origin", "same-site", "none"])
def test_an_origin_may_be_withheld_where_the_browser_vouches_for_the_page(site: str) -> None:
    """As of a form on a page with `Referrer-Policy: no-referrer`."""
    assert refusal(PLAIN, origin="null", sec_fetch_site=site) is None


@pytest.mark.parametrize("site", ["same-origin", "same-site", "none"])
def test_requests_without_an_origin_are_served_from_the_same_site(site: str) -> None:
    assert refusal(PLAIN, "GET", sec_fetch_site=site) is None


IMAGE = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "image"}
LINK = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}


@pytest.mark.parametrize("access", [PLAIN, LINKED])
@pytest.mark.parametrize(
    "fields",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "Cross-Site"},
        IMAGE,
        {**LINK, "sec_fetch_dest": "iframe"},
        {**LINK, "sec_fetch_mode": "no-cors"},
        {**IMAGE, "referer": "https://evil.example/http://localhost:3000/"},
    ],
)
def test_what_a_foreign_page_embeds_is_refused(access: WebAccess, fields: dict[str, str]) -> None:
    assert refusal(access, "GET", **fields) is not None


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_link_on_any_page_leads_to_functions_and_not_to_the_api(method: str) -> None:
    """A login at an identity provider ends with one."""
    assert refusal(LINKED, method, **LINK) is None
    assert refusal(PLAIN, method, **LINK) is not None


def test_a_form_is_no_link() -> None:
    assert refusal(LINKED, "POST", **LINK) is not None
    assert refusal(LINKED, "POST", origin="https://evil.example", **LINK) is not None


@pytest.mark.parametrize("referer", ["http://localhost:3000/", "http://127.0.0.1:5173/a?b"])
def test_what_a_page_of_this_machine_embeds_is_served(referer: str) -> None:
    assert refusal(PLAIN, "GET", **IMAGE, referer=referer) is None


def test_all_pages_can_be_allowed_and_hosts_are_looked_at_still() -> None:
    assert refusal(ANY_PAGE, origin="https://evil.example", sec_fetch_site="cross-site") is None
    assert refusal(ANY_PAGE, "GET", **IMAGE) is None
    assert refusal(ANY_PAGE, host="evil.example") is not None


def test_a_message_shows_what_was_sent_and_is_bounded() -> None:
    text = refusal(PLAIN, origin="https://" + "e" * 5_000)

    assert text is not None
    assert "eeee" in text
    assert len(text) < 600
