"""The commands that serve. Each imports its parts when it runs, so that its extra is sufficient."""

from __future__ import annotations

import dataclasses
import os
import shlex
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource

from tailrace import __version__
from tailrace.cli.gateway_file import find_config, gateway_file, routes_of
from tailrace.cli.logs import LogSettings
from tailrace.cli.options import given, options_of, overrides_of, take
from tailrace.cli.reporting import reporting
from tailrace.cli.usage import CONTEXT, HintingGroup
from tailrace.config import (
    CONFIG_NAME,
    METRICS_INTERVAL_S,
    DevOptions,
    EmulatorOptions,
    GatewayConfig,
    GatewayOptions,
    TransportName,
    Wanted,
    is_auto,
    load,
    parse_advertise,
)
from tailrace.errors import ConfigError
from tailrace.setting import fields_of

if TYPE_CHECKING:  # Windows has no fleet
    from tailrace.fleet.handover import ParentState
    from tailrace.fleet.membership import Membership
    from tailrace.gateway.observe.emf import MetricsSettings


@click.group(
    cls=HintingGroup,
    context_settings=CONTEXT,
)
@click.version_option(__version__, prog_name="tailrace", message="%(prog)s %(version)s")
def tailrace() -> None:
    """Stream responses out of serverless functions, on time and on any path."""


@tailrace.command(short_help="Run an app, or functions, behind a gateway on this machine.")
@click.argument("target", metavar="[MODULE:ATTRIBUTE]", required=False)
@options_of(DevOptions)
@overrides_of(GatewayConfig, "drain_delay_s", "drain_timeout_s")
@options_of(LogSettings)
@click.pass_context
def dev(context: click.Context, /, **values: Any) -> None:
    """Run an app, or functions, and a gateway on this machine; reload when files change.

    MODULE:ATTRIBUTE is an ASGI or WSGI app, or a handler, in this directory, as in main:app. It
    needs no file. Without it, the functions of tailrace.toml run.

    A usual port that is taken is replaced by a free one; a port that you name is not.
    """
    target = values["target"]
    if target is None:
        values["config_path"] = find_config(values["config_path"], "give --config FILE")
    else:
        _refuse_beside(target, {"--config": "config_path", "--function": "function"}, values)
        values["config_path"] = Path(CONFIG_NAME)
    from tailrace.cli.serve import serve_dev

    _note_firm(context, DevOptions, values)
    log_settings, options = take(LogSettings, values), take(DevOptions, values)
    _check_transport(options.function or target, options.transport)
    _run(serve_dev, dataclasses.replace(options, gateway=given(values)), log_settings)


@tailrace.command(short_help="Hold responses, invoke functions, relay what these answer.")
@options_of(GatewayOptions)
@overrides_of(GatewayConfig)
@options_of(LogSettings)
@click.pass_context
def gateway(context: click.Context, /, **values: Any) -> None:
    """Hold clients' responses, invoke functions, relay what these answer."""
    _note_firm(context, GatewayOptions, values)
    log_settings, options = take(LogSettings, values), take(GatewayOptions, values)
    _check_transport(options.function, options.transport)
    is_alone = sys.platform == "win32" or options.workers == 0
    if is_alone:
        _refuse_of_parent(options)
    _check_lifecycle(options)
    metrics = _metrics(options)
    if options.is_check:
        _run_check(options, values, log_settings)
    if options.is_json:
        raise ConfigError("belongs to --check", where="--json")
    if is_alone:
        if os.environ.get("LISTEN_PID") == str(os.getpid()):
            problem = "a gateway of one process takes no passed sockets; leave out --workers 0"
            raise ConfigError(problem, where="LISTEN_FDS")
        options, source = _located(options)
        _run_gateway(options, values, log_settings, metrics, source=source)
    from tailrace.fleet.membership import membership_from

    member = membership_from(os.environ)
    if member is not None:
        with reporting(member):
            _run_gateway(options, values, log_settings, member=member)
    from tailrace.cli.fleet import serve_fleet
    from tailrace.fleet.handover import state_from
    from tailrace.fleet.settings import fleet_settings

    state = state_from(os.environ)
    text = None if state is None else state.config_text
    path = gateway_file(options, text)
    config, _ = routes_of(options, path, text)
    config = dataclasses.replace(config, **given(values))
    options, source = _located(options, state)
    settings = fleet_settings(options, config, path, source)
    _run(serve_fleet, settings, log_settings, metrics, state)


def _metrics(options: GatewayOptions) -> MetricsSettings | None:
    """Return the settings of metrics; None for a gateway without."""
    name, interval_s = options.metrics_name, options.metrics_interval_s
    if options.metrics is None:
        for option, value in (("--metrics-name", name), ("--metrics-interval", interval_s)):
            if value is not None:
                raise ConfigError("belongs to --metrics emf", where=option)
        return None
    if name is None:
        problem = "needs --metrics-name NAME, the same for all gateways that are scaled together"
        raise ConfigError(problem, where="--metrics")
    from tailrace.gateway.observe.emf import MetricsSettings

    host, interval_s = socket.gethostname(), interval_s or METRICS_INTERVAL_S
    return MetricsSettings(name=name, host=host, interval_s=interval_s)


def _run_check(
    options: GatewayOptions, values: Mapping[str, Any], log_settings: LogSettings
) -> NoReturn:
    """Check what a gateway with these options needs."""
    from tailrace.cli.check import CallbackPlan, check_gateway

    path = gateway_file(options)
    config, routes = routes_of(options, path)
    config = dataclasses.replace(config, **given(values))

    def plan(options: GatewayOptions) -> CallbackPlan:
        if sys.platform == "win32" or options.workers == 0:
            listen, advertise = options.callback_listen, options.advertise
            base_of = partial(parse_advertise, advertise) if advertise else lambda port: None
            return CallbackPlan(host=listen.host, ports=[listen.port], workers=1, base_of=base_of)
        from tailrace.fleet.settings import fleet_settings

        settings = fleet_settings(options, config, path)
        given_ports = settings.callback_ports
        ports = range(given_ports.first, given_ports.last + 1)
        return CallbackPlan(
            host=given_ports.host,
            ports=[port for port in ports if not port or port not in given_ports.avoid],
            workers=settings.workers,
            base_of=settings.advertised,
        )

    _run(check_gateway, options, config, routes, plan, log_settings)


def _run_gateway(
    options: GatewayOptions,
    values: Mapping[str, Any],
    log_settings: LogSettings,
    metrics: MetricsSettings | None = None,
    *,
    member: Membership | None = None,
    source: str | None = None,
) -> NoReturn:
    """Run a gateway in this process: a worker if it is a member."""
    from tailrace.cli.serve import serve_gateway
    from tailrace.gateway.aws.endpoint import find_endpoint
    from tailrace.gateway.settings import settings_from

    text = None if member is None else member.config_text
    config, routes = routes_of(options, gateway_file(options, text), text)
    advertise = options.advertise
    if member is not None:
        advertise = member.advertise
    elif advertise is not None:
        advertise = parse_advertise(advertise, options.callback_listen.port)
    settings = settings_from(
        dataclasses.replace(config, **given(values)),
        listen=options.listen,
        callback_listen=options.callback_listen,
        advertise=advertise,
        advertise_source=source,
    )
    needs_lambda = any(route.invoke_url is None for route in routes)
    endpoint = find_endpoint(options.endpoint_url) if needs_lambda else None
    _run(serve_gateway, settings, routes, endpoint, log_settings, metrics, member)


@tailrace.command()
@options_of(EmulatorOptions)
@options_of(LogSettings)
def emulator(**values: Any) -> None:
    """Run functions as Lambda does, on this machine."""
    from tailrace.cli.serve import serve_emulator

    log_settings, options = take(LogSettings, values), take(EmulatorOptions, values)
    path = find_config(options.config_path, "give --config FILE")
    config = load(path, hold_back=options.hold_back, allow_hosts=options.allow_hosts)
    _run(serve_emulator, config, options.listen, log_settings)


@tailrace.command(short_help="Write a first tailrace.toml and a handler.")
@click.argument(
    "folder", metavar="[FOLDER]", default=".", type=click.Path(path_type=Path, file_okay=False)
)
def init(folder: Path) -> None:
    """Write a first tailrace.toml and a handler into this directory, or into FOLDER.

    Nothing is overwritten.
    """
    from tailrace.cli.starter import write_starter

    click.echo(f"wrote {' and '.join(str(folder / name) for name in write_starter(folder))}")
    go = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    click.echo(f"next: {go}tailrace dev")


def _located(
    options: GatewayOptions, state: ParentState | None = None
) -> tuple[GatewayOptions, str | None]:
    """Return the options with an address in place of `auto`, and where that was found.

    A parent that has re-executed itself keeps its address: if the metadata were not to be had at
    this moment, its workers would lose their parent.
    """
    text = options.advertise
    if text is None or not is_auto(text):
        return options, None
    if state is not None and state.advertise is not None:
        return dataclasses.replace(options, advertise=state.advertise), state.advertise_source
    from tailrace.gateway.advertised import find_advertised
    from tailrace.net.process.startup import run

    found = run(find_advertised(text, options.callback_listen, os.environ))
    return dataclasses.replace(options, advertise=found.text), found.source


def _note_firm(context: click.Context, record: type[Any], values: dict[str, Any]) -> None:
    """Make addresses `Wanted`: firm are those that the command line names."""
    for name, field in fields_of(record).items():
        if field.bare_type is Wanted and values[name] is not None:
            is_firm = context.get_parameter_source(name) is not ParameterSource.DEFAULT
            values[name] = Wanted(values[name], is_firm, field.option)


def _check_transport(function: str | None, transport: TransportName | None) -> None:
    if transport is not None and function is None:
        problem = "belongs to --function; routes of the file have their own"
        raise ConfigError(problem, where="--transport")


def _refuse_of_parent(options: GatewayOptions) -> None:
    """Refuse options that only the parent of workers heeds, for a gateway of one process."""
    problem = "a gateway of one process, as with --workers 0, has none; leave it out"
    if options.admin_listen is not None and options.admin_listen.is_firm:
        raise ConfigError(problem, where="--admin-listen")
    if options.callback_ports is not None:
        problem = "a gateway of one process, as with --workers 0, has the port of --callback-listen"
        raise ConfigError(problem, where="--callback-ports")
    if options.lifecycle_hook is not None:
        problem = "a gateway of one process, as with --workers 0, watches no instance; leave it out"
        raise ConfigError(problem, where="--lifecycle-hook")


def _check_lifecycle(options: GatewayOptions) -> None:
    if options.lifecycle_heartbeat_s is not None and options.lifecycle_hook is None:
        raise ConfigError("belongs to --lifecycle-hook", where="--lifecycle-heartbeat")
    if options.lifecycle_hook is not None:
        from tailrace.gateway.aws.metadata import is_disabled

        if is_disabled(os.environ):
            problem = "reads the instance's metadata, which AWS_EC2_METADATA_DISABLED forbids"
            raise ConfigError(f"{problem}; unset that variable", where="--lifecycle-hook")


def _refuse_beside(target: str, names: Mapping[str, str], values: Mapping[str, Any]) -> None:
    """Refuse options that belong to a file beside what needs none."""
    for option, name in names.items():
        if values[name] is not None:
            problem = f"belongs to a file, and {target} runs without one; leave out one of the two"
            raise ConfigError(problem, where=option)


def _run(main: Callable[..., Coroutine[Any, Any, int]], *arguments: object) -> NoReturn:
    """Run a server on the fastest event loop that is installed, and exit with its code."""
    from tailrace.net.process.startup import run

    sys.exit(run(main(*arguments)))
