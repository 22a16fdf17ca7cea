"""Checks whether the advertised address reaches this gateway: it listens there itself, and calls.

A callback listener is opened for the moment of the check, and a callback is sent to the advertised
address. If its `100 Continue` names the exchange, nothing in between speaks HTTP, and the address
is this gateway's. If a running gateway has the port, its answer is all that there is to see.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from contextlib import suppress
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from tailrace import limits
from tailrace.config import Address
from tailrace.gateway.check.finding import Finding
from tailrace.gateway.exchange.capabilities import new_capability
from tailrace.gateway.limits import CHECK_ANSWER_BYTES_MAX, CHECK_BODY_TIMEOUT_S
from tailrace.net.client.pool import Origin
from tailrace.net.server.listener import (
    IGNORE,
    Connection,
    HttpServer,
    Receiver,
    RequestHead,
    WholeBody,
)
from tailrace.wire.capability import EXCHANGE_FIELD, Capability, path_of

_LAYER_4: Final = "let it pass bytes on: a TCP or TLS listener, mode tcp, a stream block"


class Called(NamedTuple):
    """What answered a callback at the advertised address."""

    head: str
    """The head of the answer, in lower case; empty if it is too long for one."""
    body: str
    """The start of its body; empty behind a `100 Continue`."""


async def check_advertised(
    base: str,
    listen: Address,
    *,
    is_held: bool = False,
    timeout_s: float = limits.CONNECT_TIMEOUT_S,
) -> Finding:
    """Return whether functions that call `base` reach a callback listener at `listen`.

    With `is_held` a running gateway listens there. Otherwise the address must be free. Functions
    are elsewhere, so this shows what can be shown from here: security groups may differ for them.
    """
    subject, origin = f"--advertise {base}", Origin.of(base)
    try:
        is_mine = await _is_of_this_machine(origin)
    except (OSError, UnicodeError):
        text = f"there is no host {origin.host}, as far as this machine knows"
        return Finding("error", subject, text, "advertise an address that functions find")
    capability = new_capability()
    server = None if is_held else HttpServer(_Probe(capability), name="check")
    if server is not None:
        await server.start(*listen)
    try:
        async with asyncio.timeout(timeout_s):
            called = await _call(origin, urlsplit(base).netloc, capability)
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", "") or error.reason or str(error)
        remedy = "install a certificate for this host; functions verify it as well"
        return Finding("error", subject, f"TLS fails: {reason}", remedy)
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        return _unreached(subject, error, is_mine, listen)
    finally:
        if server is not None:
            await server.stop()
    return _judge(subject, called, capability, is_mine=is_mine, is_held=is_held)


def is_loopback(base: str) -> bool:
    """Whether only functions on this machine can call a base of callback URLs."""
    host = urlsplit(base).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


class _Probe:
    """A callback listener with one exchange."""

    def __init__(self, capability: Capability) -> None:
        self._path = path_of(capability)
        self._proof = f"{EXCHANGE_FIELD}: {capability.exchange_id}\r\n".encode()

    def __call__(self, head: RequestHead, connection: Connection) -> Receiver:
        if head.path != self._path:
            connection.respond(404)
            return IGNORE
        connection.continue_fields = self._proof
        return WholeBody(head, limits.KIB, lambda *_: connection.respond(200), lambda: None)


async def _is_of_this_machine(origin: Origin) -> bool:
    """Whether one of a host's addresses is this machine's. Raises OSError for an unknown host."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    return any(_can_be_bound(family, str(address[0])) for family, *_, address in found)


def _can_be_bound(family: int, host: str) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.bind((host, 0))
    except OSError:
        return False
    return True


async def _call(origin: Origin, host: str, capability: Capability) -> Called:
    """Send a callback's head as functions do, and return what comes back first."""
    reader, writer = await asyncio.open_connection(
        origin.host, origin.port, ssl=origin.tls(), limit=CHECK_ANSWER_BYTES_MAX
    )
    try:
        lines = (
            f"POST {path_of(capability)} HTTP/1.1",
            f"host: {host}",
            "transfer-encoding: chunked",
            "expect: 100-continue",
        )
        writer.write("\r\n".join((*lines, "", "")).encode("latin-1"))
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return Called("", "")
        body = b""
        if b" 100 " not in head[:16]:
            with suppress(TimeoutError):  # no body, on a connection that stays open
                async with asyncio.timeout(CHECK_BODY_TIMEOUT_S):
                    body = await reader.read(CHECK_ANSWER_BYTES_MAX)
        return Called(head.decode("latin-1").strip().lower(), body.decode("latin-1"))
    finally:
        writer.transport.abort()


def _judge(
    subject: str, called: Called, capability: Capability, *, is_mine: bool, is_held: bool
) -> Finding:
    line = called.head.partition("\r\n")[0]
    by = "" if is_mine else ", by something that passes it on: it is no address of this machine"
    if called.head.startswith("http/1.1 100"):
        if capability.exchange_id in called.head:
            return Finding("ok", subject, f"reaches this gateway's callback listener{by}")
        text = "an HTTP proxy answers in the gateway's place"
        return Finding("error", subject, text, _LAYER_4)
    if line.startswith("http/1.1 404") and "no such exchange" in called.body:
        if not is_held:
            text = "another gateway answers there"
            return Finding("error", subject, text, "give each gateway an address of its own")
        if is_mine:
            return Finding("ok", subject, "reaches the callback listener of a running gateway")
        text = f"a gateway answers there{by}, and while a gateway runs here"
        remedy = "check again when the gateway is stopped"
        return Finding("warning", subject, f"{text} it is unknown which one it is", remedy)
    text = f"something else answers there: {line[:80]!r}"
    remedy = "advertise the address at which functions reach the callback listener"
    return Finding("error", subject, text, remedy)


def _unreached(subject: str, error: Exception, is_mine: bool, listen: Address) -> Finding:
    """Return the finding for a connection that failed."""
    if isinstance(error, TimeoutError):
        return Finding(
            "warning",
            subject,
            "did not answer in time",
            "if functions cannot reach it either, open the callback port for them; a load balancer"
            " may refuse a connection that comes back to its own sender",
        )
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.ECONNREFUSED:
        text = "refuses connections"
        remedy = f"let it lead to the callback listener, {listen}"
        if is_mine:
            remedy = f"the callback listener is on {listen}: name an address that it has"
        return Finding("error", subject, text, remedy)
    reason = getattr(error, "strerror", None) or "the connection ended without an answer"
    remedy = "advertise the address at which functions reach the callback listener"
    return Finding("error", subject, f"cannot be called: {reason}", remedy)
