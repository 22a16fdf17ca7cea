"""`tailrace check`: whether the settings along the way of a response agree.

Exit codes: 0 if they do, with warnings or without; 1 if there is an error.
"""

from __future__ import annotations

import dataclasses
import difflib
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final

import click

from tailrace.agreement import (
    RULES,
    Agreement,
    InvokedFunction,
    Surroundings,
    Way,
    check_agreement,
    part_of,
    with_defaults,
)
from tailrace.cli.findings import show_findings
from tailrace.cli.gateway_file import gateway_file, routes_of
from tailrace.cli.options import given, options_of, overrides_of, take
from tailrace.cli.usage import CONTEXT
from tailrace.config import CONFIG_NAME, GatewayConfig, GatewayOptions
from tailrace.errors import ConfigError
from tailrace.net.process.limits import LIFECYCLE_HEARTBEAT_S
from tailrace.setting import Setting, fields_of
from tailrace.words import counted

_RULE_NAMES: Final = [rule.name for rule in RULES]
_LIFECYCLE: Final = ("lifecycle_heartbeat_s",)


def _parse_rule(text: str, *, name: str) -> str:
    if text in _RULE_NAMES:
        return text
    near = difflib.get_close_matches(text, _RULE_NAMES, 1)
    meant, allowed = (near[0], None) if near else (None, ", ".join(_RULE_NAMES))
    raise ConfigError(f"there is no rule {text!r}", where=name, meant=meant, allowed=allowed)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """What `tailrace check` leaves out, and how it prints."""

    allow: Annotated[
        tuple[str, ...],
        Setting(
            "A [rule](agreement.md) that is not checked, to be repeated for more.",
            help="A rule that is not checked; repeat it for more.",
            metavar="RULE",
            parse=_parse_rule,
        ),
    ] = ()
    is_json: Annotated[
        bool,
        Setting(
            "Print one JSON document instead of text.",
            help="Print one JSON document instead of text.",
            option="--json",
        ),
    ] = False


@click.command(
    context_settings=CONTEXT,
    short_help="Compare a gateway's time-outs and bounds with those around it.",
)
@options_of(Surroundings)
@options_of(InvokedFunction)
@options_of(
    GatewayOptions,
    "config_path",
    "function",
    "transport",
    "listen",
    "workers",
    "callback_ports",
    "lifecycle_hook",
    "lifecycle_heartbeat_s",
)
@overrides_of(GatewayConfig)
@options_of(CheckOptions)
def check(**values: Any) -> None:
    """Compare a gateway's time-outs and bounds with those of what is around it.

    Nothing is sent anywhere: options describe what is in front of the gateway, and behind it. What
    is unknown is not checked.
    """
    options, around = take(CheckOptions, values), take(Surroundings, values)
    function, gateway = take(InvokedFunction, values), take(GatewayOptions, values)
    path = gateway_file(gateway)
    from_file, routes = routes_of(gateway, path)
    overrides = given(values)
    config = dataclasses.replace(from_file, **overrides)
    way = Way(
        gateway=config,
        routes=routes,
        functions={route.function: function for route in routes if route.invoke_url is None},
        around=around,
        public_port=gateway.listen.port,
        callback_ports=gateway.callback_ports,
        workers=gateway.workers,
        lifecycle_heartbeat_s=_lifecycle_heartbeat_s(gateway),
        places={
            **_places(config, CONFIG_NAME if path is None else path.name),
            **_options(config, overrides),
            **_options(around),
            **_options(function),
            **_options(gateway, _LIFECYCLE if gateway.lifecycle_heartbeat_s else ()),
        },
    )
    agreement = check_agreement(with_defaults(way), options.allow)
    if not agreement.checked:
        raise ConfigError("there is nothing to compare; describe what is around: --behind alb")
    sys.exit(_show(agreement, around, options))


def _lifecycle_heartbeat_s(gateway: GatewayOptions) -> float | None:
    """Return the interval at which the gateway sends heartbeats for its hook, if it does."""
    if gateway.lifecycle_hook is None:
        return None
    return gateway.lifecycle_heartbeat_s or LIFECYCLE_HEARTBEAT_S


def _places(config: GatewayConfig, file: str) -> dict[str, str]:
    """Return where the settings of the gateway are set: in its file, or nowhere."""
    default = GatewayConfig()
    return {
        name: "the default" if getattr(config, name) == getattr(default, name) else file
        for name in fields_of(GatewayConfig)
    }


def _options(record: object, names: Iterable[str] | None = None) -> dict[str, str]:
    """Return the options that set values of a record: these fields, or all that are not None."""
    fields = fields_of(type(record))
    known = (name for name in fields if getattr(record, name) is not None)
    return {name: fields[name].option for name in (known if names is None else names)}


def _show(agreement: Agreement, around: Surroundings, options: CheckOptions) -> int:
    if options.is_json:
        more = {"checked": agreement.checked, "unchecked": agreement.unchecked}
        return show_findings(agreement.findings, is_json=True, more=more)
    code = show_findings(agreement.findings, is_json=False)
    click.echo(f"{counted(len(agreement.checked), 'rule')} checked")
    missing = _missing(agreement, around)
    if missing:
        click.echo(f"with these options, more: {', '.join(missing)}")
    return code


def _missing(agreement: Agreement, around: Surroundings) -> list[str]:
    """Return the options that more rules need, without those of parts that are not in front."""
    of_gateway = fields_of(GatewayOptions)
    fields = {**fields_of(Surroundings), **fields_of(InvokedFunction), **of_gateway}
    fields["lifecycle_heartbeat_s"] = of_gateway["lifecycle_hook"]  # which has a default interval
    found: dict[str, None] = {}
    for rule, names in agreement.unchecked.items():
        for field in (fields[name] for name in names if not rule.startswith("limit-")):
            part = part_of(field.name)
            is_there = part is None or part in around.behind or not around.behind
            if is_there and field.setting is not None:
                found[field.option] = None
    return list(found)
