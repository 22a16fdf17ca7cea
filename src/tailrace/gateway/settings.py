"""From what a file and the command line say to how a gateway behaves."""

from __future__ import annotations

from tailrace.config import Address, Config, GatewayConfig
from tailrace.errors import ConfigError
from tailrace.gateway.exchange.deadlines import Deadlines
from tailrace.gateway.service import GatewaySettings
from tailrace.net.server.web_access import WebAccess

_WILDCARDS = ("0.0.0.0", "::")


def settings_from(
    config: GatewayConfig,
    *,
    listen: Address,
    callback_listen: Address,
    advertise: str | None,
    web_access: WebAccess | None = None,
) -> GatewaySettings:
    """Return a gateway's settings; `advertise` is the base of callback URLs.

    `web_access` is what web pages may do; None where everybody may ask.

    Raises:
        ConfigError: the callback listener is on every address of the machine, and `advertise`
            does not say which of them functions can call.
    """
    if advertise is None and callback_listen.host in _WILDCARDS:
        raise ConfigError(
            f"--advertise: missing; --callback-listen {callback_listen} is no address that"
            " functions can call; allowed: [https://]HOST[:PORT]"
        )
    return GatewaySettings(
        host=listen.host,
        port=listen.port,
        callback_host=callback_listen.host,
        callback_port=callback_listen.port,
        advertise=advertise,
        web_access=web_access,
        health_path=config.health_path,
        trusted_hops=config.trusted_hops,
        uploads_max=config.uploads_max,
        drain_delay_s=config.drain_delay_s,
        drain_timeout_s=config.drain_timeout_s,
        deadlines=Deadlines(
            first_byte_s=config.first_byte_timeout_s,
            idle_s=config.function_idle_timeout_s,
            stall_s=config.client_stall_timeout_s,
            total_s=config.total_timeout_s,
        ),
    )


def local_access(config: Config, listen: Address) -> WebAccess:
    """Return what web pages may do at a gateway on a developer's machine.

    The hosts of routes are names that the developer has chosen.
    """
    hosts = (route.host for route in config.routes if route.host is not None)
    return WebAccess(
        hosts=(*config.emulator.allowed_hosts, *hosts, listen.host),
        origins=config.emulator.allowed_origins,
        serves_links=True,
    )
