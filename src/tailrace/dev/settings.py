"""What `tailrace dev` runs, and where it listens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tailrace.config import Address, HoldBackName

Transport = Literal["callback", "response-stream"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """An address to listen on. One that is not firm may be replaced when its port is taken."""

    address: Address
    is_firm: bool
    option: str
    """What chooses another, for messages."""


@dataclass(frozen=True, slots=True)
class DevSettings:
    """What to run, and where.

    `function` gets every path when given, by `transport`; otherwise the routes of the file count.
    `advertise` is where functions call back, [https://]HOST[:PORT]; without it, it is the
    listener's own address. `gateway` and `hold_back` go before what the file says, `allow_hosts`
    are added to its `allowed_hosts`.
    """

    config_path: Path
    listen: Wanted
    callback_listen: Wanted
    emulator_listen: Wanted
    function: str | None = None
    transport: Transport = "callback"
    advertise: str | None = None
    gateway: Mapping[str, Any] = field(default_factory=dict)
    hold_back: HoldBackName | None = None
    allow_hosts: tuple[str, ...] = ()
