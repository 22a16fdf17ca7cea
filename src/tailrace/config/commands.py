"""The options of `dev`, `gateway` and `emulator`: a record for each command.

The command line is derived from these records. Settings that the file has as well are declared in
`records`; a command overrides them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from tailrace.config.address import (
    Address,
    PortRange,
    parse_address,
    parse_address_or_off,
    parse_host_name,
    parse_ports,
)
from tailrace.config.function import HoldBackName
from tailrace.config.lifecycle import HookName, parse_hook
from tailrace.config.records import TransportName
from tailrace.config.target import CONFIG_NAME
from tailrace.config.workers import parse_workers
from tailrace.setting import Range, Setting

_CONFIG: Final = Setting(
    "The functions and routes.",
    help="The functions and routes.",
    option="--config",
    metavar="FILE",
    default=f"`{CONFIG_NAME}` in this directory",
)
_FUNCTION: Final = Setting(
    "Send every path to this function, whatever the routes say.",
    help="Send every path to this function, whatever the routes say.",
    metavar="NAME",
)
_TRANSPORT: Final = Setting(
    "How the response of `--function` comes back: `callback` or "
    "[`response-stream`](../how-to/use-response-stream-routes.md). Routes of the file have a "
    "`transport` of their own.",
    help="How the response of --function comes back: by callback or response-stream.",
    metavar="TRANSPORT",
    default="`callback`",
)
_LOCAL_TRANSPORT: Final = replace(
    _TRANSPORT,
    meaning=_TRANSPORT.meaning.replace("`--function`", "`--function` or MODULE:ATTRIBUTE"),
    help="How the response of --function or MODULE:ATTRIBUTE comes back: by callback or"
    " response-stream.",
)
_ADVERTISE: Final = Setting(
    "What callback URLs begin with: where functions reach the callback listener. Otherwise it is "
    "that listener's own address; so it is required when that is 0.0.0.0 or ::. `auto` as HOST "
    "[finds the address](#the-advertised-address) of this task, pod or machine. Without a port "
    "each worker has its own. A port stands for the first of `--callback-ports`, the ports after "
    "it for the ones after that. `https://` without a port is 443: for one worker, which cannot be "
    "reloaded.",
    help="Where functions reach the callback listener; required when that is on 0.0.0.0 or ::. The"
    " host auto is the address of this task, pod or machine.",
    metavar="[https://]HOST[:PORT]",
)
_LOCAL_ADVERTISE: Final = replace(
    _ADVERTISE,
    meaning="What callback URLs begin with: where functions reach the callback listener. Otherwise "
    "it is that listener's own address, or the loopback address when that is 0.0.0.0 or ::.",
    help="Where functions reach the callback listener, when they are to call another address.",
)
_ALLOW_HOST: Final = Setting(
    "A host name that requests may use beside `localhost` and IP addresses, to be repeated for "
    "more: see [web pages](web-pages.md#hosts).",
    help="A host name that requests may use, beside localhost and IP addresses; repeat it for"
    " more.",
    option="--allow-host",
    metavar="NAME",
    default="`allowed_hosts` of the file",
    parse=parse_host_name,
)
_HOLD_BACK: Final = Setting(
    "Whether the streams of all functions come late, whatever the file says: `lambda`, as has "
    "been [measured there](function-urls.md#late-chunks), or `off`.",
    help="Let streams come late: lambda, as it has been measured there, or off.",
    metavar="HOW",
    default="as the file says",
)


def _listen(meaning: str) -> Setting:
    """An address to listen on; port 0 is any free one."""
    return Setting(meaning, help=meaning, metavar="HOST:PORT", parse=parse_address)


_CLIENTS: Final = _listen("Where clients connect.")
_WORKERS: Final = Setting(
    "How many processes share the load, each on one core; `auto`: one for each core of this "
    "process's share of the machine. `0`: the gateway is one process without a parent, which "
    "cannot reload; on Windows it always is.",
    help="How many processes share the load; auto: one for each core.",
    metavar="COUNT|auto",
    parse=parse_workers,
)
_CALLBACKS: Final = _listen("Where functions call back.")
_LAMBDA: Final = _listen("Where SDKs find the emulated Lambda.")
_CLIENTS_ADDRESS: Final = Address("127.0.0.1", 8080)
_CALLBACKS_ADDRESS: Final = Address("127.0.0.1", 8081)
_LAMBDA_ADDRESS: Final = Address("127.0.0.1", 9000)
ADMIN_ADDRESS: Final = Address("127.0.0.1", 8082)
"""Where a gateway's admin listener is unless an option names another address."""
METRICS_INTERVAL_S: Final = 60
"""The interval of `--metrics`: that at which CloudWatch keeps metrics, and scaling follows them."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An address to listen on. Unless it is firm, another port may replace one in use."""

    address: Address
    is_firm: bool
    option: str
    """The option that chooses another, for messages."""

    def __str__(self) -> str:
        return str(self.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class DevOptions:
    """`tailrace dev`: what to run, and where.

    With a `target`, an app or a handler, there is no file. `function` of the file, or `target`,
    gets every path, by `transport`; otherwise the routes of the file apply. `gateway` overrides
    keys of `[gateway]`, `hold_back` that of every function, and `allow_hosts` extends
    `allowed_hosts`.
    """

    target: str | None = None
    """`module:attribute` in the working directory."""
    config_path: Annotated[Path, _CONFIG]
    function: Annotated[str | None, _FUNCTION] = None
    transport: Annotated[TransportName | None, _LOCAL_TRANSPORT] = None
    listen: Annotated[Wanted, _CLIENTS] = Wanted(_CLIENTS_ADDRESS, False, "--listen")
    callback_listen: Annotated[Wanted, _CALLBACKS] = Wanted(
        _CALLBACKS_ADDRESS, False, "--callback-listen"
    )
    emulator_listen: Annotated[Wanted, _LAMBDA] = Wanted(
        _LAMBDA_ADDRESS, False, "--emulator-listen"
    )
    advertise: Annotated[str | None, _LOCAL_ADVERTISE] = None
    allow_hosts: Annotated[tuple[str, ...], _ALLOW_HOST] = ()
    hold_back: Annotated[HoldBackName | None, _HOLD_BACK] = None
    gateway: Mapping[str, Any] = field(default_factory=dict)


_ADMIN: Final = Setting(
    "Where operators ask for [statistics and for a drain](admin.md); `off`: nowhere. Whoever "
    "reaches it can drain the gateway. If the default is in use, there is no admin listener, and "
    "a warning says so.",
    help="Where operators ask for statistics and for a drain; off: nowhere.",
    metavar="HOST:PORT",
    parse=parse_address_or_off,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOptions:
    """`tailrace gateway`: what to invoke, and where to listen."""

    config_path: Annotated[
        Path | None, replace(_CONFIG, meaning="Routes and settings. Not needed with `--function`.")
    ] = None
    function: Annotated[
        str | None,
        replace(
            _FUNCTION,
            meaning="Send every path to this function, name or ARN or a URL that invokes it, "
            "whatever the routes say.",
        ),
    ] = None
    transport: Annotated[TransportName | None, _TRANSPORT] = None
    listen: Annotated[Address, _CLIENTS] = _CLIENTS_ADDRESS
    workers: Annotated[int, _WORKERS] = 1
    callback_listen: Annotated[
        Address,
        replace(
            _CALLBACKS,
            meaning="The address of the first worker's callback listener; further workers use the "
            "ports after it (`--callback-ports`).",
        ),
    ] = _CALLBACKS_ADDRESS
    callback_ports: Annotated[
        PortRange | None,
        Setting(
            "The ports at which functions call back. Each worker has one of them, and twice as "
            "many are in use while workers are replaced. Ports that others use are left out.",
            help="The ports of callback listeners, one for each worker.",
            metavar="FIRST-LAST",
            default="from the port of `--callback-listen` on, four for each worker",
            parse=parse_ports,
        ),
    ] = None
    advertise: Annotated[str | None, _ADVERTISE] = None
    admin_listen: Annotated[Wanted | None, _ADMIN] = Wanted(ADMIN_ADDRESS, False, "--admin-listen")
    lifecycle_hook: Annotated[
        HookName | None,
        Setting(
            "The lifecycle hook for the termination of this EC2 instance, in the Auto Scaling "
            "group of that name or in the one that the instance's tags name. The gateway "
            "[drains when the instance is to end](../how-to/restart-without-losing-a-request.md"
            "#ec2), sends heartbeats meanwhile, and then completes the hook.",
            help="The lifecycle hook that this EC2 instance waits in when it is to end: drain, send"
            " heartbeats, complete it.",
            metavar="[GROUP/]HOOK",
            parse=parse_hook,
        ),
    ] = None
    lifecycle_heartbeat_s: Annotated[
        float | None,
        Range(ge=1, le=3_600, description="seconds from 1 to 3600"),
        Setting(
            "The interval of those heartbeats: at most two thirds of the hook's heartbeat "
            "time-out.",
            help="The interval of those heartbeats.",
            default="`20`",
        ),
    ] = None
    metrics: Annotated[
        Literal["emf"] | None,
        Setting(
            "Print [metrics of the node](metrics.md) to standard output, as lines of CloudWatch's "
            "embedded metric format, `emf`. The log stays on standard error.",
            help="Print metrics of the node to standard output: emf, CloudWatch's embedded metric"
            " format.",
            metavar="FORMAT",
        ),
    ] = None
    metrics_name: Annotated[
        str | None,
        Range(
            pattern=r"^[0-9A-Za-z][0-9A-Za-z._/-]{0,254}\Z",
            description="1 to 255 letters, digits and ._/-, a letter or digit first",
        ),
        Setting(
            "The value of the metrics' dimension `Gateway`: the same for all gateways that are "
            "scaled together, and for no other in the account and region. Required with "
            "`--metrics`.",
            help="The name that the metrics have: the same for all gateways that are scaled"
            " together.",
            metavar="NAME",
        ),
    ] = None
    metrics_interval_s: Annotated[
        int | None,
        Range(ge=1, le=60, description="1 to 60"),
        Setting(
            "The interval of the lines. Below 60 they are metrics of high resolution.",
            help="The interval of metrics.",
            default=f"`{METRICS_INTERVAL_S}`",
        ),
    ] = None
    endpoint_url: Annotated[
        str | None,
        Setting(
            "The Lambda endpoint. A loopback address is taken for an emulator: it needs no "
            "credentials, requests are signed with the keys of the environment variables or with "
            "dummy keys, and a log line says so.",
            help="The Lambda endpoint.",
            metavar="URL",
            default="AWS's, of the configured region",
        ),
    ] = None
    is_check: Annotated[
        bool,
        Setting(
            "Do not serve: [find out](#tailrace-gateway---check) whether a gateway with these "
            "options could, print what was found, and exit with 0 or 1.",
            help="Do not serve: find out whether a gateway with these options could.",
            option="--check",
        ),
    ] = False
    is_json: Annotated[
        bool,
        Setting(
            "With `--check`: print one JSON document instead of text.",
            help="With --check: print one JSON document instead of text.",
            option="--json",
        ),
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorOptions:
    """`tailrace emulator`: what to run, and where to listen."""

    config_path: Annotated[Path | None, replace(_CONFIG, meaning="The functions.")] = None
    listen: Annotated[Address, _LAMBDA] = _LAMBDA_ADDRESS
    allow_hosts: Annotated[tuple[str, ...], _ALLOW_HOST] = ()
    hold_back: Annotated[HoldBackName | None, _HOLD_BACK] = None
