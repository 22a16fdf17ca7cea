"""Requests that cross the gateway or reach a Function URL: what is dropped, and what is added."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes import HOP_BY_HOP

from tailrace.limits import KEPT_FIELD_BYTES_MAX
from tailrace.wire.forwarded import (
    TRACE_FIELD,
    _kept_options,
    find_trace_root,
    forwarded_fields,
    new_trace_root,
)
from tailrace.wire.http_head import RequestHead

PEER = "192.0.2.7"
HOP_BY_HOP_NAMES = {name.decode() for name in HOP_BY_HOP}
TRACE = "Root=1-6b01ee7f-8f5b6a0e5d0e4f1c9a530e3a"


def request(*headers: tuple[bytes, bytes]) -> RequestHead:
    return RequestHead("GET", "/", "1.1", list(headers))


def request_headers(head: RequestHead) -> list[tuple[str, str]]:
    """The fields that come from the client: without those that are set for every request."""
    fields, _ = forwarded_fields(head, PEER, trace=TRACE)
    assert fields[-2:] == [("x-forwarded-proto", "http"), ("x-amzn-trace-id", TRACE)]
    return fields[:-3]


# --- requests ------------------------------------------------------------------------------------


def test_a_request_keeps_its_fields_their_order_and_repeats() -> None:
    head = request((b"host", b"h"), (b"b", b"1"), (b"a", b"2"), (b"b", b"3"), (b"x", b"\xe9"))

    assert request_headers(head) == [
        ("host", "h"),
        ("b", "1"),
        ("a", "2"),
        ("b", "3"),
        ("x", "é"),
    ]


@pytest.mark.parametrize("name", HOP_BY_HOP)
def test_what_belongs_to_the_connection_does_not_reach_the_function(name: bytes) -> None:
    assert request_headers(request((b"host", b"h"), (name, b"x"))) == [("host", "h")]


def test_what_connection_names_does_not_reach_the_function() -> None:
    head = request(
        (b"connection", b"close, X-One ,"),
        (b"x-one", b"1"),
        (b"x-two", b"2"),
        (b"x-three", b"3"),
        (b"connection", b"x-TWO"),
    )

    assert request_headers(head) == [("x-three", "3")]


@pytest.mark.parametrize(
    "name", [b"host", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-port"]
)
def test_connection_cannot_take_away_what_proxies_have_said(name: bytes) -> None:
    """Otherwise a client could hide its address from the function."""
    head = request((b"host", b"1"), (name, b"1"), (b"connection", name))
    fields, _ = forwarded_fields(head, PEER, trace=TRACE, trusted_hops=1)

    added = {"x-forwarded-for": PEER, "x-forwarded-proto": "http", "x-amzn-trace-id": TRACE}
    kept = {name.decode(): f"1, {PEER}" if name == b"x-forwarded-for" else "1"}
    assert dict(fields) == {"host": "1"} | added | kept


def forwarded(
    *headers: tuple[str, str], keeps_trace: bool = False, trusted_hops: int = 0, port: str = ""
) -> tuple[dict[str, str], str]:
    """The fields that are set, and the client's address."""
    fields, address = forwarded_fields(
        request(*((name.encode(), value.encode()) for name, value in headers)),
        PEER,
        trace=TRACE,
        keeps_trace=keeps_trace,
        trusted_hops=trusted_hops,
        port=port,
    )
    assert len(dict(fields)) == len(fields)
    return dict(fields), address


PROXIED = (
    ("x-forwarded-for", "6.6.6.6, 1.1.1.1"),
    ("x-forwarded-for", "2.2.2.2"),
    ("x-forwarded-proto", "gopher, https"),
    ("x-forwarded-port", "443"),
)


@pytest.mark.parametrize(
    ("trusted_hops", "address", "scheme", "port"),
    [
        (0, PEER, "http", None),
        (1, "2.2.2.2", "https", "443"),
        (2, "1.1.1.1", "https", "443"),
        (3, "6.6.6.6", "https", "443"),
        (9, "6.6.6.6", "https", "443"),
    ],
)
def test_only_trusted_proxies_are_believed(
    trusted_hops: int, address: str, scheme: str, port: str | None
) -> None:
    fields, found = forwarded(*PROXIED, trusted_hops=trusted_hops)

    assert found == address
    assert fields["x-forwarded-for"] == f"6.6.6.6, 1.1.1.1, 2.2.2.2, {PEER}"
    assert fields["x-forwarded-proto"] == scheme
    assert fields.get("x-forwarded-port") == port


def test_a_request_without_proxies_has_the_fields_of_its_connection() -> None:
    assert forwarded(port="8123") == (
        {
            "x-forwarded-for": PEER,
            "x-forwarded-proto": "http",
            "x-forwarded-port": "8123",
            "x-amzn-trace-id": TRACE,
        },
        PEER,
    )


def test_a_port_is_not_taken_from_a_proxy_that_is_not_trusted() -> None:
    assert forwarded(*PROXIED, port="8123")[0]["x-forwarded-port"] == "8123"


@pytest.mark.parametrize("value", ["", ",", " , ,"])
def test_an_empty_chain_of_proxies_is_none(value: str) -> None:
    fields, address = forwarded(("x-forwarded-for", value), trusted_hops=1)

    assert fields["x-forwarded-for"] == address == PEER


GIVEN = "Root=1-00000000-000000000000000000000000;Parent=1"


@pytest.mark.parametrize(("keeps_trace", "trace"), [(True, GIVEN), (False, TRACE)])
def test_a_trace_is_kept_or_set(keeps_trace: bool, trace: str) -> None:
    fields, _ = forwarded(("x-amzn-trace-id", GIVEN), keeps_trace=keeps_trace)

    assert fields["x-amzn-trace-id"] == trace


def test_a_trace_is_set_for_a_request_that_has_none() -> None:
    removed = (("x-amzn-trace-id", GIVEN), ("connection", "x-amzn-trace-id"))

    assert forwarded(keeps_trace=True)[0]["x-amzn-trace-id"] == TRACE
    assert forwarded(*removed, keeps_trace=True)[0]["x-amzn-trace-id"] == TRACE


@pytest.mark.parametrize(
    ("trace", "root"),
    [
        (TRACE, TRACE.removeprefix("Root=")),
        (f"Self=1;{TRACE};Sampled=1", TRACE.removeprefix("Root=")),
        (TRACE.lower(), TRACE.removeprefix("Root=")),
        (TRACE[:-1], None),
        ("Parent=1", None),
        ("", None),
    ],
)
def test_the_root_of_a_trace_is_read(trace: str, root: str | None) -> None:
    assert find_trace_root(trace) == root


def test_a_new_root_is_read_back() -> None:
    digits = "8f5b6a0e5d0e4f1c9a530e3a2b6f1c11"
    root = new_trace_root(0x6B01EE7F + 0.9, digits)

    assert root == "1-6b01ee7f-8f5b6a0e5d0e4f1c9a530e3a"
    assert find_trace_root(f"Root={root}") == root


NAMES = ["host", "accept", "cookie", "x-a", "é", "connection", "te", "x-amzn-trace-id"]
VALUES = st.sampled_from(["", "1", "close", "x-a, TE", "x-amzn-trace-id,host", "\xe9"])


@given(st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=8), st.booleans())
@settings(max_examples=200, deadline=None)
def test_every_field_is_passed_on_or_has_a_reason_not_to_be(
    given_fields: list[tuple[str, str]], keeps_trace: bool
) -> None:
    """By the definition, one field at a time."""
    head = request(*((name.encode("latin-1"), v.encode("latin-1")) for name, v in given_fields))
    options = ",".join(value for name, value in given_fields if name == "connection").split(",")
    named = {option.strip().lower() for option in options} - {"host"}
    kept = [
        (name, value)
        for name, value in given_fields
        if name not in HOP_BY_HOP_NAMES | named and (name != TRACE_FIELD or keeps_trace)
    ]

    fields, address = forwarded_fields(head, PEER, trace=TRACE, keeps_trace=keeps_trace)

    added = [("x-forwarded-for", PEER), ("x-forwarded-proto", "http")]
    if TRACE_FIELD not in dict(kept):
        added.append((TRACE_FIELD, TRACE))
    assert fields == kept + added
    assert address == PEER


def test_what_a_client_sends_is_kept_only_if_it_is_short() -> None:
    """A client chooses the field: its length must not stay in memory."""
    long = b",".join(b"x%d" % at for at in range(KEPT_FIELD_BYTES_MAX))
    for value, kept in ((b"x7, x8", 1), (long, 0)):
        before = _kept_options.cache_info().misses
        head = request((b"connection", value), (b"x7", b"removed"))

        assert "x7" not in dict(request_headers(head))
        assert _kept_options.cache_info().misses == before + kept


@pytest.mark.parametrize(
    ("trusted_hops", "outer", "scheme", "port"),
    [
        (2, "HTTPS ", "https", "443"),
        (2, "http", "http", "80"),
        (2, "gopher", "http", "80"),  # not a scheme of CloudFront: the nearest proxy's counts
        (0, "https", "http", None),  # nobody is trusted
    ],
)
def test_another_header_has_the_scheme(
    trusted_hops: int, outer: str, scheme: str, port: str | None
) -> None:
    head = request(
        (b"cloudfront-forwarded-proto", outer.encode()),
        (b"x-forwarded-proto", b"http"),
        (b"x-forwarded-port", b"80"),
        (b"connection", b"cloudfront-forwarded-proto"),  # a client cannot take it away
    )
    fields, _ = forwarded_fields(
        head,
        PEER,
        trace=TRACE,
        trusted_hops=trusted_hops,
        scheme_header="cloudfront-forwarded-proto",
    )

    assert dict(fields)["x-forwarded-proto"] == scheme
    assert dict(fields).get("x-forwarded-port") == port
