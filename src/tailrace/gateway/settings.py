"""The settings of a gateway: its part of the configuration, addresses and bounds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from tailrace import limits
from tailrace.config import (
    WILDCARDS,
    Address,
    Config,
    GatewayConfig,
    GatewayOptions,
    unadvertised,
)
from tailrace.net.server.web_access import WebAccess

_DEFAULTS: Final = GatewayOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """The addresses, configuration and bounds of a gateway.

    The bounds `…_max` are lowered if the process has too few file descriptors.
    """

    listen: Address = _DEFAULTS.listen
    callback_listen: Address = _DEFAULTS.callback_listen
    advertise: str | None = None
    """The base of callback URLs, such as "http://10.0.0.7:8081": where functions reach the
    callback listener. None: the listener's own address."""
    advertise_source: str | None = None
    """Where that address was found, for the log; None: it was given."""
    config: GatewayConfig = field(default_factory=GatewayConfig)
    """What `tailrace.toml` and the command line set."""
    held_max: int = limits.HELD_MAX
    clients_max: int = limits.CONNECTIONS_MAX
    callbacks_max: int = limits.CONNECTIONS_MAX
    body_total_timeout_s: float = limits.BODY_TOTAL_TIMEOUT_S
    drain_idle_timeout_s: float = limits.DRAIN_IDLE_TIMEOUT_S
    web_access: WebAccess | None = None
    """What web pages may do on a developer's machine. None: a public proxy, which checks no pages;
    pages reach it as they reach the functions behind it."""


def settings_from(
    config: GatewayConfig,
    *,
    listen: Address,
    callback_listen: Address,
    advertise: str | None,
    advertise_source: str | None = None,
    web_access: WebAccess | None = None,
) -> GatewaySettings:
    """Return a gateway's settings.

    Raises:
        ConfigError: the callback listener is on every address of the machine, and `advertise`
            does not name one that functions can call.
    """
    if advertise is None and callback_listen.host in WILDCARDS:
        raise unadvertised(callback_listen)
    return GatewaySettings(
        listen=listen,
        callback_listen=callback_listen,
        advertise=advertise,
        held_max=config.held_max,
        advertise_source=advertise_source,
        # A developer's machine is late whenever it compiles something.
        config=config if web_access is None else replace(config, late_s_max=0.0),
        web_access=web_access,
    )


def local_access(config: Config, listen: Address) -> WebAccess:
    """Return what web pages may do at a gateway on a developer's machine.

    The hosts of routes are allowed: the developer has chosen them.
    """
    hosts = (route.host for route in config.routes if route.host is not None)
    return WebAccess(
        hosts=(*config.emulator.allowed_hosts, *hosts, listen.host),
        origins=config.emulator.allowed_origins,
        serves_links=True,
    )
