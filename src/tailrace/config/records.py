"""The settings of routes, the gateway and the emulator, and all that a file declares."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from tailrace import limits
from tailrace.config.function import FunctionConfig
from tailrace.config.values import (
    DAY_S,
    KEY,
    PATH_CHARACTER,
    SWITCH,
    CallbackHosts,
    HostNames,
    Origins,
    seconds_from_zero_to,
    seconds_up_to,
    whole,
)
from tailrace.setting import Setting

TransportName: TypeAlias = Literal["callback", "response-stream"]
"""How the response of a route comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteConfig:
    """A rule that sends requests to a function: `[[routes]]`."""

    path: Annotated[
        str,
        Meta(
            # A segment with ":" at its start is meant as a parameter; there are none.
            pattern=rf"^(?!.*/:)/({PATH_CHARACTER}*|({PATH_CHARACTER}*/)?\*)\Z",
            description='"/exact", "/prefix/*" or "/*", percent-encoded as in a request',
        ),
        Setting(
            "The paths of this route. There are no parameters: `/users/{id}` and "
            "`/users/:id` are refused; write `/users/*`, and the function reads the rest "
            'from `event["rawPath"]`.'
        ),
    ]
    host: Annotated[
        Annotated[str, Meta(pattern=r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])\Z")] | None,
        Meta(description="a host name without a port"),
        Setting("The host of its requests; without it any host."),
    ] = None
    function: Annotated[
        str,
        Meta(
            pattern=r"^([^/]{1,256}|https?://[!-~]{1,2000})\Z",
            description="a function's name or ARN, or the http(s) URL that invokes it",
        ),
        Setting(
            "If the file declares functions, the name must be one of them. The name in an "
            "ARN or in NAME:ALIAS counts: the emulator accepts any region, account and "
            "alias."
        ),
    ]
    transport: Annotated[
        TransportName,
        Meta(description='"callback" or "response-stream"'),
        Setting(
            "The transport of its responses: the function's callback, or the response of "
            "Lambda's InvokeWithResponseStream."
        ),
    ] = "callback"
    concurrency: Annotated[
        int,
        whole(1, limits.HELD_MAX),
        Setting(
            "The maximum number of open requests of this route. A further one gets 503 "
            "with `Retry-After`."
        ),
    ] = limits.ROUTE_CONCURRENCY

    def __hash__(self) -> int:
        return hash((self.host, self.path))  # all fields would cost more, in each look-up

    @property
    def invoke_url(self) -> str | None:
        """The URL to which events are sent; None if Lambda invokes the function."""
        return self.function if self.function.startswith(("http://", "https://")) else None

    @property
    def function_name(self) -> str:
        """The name in an ARN, a partial ARN, or NAME:QUALIFIER."""
        parts = self.function.split(":")
        return parts[parts.index("function", 0, -1) + 1] if "function" in parts[:-1] else parts[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorConfig:
    """The emulator: `[emulator]`."""

    retry_delay_scale: Annotated[
        float,
        Meta(ge=0, le=10, description="a factor from 0 to 10"),
        Setting(
            "A factor for the delays before retries: Lambda waits one minute before the "
            "first and two before the second."
        ),
    ] = 1.0
    freeze: Annotated[
        bool,
        SWITCH,
        Setting(
            "The processes of an execution environment are stopped (SIGSTOP) between "
            "invocations, as on Lambda."
        ),
    ] = False
    access_key_id: Annotated[
        str, KEY, Setting('The key that Function URLs with `auth = "AWS_IAM"` accept.')
    ] = "tailrace"
    secret_access_key: Annotated[str, KEY, Setting("Its secret.")] = field(
        default="tailrace", repr=False
    )
    allowed_hosts: Annotated[
        HostNames,
        Setting(
            "Host names that requests may use beside `localhost`, `*.localhost` and IP "
            "addresses: see [web pages](web-pages.md#hosts)."
        ),
    ] = ()
    allowed_origins: Annotated[
        Origins,
        Setting(
            "Origins whose pages may send requests beside those of this machine: see [web "
            "pages](web-pages.md#pages). The Lambda API answers them with CORS headers."
        ),
    ] = ()
    callback_hosts: Annotated[
        CallbackHosts,
        Setting(
            "Hosts of callbacks beside loopback, and under `tailrace dev` beside its own "
            "gateway: see [callback hosts](callback.md#callback-hosts)."
        ),
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """The gateway: `[gateway]`."""

    health_path: Annotated[
        str,
        Meta(pattern=rf"^/{PATH_CHARACTER}*\Z", description="a path that begins with '/'"),
        Setting(
            "The path that answers 200, and 503 during the drain.",
            help="Answers 200, and 503 while the gateway drains.",
            metavar="PATH",
        ),
    ] = "/_tailrace/health"
    first_byte_timeout_s: Annotated[
        float,
        seconds_up_to(DAY_S),
        Setting(
            "The time from the invocation to the function's response head. After it the "
            "client gets 504.",
            help="From the invocation to the response's head.",
        ),
    ] = limits.FIRST_BYTE_TIMEOUT_S
    function_idle_timeout_s: Annotated[
        float,
        seconds_up_to(DAY_S),
        Setting(
            "The longest silence of a function within a body. After it the response is aborted.",
            help="A function that is silent in mid-body.",
        ),
    ] = limits.FUNCTION_IDLE_TIMEOUT_S
    client_stall_timeout_s: Annotated[
        float,
        seconds_up_to(DAY_S),
        Setting(
            "How long a client may take nothing while bytes wait for it. After it the "
            "response is aborted, and the function gets 410.",
            help="A client that takes nothing.",
        ),
    ] = limits.CLIENT_STALL_TIMEOUT_S
    total_timeout_s: Annotated[
        float,
        seconds_up_to(DAY_S),
        Setting("The longest time of one exchange.", help="A whole exchange."),
    ] = limits.TOTAL_TIMEOUT_S
    keep_alive_timeout_s: Annotated[
        float,
        seconds_up_to(DAY_S),
        Setting(
            "How long a client's connection may be idle between two requests. It must be longer "
            "than the idle time-out of a load balancer in front: otherwise that sends requests "
            "into connections that are being closed, and clients get 502.",
            help="An idle connection of a client, or of a proxy.",
        ),
    ] = limits.KEEP_ALIVE_TIMEOUT_S
    drain_delay_s: Annotated[
        float,
        seconds_from_zero_to(DAY_S),
        Setting(
            "How long new requests are accepted after the first signal, while the health "
            "path already answers 503.",
            help="Requests are still taken, while health says 503.",
        ),
    ] = limits.DRAIN_DELAY_S
    drain_timeout_s: Annotated[
        float,
        seconds_from_zero_to(DAY_S),
        Setting(
            "How long open responses may continue after `drain_delay_s`. Workers that a reload "
            "replaces end all that they hold: `total_timeout_s` bounds it.",
            help="For open responses, at the end.",
        ),
    ] = limits.DRAIN_TIMEOUT_S
    held_max: Annotated[
        int,
        whole(1, limits.WORKERS_MAX * limits.HELD_MAX),
        Setting(
            "The maximum number of open responses of all workers together. Above it, a request "
            "gets 503 with `Retry-After`. File descriptors may allow fewer.",
            help="Open responses at a time.",
        ),
    ] = limits.HELD_MAX
    trusted_hops: Annotated[
        int,
        whole(0, 16),
        Setting(
            "How many proxies in front are trusted for the client's address and scheme "
            "([more](../how-to/behind-a-proxy.md#whose-address-it-is)).",
            help="Proxies in front that are believed.",
        ),
    ] = 0
    scheme_header: Annotated[
        str,
        Meta(pattern=r"^[a-z0-9-]{1,64}\Z", description="the name of a header in lower case"),
        Setting(
            "The header with the scheme of the client's request, if `trusted_hops` is not 0. "
            "Behind CloudFront and an ALB it is `cloudfront-forwarded-proto` "
            "([more](../how-to/behind-a-proxy.md#whose-address-it-is)).",
            help="The header with the client's scheme.",
            metavar="NAME",
        ),
    ] = "x-forwarded-proto"
    uploads_max: Annotated[
        int,
        whole(1, limits.CONNECTIONS_MAX),
        Setting(
            "The maximum number of request bodies that are being received. Above it, a "
            "request whose body has not arrived with its head gets 503 with `Retry-After`, "
            "unless another upload has lasted longer than [30 "
            "s](limits.md#http-messages-that-reach-us) and is replaced. Bodies are kept in "
            "memory: at most this many times [the longest "
            "body](limits.md#http-messages-that-reach-us).",
            help="Request bodies under way at a time.",
        ),
    ] = limits.UPLOADS_MAX
    late_s_max: Annotated[
        float,
        seconds_from_zero_to(60),
        Setting(
            "How late a process may run. If requests wait longer until they are looked at, or if "
            "turns of the event loop take longer, and not only for a moment, new requests get 503 "
            "with `Retry-After`; open responses and the health path have precedence. 0: no bound. "
            "`tailrace dev` has none.",
            help="How late a process may run before it refuses requests.",
            metavar="SECONDS",
        ),
    ] = limits.LATE_S_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The contents of a configuration file, checked."""

    path: Path
    """Absolute."""
    functions: dict[str, FunctionConfig]
    routes: tuple[RouteConfig, ...] = ()
    emulator: EmulatorConfig = EmulatorConfig()
    gateway: GatewayConfig = GatewayConfig()
