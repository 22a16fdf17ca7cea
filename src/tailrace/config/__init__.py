"""Typed settings: `tailrace.toml`, and addresses on the command line."""

from tailrace.config.address import Address, check_url, parse_address, parse_advertise
from tailrace.config.reader import load
from tailrace.config.records import (
    Config,
    CorsConfig,
    DestinationsConfig,
    EmulatorConfig,
    FunctionConfig,
    GatewayConfig,
    HoldBackConfig,
    RouteConfig,
    UrlConfig,
)

__all__ = [
    "Address",
    "Config",
    "CorsConfig",
    "DestinationsConfig",
    "EmulatorConfig",
    "FunctionConfig",
    "GatewayConfig",
    "HoldBackConfig",
    "RouteConfig",
    "UrlConfig",
    "check_url",
    "load",
    "parse_address",
    "parse_advertise",
]
