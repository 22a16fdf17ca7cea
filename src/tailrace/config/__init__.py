"""Typed settings: of `tailrace.toml`, of commands, and addresses."""

from tailrace.config.address import (
    WILDCARDS,
    Address,
    PortRange,
    check_url,
    is_auto,
    parse_address,
    parse_advertise,
    parse_host_name,
    unadvertised,
    with_host,
)
from tailrace.config.commands import (
    ADMIN_ADDRESS,
    METRICS_INTERVAL_S,
    DevOptions,
    EmulatorOptions,
    GatewayOptions,
    Wanted,
)
from tailrace.config.function import (
    HOLD_BACKS,
    CorsConfig,
    DestinationsConfig,
    FunctionConfig,
    HoldBackConfig,
    HoldBackName,
    UrlConfig,
)
from tailrace.config.interpreter import Interpreter
from tailrace.config.lifecycle import HookName
from tailrace.config.reader import load, overridden
from tailrace.config.records import (
    Config,
    EmulatorConfig,
    GatewayConfig,
    RouteConfig,
    TransportName,
)
from tailrace.config.target import CONFIG_NAME, config_of

__all__ = [
    "ADMIN_ADDRESS",
    "CONFIG_NAME",
    "HOLD_BACKS",
    "METRICS_INTERVAL_S",
    "WILDCARDS",
    "Address",
    "Config",
    "CorsConfig",
    "DestinationsConfig",
    "DevOptions",
    "EmulatorConfig",
    "EmulatorOptions",
    "FunctionConfig",
    "GatewayConfig",
    "GatewayOptions",
    "HoldBackConfig",
    "HoldBackName",
    "HookName",
    "Interpreter",
    "PortRange",
    "RouteConfig",
    "TransportName",
    "UrlConfig",
    "Wanted",
    "check_url",
    "config_of",
    "is_auto",
    "load",
    "overridden",
    "parse_address",
    "parse_advertise",
    "parse_host_name",
    "unadvertised",
    "with_host",
]
