"""The part of a configuration that runs on this machine."""

from __future__ import annotations

import dataclasses
import os
import shutil

from tailrace import config as configuration
from tailrace.config import Config, DevOptions, FunctionConfig, RouteConfig, TransportName
from tailrace.errors import ConfigError


def load(options: DevOptions) -> tuple[Config, dict[str, FunctionConfig]]:
    """Return the configuration without the functions that cannot run here, and these.

    Raises:
        ConfigError: the configuration is wrong.
    """
    if options.target is not None:
        config = configuration.config_of(options.target, options.transport or "callback")
        config = configuration.overridden(config, options.hold_back, options.allow_hosts)
    else:
        config = configuration.load(
            options.config_path, hold_back=options.hold_back, allow_hosts=options.allow_hosts
        )
    if options.function is not None:
        config = _only(options.function, options.transport or "callback", config)
    _refuse_routes_to_elsewhere(options, config)
    functions = {
        name: _without_cache(function)
        for name, function in config.functions.items()
        if _is_installed(function)
    }
    left_out = {n: f for n, f in config.functions.items() if n not in functions}
    routes = tuple(
        route
        for route in config.routes
        if route.invoke_url is not None or route.function_name in functions
    )
    return dataclasses.replace(config, functions=functions, routes=routes), left_out


def _only(name: str, transport: TransportName, config: Config) -> Config:
    """Return the configuration with a single route, which sends every path to one function."""
    if name not in config.functions:
        known = ", ".join(config.functions) or "there are none"
        raise ConfigError(f"there is no function {name!r}", where="--function", allowed=known)
    route = RouteConfig(path="/*", function=name, transport=transport)
    return dataclasses.replace(config, routes=(route,))


def _refuse_routes_to_elsewhere(options: DevOptions, config: Config) -> None:
    """Refuse a route whose function is not in the file; such a file is legal for a gateway."""
    for index, route in enumerate(config.routes):
        if route.invoke_url is None and route.function_name not in config.functions:
            raise ConfigError(
                f"there is no function {route.function[:80]!r} to run here;"
                f" add [functions.{route.function_name[:64]}],"
                " or run `tailrace gateway` for functions that run elsewhere",
                where=f"{options.config_path}: routes[{index}].function",
            )


def _is_installed(function: FunctionConfig) -> bool:
    """Whether the program of a function is found, by the `PATH` of the function."""
    if function.command is None:
        return True
    program = function.command[0]
    if os.sep in program:
        return shutil.which(function.path / program) is not None
    return shutil.which(program, path=function.environment.get("PATH")) is not None


def _without_cache(function: FunctionConfig) -> FunctionConfig:
    """Return the function without Python's cache of compiled code.

    Python treats a file as unchanged if its size and the second of its change are the same, so a
    quick second edit would not run. On Lambda there is no cache either: the directory is read-only.
    """
    environment = {"PYTHONDONTWRITEBYTECODE": "1", **function.environment}
    return dataclasses.replace(function, environment=environment)
