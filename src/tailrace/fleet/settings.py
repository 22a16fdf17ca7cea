"""What a parent needs of the command line: addresses, the number of workers, times."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tailrace.config import (
    WILDCARDS,
    Address,
    GatewayConfig,
    GatewayOptions,
    HookName,
    PortRange,
    Wanted,
    parse_advertise,
    unadvertised,
)
from tailrace.errors import ConfigError
from tailrace.fleet.sockets import CallbackPorts
from tailrace.net.process.limits import LIFECYCLE_HEARTBEAT_S

_GENERATIONS: Final = 4
"""Workers of so many generations have a callback port: those that serve, and those that drain."""


FROM_FILE: Final = ("drain_delay_s", "drain_timeout_s", "held_max")
"""What the configuration file may set: a reload takes it from the new workers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSettings:
    """The settings of a parent."""

    listen: Address
    callback_ports: CallbackPorts
    workers: int
    advertise: str | None
    """As the option gives it; None: each worker's own address."""
    advertise_source: str | None
    """Where that address was found, for the log; None: it was given."""
    admin_listen: Wanted | None
    """Where the admin listener is; None: there is none."""
    config_path: Path | None
    drain_delay_s: float
    drain_timeout_s: float
    held_max: int
    lifecycle_hook: HookName | None
    """The hook that this EC2 instance waits in when it is to end; None: nothing is watched."""
    lifecycle_heartbeat_s: float

    def advertised(self, port: int) -> str | None:
        """Return the base of callback URLs of a worker with this callback port.

        Without a port of its own, the advertised host is called at the worker's port. With one,
        the first callback port is called there, the second at the next port, and so on.
        """
        if self.advertise is None:
            return None
        return parse_advertise(self.advertise, port, offset=port - self.callback_ports.first)

    @property
    def advertises_one_of_any_port(self) -> bool:
        """Whether one port is advertised, and any is to be bound: the first one is the only one."""
        if self.advertise is None or self.callback_ports.first:
            return False
        return parse_advertise(self.advertise, 1) == parse_advertise(self.advertise, 2)


def fleet_settings(
    options: GatewayOptions,
    config: GatewayConfig,
    config_path: Path | None,
    advertise_source: str | None = None,
) -> FleetSettings:
    """Return the settings of a parent; an advertised address must have been found already.

    Raises:
        ConfigError: an address is wrong, or there are too few callback ports.
    """
    listen, advertise = options.callback_listen, options.advertise
    if advertise is None and listen.host in WILDCARDS:
        raise unadvertised(listen)
    if advertise is not None:
        parse_advertise(advertise, listen.port or 1)
    avoid = [options.listen.port]
    if options.admin_listen is not None:
        avoid.append(options.admin_listen.address.port)
    ports = _callback_ports(
        listen, options.callback_ports, options.workers, tuple(avoid), advertise
    )
    return FleetSettings(
        listen=options.listen,
        callback_ports=ports,
        workers=options.workers,
        advertise=advertise,
        advertise_source=advertise_source,
        admin_listen=options.admin_listen,
        config_path=config_path,
        drain_delay_s=config.drain_delay_s,
        drain_timeout_s=config.drain_timeout_s,
        held_max=config.held_max,
        lifecycle_hook=options.lifecycle_hook,
        lifecycle_heartbeat_s=options.lifecycle_heartbeat_s or LIFECYCLE_HEARTBEAT_S,
    )


def _callback_ports(
    listen: Address,
    ports: PortRange | None,
    workers: int,
    avoid: tuple[int, ...],
    advertise: str | None,
) -> CallbackPorts:
    """Return the ports of callback listeners: those given, or from that of `listen` on.

    Raises:
        ConfigError: they are too few for the workers.
    """
    if listen.port == 0 and ports is None:
        return CallbackPorts(listen.host, 0, 0)
    if ports is None:
        count = 1 if _has_one_port(advertise) else _GENERATIONS * workers + len(avoid)
        ports = PortRange(listen.port, min(listen.port + count - 1, 65_535))
    first, last = ports
    if first != last and advertise is not None and _is_one_for_all(advertise):
        problem = f"functions would call the workers of ports {first}-{last} at one and the same"
        remedy = f"add the port that stands for {first}, the others follow"
        raise ConfigError(f"{problem}; {remedy}", where="--advertise")
    usable = [port for port in range(first, last + 1) if port not in avoid]
    if len(usable) < workers:
        where = "--advertise" if _has_one_port(advertise) else "--callback-ports"
        free = f"{len(usable)} of {first}-{last} without those of --listen and --admin-listen"
        problem = f"each of {workers} workers needs a callback port, and there are {free}"
        raise ConfigError(problem, where=where)
    return CallbackPorts(listen.host, first, last, avoid)


def _is_one_for_all(advertise: str) -> bool:
    """Whether each worker would be called at the same port."""
    return advertise.startswith("https://") and urlsplit(advertise).port is None


def _has_one_port(advertise: str | None) -> bool:
    """Whether functions call port 443, behind which there is one callback port by default."""
    if advertise is None or not advertise.startswith("https://"):
        return False
    return parse_advertise(advertise, 1).endswith(":443")
