"""A function calls back only to hosts that TAILRACE_CALLBACK_HOSTS allows."""

from __future__ import annotations

import logging
import socket
from types import SimpleNamespace

import pytest
from tests.peers import SECRET, Peer, Running

from tailrace.errors import CallbackRefusedError
from tailrace.function import streamify_response
from tailrace.function.output.callback import check_callback

CONTEXT = SimpleNamespace(aws_request_id="request-1")
PATH = f"/0f2f1e3c-8a51-4ba4-9c55-3e2b7f1d0a11/{SECRET}"


@pytest.mark.parametrize("hosts", [None, "localhost", "127.0.0.1", "gw.example, {peer}", "{peer}"])
def test_an_allowed_host_is_called(
    peer: Peer, hosts: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = peer.url.split("/")[2]
    if hosts is not None:
        monkeypatch.setenv("TAILRACE_CALLBACK_HOSTS", hosts.format(peer=authority))
    call = Running(streamify_response(lambda event, context: "x"), peer.event(), CONTEXT)

    peer.accept_callback().serve()
    call.result()


@pytest.mark.parametrize(
    "hosts", ["", "gw.example", "127.0.0.1:1", ".localhost.example", "10.0.0.7"]
)
def test_no_connection_is_made_to_another_host_and_the_handler_does_not_run(
    peer: Peer, hosts: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("TAILRACE_CALLBACK_HOSTS", hosts)
    monkeypatch.setattr(socket, "socket", None)  # a connection would be an error of another kind
    event = peer.event()

    assert streamify_response(lambda event, context: 1 / 0)(event, CONTEXT) is None

    (record,) = caplog.records
    authority = peer.url.split("/")[2]
    assert record.levelno == logging.WARNING
    assert f"the handler was not run: the callback goes to {authority}" in record.getMessage()
    assert f"TAILRACE_CALLBACK_HOSTS is {hosts!r}; add the host to it" in record.getMessage()
    assert "callback_hosts in [emulator] of tailrace.toml" in record.getMessage()
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("url", "hosts", "is_allowed"),
    [
        (f"https://gw.example{PATH}", "gw.example:443", True),
        (f"http://gw.example{PATH}", "gw.example:80", True),
        (f"http://gw.example{PATH}", "gw.example:443", False),
        (f"http://GW.example.:8081{PATH}", "gw.example", True),
        (f"http://a.gw.example{PATH}", ".gw.example", True),
        (f"http://[::1]:8081{PATH}", "localhost", True),
        (f"http://[::1]:8081{PATH}", "[::1]:8081", True),
        (f"http://gw.example.evil.example{PATH}", "gw.example", False),
        (f"http://gw.example@evil.example{PATH}", "gw.example", False),
        (f"http://evil.example/?http://gw.example{PATH}", "gw.example", False),
        (f"ftp://gw.example{PATH}", "gw.example", False),
    ],
)
def test_urls(url: str, hosts: str, is_allowed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILRACE_CALLBACK_HOSTS", hosts)
    if is_allowed:
        check_callback(url)
        return
    with pytest.raises(CallbackRefusedError) as caught:
        check_callback(url)
    assert caught.value.status == 403
    assert SECRET not in str(caught.value)
