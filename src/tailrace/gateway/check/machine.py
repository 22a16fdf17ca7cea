"""Checks whether a gateway can listen at its addresses, and has enough file descriptors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tailrace import limits
from tailrace.config import WILDCARDS, Address
from tailrace.errors import PeerError
from tailrace.gateway.check.finding import Finding
from tailrace.net.client.pool import HttpPool, Origin
from tailrace.net.ports import is_taken, refuse_unusable
from tailrace.net.process.descriptors import WANTED, raise_descriptor_limit, shares_of
from tailrace.words import counted


async def check_listener(option: str, listen: Address, health_path: str) -> tuple[Finding, bool]:
    """Return whether a gateway can listen at an option's address, and whether one does already."""
    subject = f"{option} {listen}"
    try:
        refuse_unusable(option, *listen)
    except OSError as error:
        health = await _health_at(listen, health_path) if is_taken(*listen) else None
        if health is None:
            text = str(error).removeprefix(f"{option}: ")
            return Finding("error", subject, text.partition("; ")[0], _remedy_in(text)), False
        held = counted(health["held"], "open response")
        text = f"a gateway runs there: {health['status']}, {held}"
        return Finding("ok", subject, text), True
    return Finding("ok", subject, "free"), False


def check_callback_ports(
    host: str, ports: Sequence[int], workers: int, *, is_running: bool
) -> tuple[Finding, int | None]:
    """Return whether each worker can have a callback port, and the first one that is free."""
    first, last = ports[0], ports[-1]
    name = f"{first}" if first == last else f"{first}-{last}"
    subject = f"callback ports {name}"
    if first == 0:
        return Finding("ok", subject, "any that is free"), 0
    try:
        refuse_unusable("--callback-listen", host, first)
    except OSError as error:
        if not is_taken(host, ports[0]):
            text = str(error).removeprefix("--callback-listen: ")
            return Finding("error", subject, text.partition("; ")[0], _remedy_in(text)), None
    free = [port for port in ports if not is_taken(host, port)]
    text = f"{len(free)} of {len(ports)} free"
    if len(free) >= workers:
        return Finding("ok", subject, text), free[0]
    needs = "a port" if workers == 1 else f"{workers} ports"
    remedy = f"free {needs}, or give other ones: --callback-ports FIRST-LAST"
    if is_running:
        text += f"; workers that replace those that run need {needs}"
        return Finding("warning", subject, text, remedy), None
    return Finding("error", subject, f"{text}, {needs} needed", remedy), None


def check_descriptors(held_max: int, workers: int = 1) -> Finding:
    """Return whether the workers may open enough files for so many responses at a time."""
    descriptors = raise_descriptor_limit()
    held = shares_of(descriptors).held * workers
    responses = counted(held, "open response")
    where = "a process" if workers == 1 else f"{workers} processes"
    text = f"{descriptors} may be open, enough for {responses} in {where}"
    if held >= held_max:
        return Finding("ok", "files", text)
    remedy = f"raise the limit to {WANTED}: LimitNOFILE in systemd, ulimit -n in a shell"
    return Finding("warning", "files", f"{text}; {held_max} are configured", remedy)


def _remedy_in(text: str) -> str | None:
    """Return what a message of `refuse_unusable` has behind its semicolon."""
    return text.partition("; ")[2] or None


async def _health_at(listen: Address, path: str) -> dict[str, Any] | None:
    """Return the health document of a gateway that runs here; None if what runs is none."""
    loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}
    host = loopback[listen.host] if listen.host in WILDCARDS else listen.host
    pool = HttpPool(
        Origin(host=host, port=listen.port, is_tls=False),
        connections_max=1,
        timeout_s=limits.CONNECT_TIMEOUT_S,
    )
    pool.start()
    message = f"GET {path} HTTP/1.1\r\nhost: {Address(host, listen.port)}\r\n\r\n"
    try:
        document = json.loads((await pool.ask(message.encode("latin-1"))).body)
    except (PeerError, TimeoutError, ValueError):
        return None
    finally:
        await pool.close()
    if not isinstance(document, dict) or "status" not in document:
        return None
    return document if isinstance(document.get("held"), int) else None
