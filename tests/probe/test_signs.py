"""What heads give away."""

from __future__ import annotations

import dataclasses

from tests.probe.hop_models import measured, nothing

from tailrace.probe.signs import find_signs

PLAIN = measured(nothing)


def signs(*headers: tuple[str, str], version: str = "1.1") -> list[tuple[str, str | None]]:
    reading = dataclasses.replace(PLAIN, headers=headers, http_version=version)
    return [(sign.text, sign.hop) for sign in find_signs(reading)]


def test_a_head_without_marks_has_no_signs() -> None:
    assert signs(("content-type", "text/plain"), ("transfer-encoding", "chunked")) == []


def test_each_hop_is_named_once_with_its_header() -> None:
    found = signs(("server", "envoy"), ("x-envoy-upstream-service-time", "3"), ("via", "1.1 Caddy"))

    assert found == [
        ("`via: 1.1 Caddy` is a mark of Caddy", "Caddy"),
        ("`server: envoy` is a mark of Envoy", "Envoy"),
    ]


def test_a_server_that_is_not_known_is_quoted() -> None:
    assert signs(("server", "uvicorn")) == [("`server: uvicorn`", None)]


def test_lambdas_request_id_may_be_an_emulators() -> None:
    assert signs(("x-amzn-requestid", "1-2")) == [
        ("`x-amzn-requestid` is a mark of Lambda, or of an emulator of it", "Lambda")
    ]


def test_framing_says_what_was_known_in_advance() -> None:
    found = signs(("content-length", "640"), ("content-encoding", "gzip"), version="1.0")

    assert [text for text, _ in found] == [
        "`content-encoding: gzip`: somebody compressed the body",
        "`content-length: 640`: whoever sent the head knew how long the body would be",
        "the answer is HTTP/1.0, which knows no chunks",
    ]


def test_only_a_no_to_buffering_is_a_sign() -> None:
    (sign,) = signs(("x-accel-buffering", "no"))

    assert sign[0].startswith("`x-accel-buffering: no` asks nginx not to buffer")
    assert signs(("x-accel-buffering", "yes"), ("content-encoding", "identity")) == []


def test_caches_are_named() -> None:
    assert [text for text, _ in signs(("x-cache", "Hit from cloudfront"), ("age", "7"))] == [
        "`x-cache: Hit from cloudfront`: a cache speaks",
        "`age: 7`: a cache speaks",
    ]


def test_a_header_cannot_write_on_the_terminal() -> None:
    ((text, _),) = signs(("server", "\x1b[31mred\x07" + "x" * 200))

    assert "\x1b" not in text and "\x07" not in text and len(text) < 80
