"""What a client gets instead of a response."""

import json

import pytest

from tailrace.net.server.problem import encode_problem

ID = "01234567-89ab-cdef-0123-456789abcdef"


def test_a_problem_is_a_json_document() -> None:
    fields, body = encode_problem(504, "the function did not answer in time", exchange_id=ID)

    assert fields == [
        (b"content-type", b"application/problem+json"),
        (b"cache-control", b"no-store"),
    ]
    assert json.loads(body) == {
        "title": "Gateway Timeout",
        "status": 504,
        "detail": "the function did not answer in time",
        "exchange": ID,
    }


def test_a_problem_before_an_exchange_names_none() -> None:
    _, body = encode_problem(404, "no route for /x")

    assert "exchange" not in json.loads(body)


def test_a_status_without_a_name_is_an_error() -> None:
    _, body = encode_problem(599, "?")

    assert json.loads(body)["title"] == "Error"


@pytest.mark.parametrize("accept", [b"text/html", b"application/json;q=0.1, TEXT/HTML;q=0.9"])
def test_a_browser_gets_a_page(accept: bytes) -> None:
    fields, body = encode_problem(502, "a < b & c", accept=accept, exchange_id=ID)

    assert fields[0] == (b"content-type", b"text/html; charset=utf-8")
    page = body.decode()
    assert "<title>Bad Gateway</title>" in page
    assert "<p>a &lt; b &amp; c</p>" in page
    assert f"<code>502 · {ID}</code>" in page


def test_a_page_before_an_exchange_names_the_status_only() -> None:
    _, body = encode_problem(404, "no route", accept=b"text/html")

    assert "<code>404</code>" in body.decode()


@pytest.mark.parametrize("accept", [None, b"", b"*/*", b"application/json"])
def test_everyone_else_gets_json(accept: bytes | None) -> None:
    fields, _ = encode_problem(404, "no route", accept=accept)

    assert fields[0] == (b"content-type", b"application/problem+json")


@pytest.mark.parametrize("accept", [None, b"text/html"])
def test_any_detail_can_be_shown(accept: bytes | None) -> None:
    """A detail may quote what a peer sent, such as half of a surrogate pair out of its JSON."""
    _, body = encode_problem(502, "\ud83d <script> {x} \0 ünï", accept=accept)

    assert b"<script>" not in body or accept is None
    assert body.decode()


def test_a_problem_that_passes_says_when_to_try_again() -> None:
    fields, _ = encode_problem(503, "busy", retry_after_s=7)
    others, _ = encode_problem(502, "broken")

    assert (b"retry-after", b"7") in fields
    assert b"retry-after" not in dict(others)
