"""The options that commands share, and how their values are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from tailrace import limits
from tailrace.cli.logs import FORMATS, LEVELS, LogSettings
from tailrace.config import HOLD_BACKS, Address, GatewayConfig, parse_address, parse_host_name

CONFIG_NAME: Final = "tailrace.toml"

_DEFAULTS: Final = GatewayConfig()

Command = TypeVar("Command", bound=Callable[..., Any])


def listen_option(option: str, default: str, what: str) -> Callable[[Command], Command]:
    """An option for an address to listen on; port 0 is any free one."""
    return click.option(
        option,
        metavar="HOST:PORT",
        default=default,
        show_default=True,
        callback=_read_address,
        help=what,
    )


def _read_address(context: click.Context, parameter: click.Parameter, value: str) -> Address:
    return parse_address(value, name=parameter.opts[0])


def _read_host_names(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    return tuple(parse_host_name(value, name=parameter.opts[0]) for value in values)


config_option = click.option(
    "--config",
    "config_path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help=f"The functions and routes.  [default: {CONFIG_NAME} in this directory]",
)

function_option = click.option(
    "--function", metavar="NAME", help="Send every path to this function, whatever the routes say."
)

transport_option = click.option(
    "--transport",
    metavar="TRANSPORT",
    type=click.Choice(["callback", "response-stream"]),
    help="How the response of --function comes back: by callback or response-stream. "
    " [default: callback]",
)

hold_back_option = click.option(
    "--hold-back",
    metavar="HOW",
    type=click.Choice(list(HOLD_BACKS)),
    help="Let streams come late: lambda, as it has been measured there, or off. "
    " [default: as the file says]",
)

allow_host_option = click.option(
    "--allow-host",
    "allow_hosts",
    metavar="NAME",
    multiple=True,
    callback=_read_host_names,
    help="A host name that requests may use, beside localhost and IP addresses; repeat it for more."
    "  [default: allowed_hosts of the file]",
)

advertise_option = click.option(
    "--advertise",
    metavar="[https://]HOST[:PORT]",
    help="Where functions reach the callback listener; required when that is on 0.0.0.0 or ::.",
)

local_advertise_option = click.option(
    "--advertise",
    metavar="[https://]HOST[:PORT]",
    help="Where functions reach the callback listener, when they are to call another address.",
)

endpoint_option = click.option(
    "--endpoint-url",
    metavar="URL",
    help="The Lambda endpoint.  [default: AWS's, of the configured region]",
)


def gateway_options(command: Command) -> Command:
    """One option for each setting of `[gateway]` in the file; an option goes before the file."""
    seconds = click.FloatRange(0, 86_400, min_open=True)
    for option in (
        _setting(
            "--uploads-max",
            click.IntRange(1, limits.CONNECTIONS_MAX),
            "Request bodies under way at a time.",
        ),
        _setting("--trusted-hops", click.IntRange(0, 16), "Proxies in front that are believed."),
        _setting("--health-path", click.STRING, "Answers 200, and 503 while the gateway drains."),
        drain_options,
        _setting("--total-timeout", seconds, "A whole exchange."),
        _setting("--client-stall-timeout", seconds, "A client that takes nothing."),
        _setting("--function-idle-timeout", seconds, "A function that is silent in mid-body."),
        _setting("--first-byte-timeout", seconds, "From the invocation to the response's head."),
    ):
        command = option(command)
    return command


def log_options(command: Command) -> Command:
    """The options for what is shown of the log."""
    for name, values, what in (
        ("level", LEVELS, "What is logged: that and worse."),
        ("format", FORMATS, "Log lines for people, or one JSON object a line."),
    ):
        command = click.option(
            f"--log-{name}",
            metavar=name.upper(),
            type=click.Choice(values),
            default=getattr(LogSettings(), name),
            show_default=True,
            help=what,
        )(command)
    return command


def drain_options(command: Command) -> Command:
    """The options for how the end goes on."""
    seconds = click.FloatRange(0, 86_400)
    command = _setting("--drain-timeout", seconds, "For open responses, at the end.")(command)
    return _setting("--drain-delay", seconds, "Requests are still taken, while health says 503.")(
        command
    )


def _setting(option: str, kind: click.ParamType[Any], what: str) -> Callable[[Command], Command]:
    is_time = option.endswith(("-timeout", "-delay"))
    name = option.removeprefix("--").replace("-", "_") + ("_s" if is_time else "")
    return click.option(
        option,
        name,
        type=kind,
        metavar="SECONDS" if is_time else "PATH" if kind is click.STRING else "COUNT",
        callback=_read_path if kind is click.STRING else None,
        help=f"{what}  [default: {getattr(_DEFAULTS, name)}]",
    )


def _read_path(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and (not value.startswith("/") or set(value) & set("*?# \t\r\n")):
        raise click.BadParameter(f"{value!r} is not a path that begins with '/'")
    return value
