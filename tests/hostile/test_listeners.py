"""The corpus of hostile requests on all four listeners: directly, and through other proxies.

Directly each row has the outcome that stands beside it. Through a proxy what matters is that proxy
and listener agree on where a request ends: no function gets a request that the proxy has not seen,
and no client gets the answer to another client's request.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.e2e.chain import until
from tests.hostile.corpus import ROWS, One
from tests.hostile.listeners import UNANSWERED_S, Listener, exchange, serving_listeners, statuses
from tests.kits.hops import haproxy, nginx

PAGE = Path(__file__).parents[2] / "docs" / "topics" / "hostile-clients.md"
LISTENERS = ("public", "function URL", "Lambda API", "callback")
PIECES_BYTES_MAX = 1_500
"""Longer rows are sent whole only."""


@pytest.fixture(scope="module")
def listeners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Listener]]:
    with serving_listeners(tmp_path_factory.mktemp("hostile")) as listeners:
        yield listeners


@pytest.mark.parametrize("name", LISTENERS)
@pytest.mark.parametrize("is_in_pieces", [False, True], ids=["whole", "byte by byte"])
def test_each_row_is_refused_or_read_as_one_request(
    listeners: Mapping[str, Listener], name: str, is_in_pieces: bool
) -> None:
    listener = listeners[name]
    before = listener.smuggled_count()
    wrong = {}
    for number, (row, (raw, expected)) in enumerate(ROWS.items()):
        if is_in_pieces and len(raw) > PIECES_BYTES_MAX:
            continue
        aimed = listener.aim(number).at(raw)

        found = statuses(exchange(listener.address, aimed, is_in_pieces=is_in_pieces))

        if isinstance(expected, One):  # what its application answers is not the matter here
            is_right = bool(found) and all(400 <= status < 600 for status in found[1:])
        else:
            is_right = found == [expected]
        if not is_right or listener.smuggled_count() != before:
            wrong[row] = (expected, found, listener.smuggled_count() - before)
    sent, own = listener.canary(0)
    assert own in exchange(listener.address, sent)
    assert wrong == {}
    assert listener.smuggled_count() == before


def test_the_docs_count_the_outcomes() -> None:
    page = PAGE.read_text()
    counts = Counter(
        "one request" if isinstance(expected, One) else str(expected)
        for _, expected in ROWS.values()
    )

    rows = re.findall(r"^\| (one request|\d{3})\b.* \| (\d+) \|$", page, re.MULTILINE)

    assert {outcome: int(count) for outcome, count in rows} == counts
    assert f"has {len(ROWS)} requests" in page
    in_pieces = sum(len(raw) <= PIECES_BYTES_MAX for raw, _ in ROWS.values())
    each = len(ROWS) + in_pieces + len(PROXIES) * len(ROWS)
    assert f"{len(LISTENERS) * each:,} requests" in page


@pytest.mark.parametrize("name", LISTENERS)
def test_what_is_well_separated_is_served_and_counted(
    listeners: Mapping[str, Listener], name: str
) -> None:
    """The other side of the rule: the tests here can see a request that gets through."""
    listener = listeners[name]
    before = listener.smuggled_count()

    exchange(listener.address, listener.aim(0).smuggled)

    until(lambda: listener.smuggled_count() == before + 1, "the request to have its effect")


@contextmanager
def reusing_nginx(directory: Path, upstream: str) -> Iterator[tuple[str, Path]]:
    """nginx that keeps connections to us, and what it logs of each request."""
    log = directory / "access.log"
    text = (
        "proxy_http_version 1.1; proxy_set_header Connection ''; proxy_set_header Host $http_host;"
    )
    http = f"access_log {log}; upstream us {{ server {upstream}; keepalive 8; }}"
    text += " proxy_ignore_client_abort on;"
    with nginx(directory, "us", {"us": text}, http=http) as urls:
        yield urls["us"].removeprefix("http://"), log


@contextmanager
def reusing_haproxy(directory: Path, upstream: str) -> Iterator[tuple[str, Path]]:
    """HAProxy, likewise."""
    text = "log stdout format raw local0\n  option httplog"
    with haproxy(directory, upstream, {"us": text}, backend="http-reuse always") as urls:
        yield urls["us"].removeprefix("http://"), directory / "output.log"


PROXIES = {"nginx": reusing_nginx, "HAProxy": reusing_haproxy}


@pytest.mark.parametrize("name", LISTENERS)
@pytest.mark.parametrize("proxy", PROXIES)
def test_a_proxy_in_front_sees_the_same_requests(
    listeners: Mapping[str, Listener], tmp_path: Path, name: str, proxy: str
) -> None:
    listener = listeners[name]
    before = listener.smuggled_count()
    with PROXIES[proxy](tmp_path, listener.address) as (address, log):
        for number, (row, (raw, _)) in enumerate(ROWS.items()):
            exchange(address, listener.aim(number).at(raw), patience_s=UNANSWERED_S)

            sent, own = listener.canary(number)
            received = exchange(address, sent)
            assert own in received, f"behind {row!r}: {received!r}"
            if seen := listener.smuggled_count() - before:
                _wait_logged(listener, log, seen, row)


def _wait_logged(listener: Listener, log: Path, count: int, row: str) -> None:
    """Wait until a proxy has logged so many smuggled requests as requests that it took."""
    until(lambda: listener.forwarded(log.read_text()) >= count, f"{row} to be the proxy's as well")
