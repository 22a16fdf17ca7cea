"""The commands. What a command needs is imported when it runs, so that each extra is enough."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, Literal, NoReturn

import click
from click.core import ParameterSource

from tailrace import __version__
from tailrace.cli.logs import LogFormat, LogLevel, LogSettings
from tailrace.cli.options import (
    CONFIG_NAME,
    advertise_option,
    allow_host_option,
    config_option,
    drain_options,
    endpoint_option,
    function_option,
    gateway_options,
    hold_back_option,
    listen_option,
    local_advertise_option,
    log_options,
    transport_option,
)
from tailrace.cli.probe import probe
from tailrace.cli.usage import HintingGroup
from tailrace.config import (
    Address,
    GatewayConfig,
    HoldBackName,
    RouteConfig,
    check_url,
    load,
    parse_advertise,
)
from tailrace.errors import ConfigError

Transport = Literal["callback", "response-stream"]

_CLIENTS: Final = listen_option("--listen", "127.0.0.1:8080", "Where clients connect.")
_CALLBACKS: Final = listen_option(
    "--callback-listen", "127.0.0.1:8081", "Where functions call back."
)


@click.group(
    cls=HintingGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="tailrace", message="%(prog)s %(version)s")
def tailrace() -> None:
    """Stream responses out of serverless functions, on time and on any path."""


tailrace.add_command(probe)


@tailrace.command()
@config_option
@function_option
@transport_option
@_CLIENTS
@_CALLBACKS
@listen_option("--emulator-listen", "127.0.0.1:9000", "Where SDKs find the emulated Lambda.")
@local_advertise_option
@allow_host_option
@hold_back_option
@drain_options
@log_options
@click.pass_context
def dev(context: click.Context, /, config_path: Path | None, **options: Any) -> None:
    """Run functions and a gateway on this machine; reload them when files change.

    A usual port that is taken is replaced by a free one; a port that you name is not.
    """
    path = _find_config(config_path, "give --config FILE")
    from tailrace.cli.serve import serve_dev
    from tailrace.dev import DevSettings, Wanted

    def wanted(name: str) -> Wanted:
        is_firm = context.get_parameter_source(name) is not ParameterSource.DEFAULT
        return Wanted(options[name], is_firm, "--" + name.replace("_", "-"))

    settings = DevSettings(
        config_path=path,
        listen=wanted("listen"),
        callback_listen=wanted("callback_listen"),
        emulator_listen=wanted("emulator_listen"),
        function=options["function"],
        transport=_transport(options["function"], options["transport"]),
        advertise=options["advertise"],
        gateway={
            name: options[name]
            for name in ("drain_delay_s", "drain_timeout_s")
            if options[name] is not None
        },
        hold_back=options["hold_back"],
        allow_hosts=options["allow_hosts"],
    )
    _run(serve_dev, settings, LogSettings(options["log_format"], options["log_level"]))


@tailrace.command()
@config_option
@function_option
@transport_option
@_CLIENTS
@_CALLBACKS
@advertise_option
@endpoint_option
@gateway_options
@log_options
def gateway(
    config_path: Path | None,
    function: str | None,
    transport: Transport | None,
    listen: Address,
    callback_listen: Address,
    advertise: str | None,
    endpoint_url: str | None,
    log_format: LogFormat,
    log_level: LogLevel,
    **settings: Any,
) -> None:
    """Hold clients' responses, invoke functions, relay what these answer."""
    from tailrace.cli.serve import serve_gateway
    from tailrace.gateway.aws.invoke import find_endpoint
    from tailrace.gateway.settings import settings_from

    config, routes = _routes(config_path, function, _transport(function, transport))
    needs_lambda = any(route.invoke_url is None for route in routes)
    given = {name: value for name, value in settings.items() if value is not None}
    base = None if advertise is None else parse_advertise(advertise, callback_listen.port)
    gateway_settings = settings_from(
        dataclasses.replace(config, **given),
        listen=listen,
        callback_listen=callback_listen,
        advertise=base,
    )
    endpoint = find_endpoint(endpoint_url) if needs_lambda else None
    log_settings = LogSettings(log_format, log_level)
    _run(serve_gateway, gateway_settings, routes, endpoint, log_settings)


@tailrace.command()
@config_option
@listen_option("--listen", "127.0.0.1:9000", "Where SDKs find the emulated Lambda.")
@allow_host_option
@hold_back_option
@log_options
def emulator(
    config_path: Path | None,
    listen: Address,
    allow_hosts: tuple[str, ...],
    hold_back: HoldBackName | None,
    log_format: LogFormat,
    log_level: LogLevel,
) -> None:
    """Run functions as Lambda does, on this machine."""
    from tailrace.cli.serve import serve_emulator

    path = _find_config(config_path, "give --config FILE")
    config = load(path, hold_back=hold_back, allow_hosts=allow_hosts)
    _run(serve_emulator, config, listen, LogSettings(log_format, log_level))


def _routes(
    path: Path | None, function: str | None, transport: Transport
) -> tuple[GatewayConfig, tuple[RouteConfig, ...]]:
    """What the gateway is told by its file, its `--function`, or both."""
    if function is not None:
        route = RouteConfig(path="/*", function=function, transport=transport)
        if route.invoke_url is not None:
            check_url(route.invoke_url, name="--function")
            if transport != "callback":
                raise ConfigError("--transport: what a URL invokes calls back; allowed: callback")
        return GatewayConfig() if path is None else load(path, runs_functions=False).gateway, (
            route,
        )
    found = _find_config(path, "give --config FILE, or --function NAME")
    config = load(found, runs_functions=False)
    if not config.routes:
        raise ConfigError(
            f"{config.path.name}: routes: missing; add [[routes]], or --function NAME"
        )
    return config.gateway, config.routes


def _transport(function: str | None, transport: Transport | None) -> Transport:
    if transport is not None and function is None:
        raise ConfigError("--transport: belongs to --function; routes of the file have their own")
    return transport or "callback"


def _find_config(path: Path | None, hint: str) -> Path:
    if path is not None or Path(CONFIG_NAME).exists():
        return path or Path(CONFIG_NAME)
    above = Path("..") / CONFIG_NAME
    more = f"; did you mean {above}?" if above.exists() else "; docs/tutorial.md writes one:"
    raise ConfigError(f"there is no {CONFIG_NAME} in this directory{more} {hint}")


def _run(main: Callable[..., Coroutine[Any, Any, int]], *arguments: object) -> NoReturn:
    """Run a server to its end on the fastest event loop there is, and exit with its code."""
    from tailrace.net.process.startup import run

    sys.exit(run(main(*arguments)))
