"""A worker that cannot start: what the command prints."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys

import pytest
from tests.command import PATIENCE_S, environ_of

from tailrace.cli.reporting import reporting
from tailrace.config import Address
from tailrace.fleet.membership import Membership
from tailrace.fleet.sockets import CallbackPorts, bind_public


def test_a_worker_without_credentials_says_so_and_nothing_else() -> None:
    """They are looked for when the worker listens to its parent already."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tailrace", "gateway", "--function", "f", "--workers", "2"),
            *("--listen", "127.0.0.1:0", "--callback-listen", "127.0.0.1:0"),
            *("--admin-listen", "off"),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env=environ_of({"AWS_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true"}),
        check=False,
    )

    assert done.returncode == 2
    assert "the parent has ended" not in done.stderr
    assert done.stderr.splitlines()[-1] == (
        "tailrace: no AWS credentials: set AWS_PROFILE or AWS_ACCESS_KEY_ID, or use a machine role"
    )


def test_a_mistake_in_the_code_is_in_the_log_before_the_parent_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The parent ends a worker that has failed at once."""
    parent, worker = socket.socketpair()
    parent.setblocking(False)

    class Log(io.StringIO):
        def write(self, text: str) -> int:
            with pytest.raises(BlockingIOError):
                parent.recv(1)
            return super().write(text)

    log = Log()
    monkeypatch.setattr(sys, "stderr", log)
    member = Membership(public=[], callback=-1, channel=worker.fileno(), board=-1, slot=0)
    with pytest.raises(SystemExit) as exit_, reporting(member):
        raise RuntimeError("a mistake")

    assert exit_.value.code == 1
    assert log.getvalue().endswith("RuntimeError: a mistake\n")
    said = json.loads(parent.recv(1_000))
    assert said == {"is": "failed", "code": 1, "text": "RuntimeError: a mistake"}
    parent.close()
    worker.close()


def test_a_machine_without_ipv6_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a kernel that has none: no such socket can be made."""

    class Socket(socket.socket):
        def __init__(self, family: int = -1, *more: int, **named: int | None) -> None:
            if family == socket.AF_INET6:
                raise OSError(97, os.strerror(97))
            super().__init__(family, *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "socket", Socket)
    remedy = "this machine has no IPv6; name an IPv4 address"

    with pytest.raises(OSError, match=remedy) as public:
        bind_public(Address("::1", 0), "--listen")
    with pytest.raises(OSError, match=remedy) as callback:
        CallbackPorts("::1", 20_000, 20_001).bind()

    assert "--listen: [::1]:0: " in str(public.value)
    assert "--callback-listen: [::1]:20000: " in str(callback.value)
