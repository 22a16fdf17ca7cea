"""Which hosts a function may call back: its event, which any caller can make, names the host."""

from __future__ import annotations

import os
from typing import Final

from tailrace.errors import CallbackRefusedError, PeerError
from tailrace.net.blocking.upload import parse_url

HOSTS_VARIABLE: Final = "TAILRACE_CALLBACK_HOSTS"
_FORBIDDEN: Final = 403


def check_callback(url: str) -> None:
    """Refuse a callback to a host that `TAILRACE_CALLBACK_HOSTS` does not allow.

    It lists hosts, HOST or HOST:PORT, between commas or spaces; unset, it allows any, and empty,
    none.

    Raises:
        CallbackRefusedError: the host is not allowed, or the URL has none. The message has no
            secret.
    """
    allowed = os.environ.get(HOSTS_VARIABLE)
    if allowed is None:
        return
    # Here, because most functions are allowed any host, and their cold start pays for an import.
    from tailrace.wire.host_name import HostPort, is_listed

    try:
        parts = parse_url(url)
    except PeerError as error:
        raise CallbackRefusedError(_FORBIDDEN, f"the callback cannot be made: {error}") from error
    host = f"[{parts.host}]" if ":" in parts.host else parts.host
    called = HostPort(host.lower().removesuffix("."), parts.port)
    if not is_listed(called, allowed.replace(",", " ").split()):
        raise CallbackRefusedError(
            _FORBIDDEN,
            f"the callback goes to {host}:{parts.port}, which is not among the allowed hosts:"
            f" {HOSTS_VARIABLE} is {allowed[:200]!r}; add the host to it, on a developer's"
            " machine by callback_hosts in [emulator] of tailrace.toml",
        )
