"""What may stand in `tailrace.toml`: the records, their defaults, and what is allowed.

What is allowed stands once, in the description of each field.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta

from tailrace import limits
from tailrace.config.address import HOST_NAME_PATTERN, Address

DAY_S: Final = 86_400

_PATH_CHARACTER: Final = r"""[!"$-)+-;=@-z|~]"""  # printable ASCII without # * ? < > { }


_SWITCH: Final = Meta(description="true or false")
_DESTINATION: Final = Meta(description='"file:PATH" or "function:NAME"')
_Place: TypeAlias = Annotated[str, Meta(pattern=r"^(file:[^\0]+|function:[A-Za-z0-9_-]{1,64})\Z")]


_ADDRESS: Final = rf"({HOST_NAME_PATTERN}|\[[0-9A-Fa-f:.]+\])(:[0-9]{{1,5}})?"
_Hosts: TypeAlias = Annotated[
    tuple[Annotated[str, Meta(pattern=rf"^{HOST_NAME_PATTERN}\Z", max_length=253)], ...],
    Meta(
        max_length=limits.ALLOWED_HOSTS_MAX,
        description=f"a list of at most {limits.ALLOWED_HOSTS_MAX} host names without port;"
        ' ".example.com" is all names below it, too',
    ),
]
_CallbackHosts: TypeAlias = Annotated[
    tuple[Annotated[str, Meta(pattern=rf"^{_ADDRESS}\Z", max_length=260)], ...],
    Meta(
        max_length=limits.ALLOWED_HOSTS_MAX,
        description=f"a list of at most {limits.ALLOWED_HOSTS_MAX} times HOST or HOST:PORT;"
        ' ".example.com" is all names below it, too',
    ),
]
# As browsers send them: in lower case, without a path and without the usual port. Extensions have
# schemes of their own, whose hosts browsers leave as they are.
_ORIGIN: Final = (
    r"(?!http://.*:80\Z|https://.*:443\Z)https?://([a-z0-9._~-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?"
    r"|(?!https?:)[a-z][a-z0-9+.-]*://[A-Za-z0-9._~-]+"
)
_Origins: TypeAlias = Annotated[
    tuple[Annotated[str, Meta(pattern=rf"^(\*|null|{_ORIGIN})\Z", max_length=253)], ...],
    Meta(
        max_length=limits.ALLOWED_HOSTS_MAX,
        description=f"a list of at most {limits.ALLOWED_HOSTS_MAX} origins as browsers send them,"
        ' such as "https://example.com" (lower case, no path, no usual port), or of "*"',
    ),
]

_KEY: Final = Meta(pattern=r"^[!-~]{1,128}\Z", description="up to 128 printable characters")


def _whole(low: int, high: int) -> Meta:
    return Meta(ge=low, le=high, description=f"a whole number from {low} to {high}")


def _seconds(high: float) -> Meta:
    return Meta(gt=0, le=high, description=f"seconds: more than 0, at most {high:.0f}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CorsConfig:
    """What a Function URL lets web pages of other origins do: `[functions.NAME.url.cors]`.

    Bounds: Lambda API reference, "Cors".
    """

    allow_origins: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[!-~]{1,253}\Z")], ...],
        Meta(
            max_length=100,
            description='a list of at most 100 origins such as "https://example.com", or of "*"',
        ),
    ] = ()
    allow_methods: Annotated[
        tuple[Literal["GET", "PUT", "HEAD", "POST", "PATCH", "DELETE", "*"], ...],
        Meta(
            max_length=6,
            description='a list of at most 6 of GET, PUT, HEAD, POST, PATCH, DELETE and "*"',
        ),
    ] = ()
    allow_headers: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[!#-'*+.^_`|~0-9A-Za-z-]{1,1024}\Z")], ...],
        Meta(max_length=100, description='a list of at most 100 header names, or of "*"'),
    ] = ()
    expose_headers: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[!#-'*+.^_`|~0-9A-Za-z-]{1,1024}\Z")], ...],
        Meta(max_length=100, description='a list of at most 100 header names, or of "*"'),
    ] = ()
    allow_credentials: Annotated[bool, _SWITCH] = False
    max_age_s: Annotated[int, _whole(0, DAY_S)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlConfig:
    """A Function URL: `[functions.NAME.url]`."""

    invoke_mode: Annotated[
        Literal["BUFFERED", "RESPONSE_STREAM"],
        Meta(description='"BUFFERED" or "RESPONSE_STREAM"'),
    ] = "BUFFERED"
    auth: Annotated[Literal["NONE", "AWS_IAM"], Meta(description='"NONE" or "AWS_IAM"')] = "NONE"
    listen: Annotated[Address | None, Meta(description='"HOST:PORT"')] = None
    """None: a free port of its own."""
    cors: Annotated[CorsConfig | None, Meta(description="a table")] = None
    abort_on_error: Annotated[bool, _SWITCH] = False
    """Break a response off that failed after its first byte; Lambda ends it cleanly."""
    empty_body_hang: Annotated[bool, _SWITCH] = False
    """Leave a streamed response without a body byte open until the function's time-out."""
    decode_gzip: Annotated[bool, _SWITCH] = False
    """Decompress a gzip body and drop its content-encoding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationsConfig:
    """Where records of asynchronous invocations go: `[functions.NAME.destinations]`."""

    on_success: Annotated[_Place | None, _DESTINATION] = None
    on_failure: Annotated[_Place | None, _DESTINATION] = None


_HOLD_S: Final = _seconds(limits.FUNCTION_TIMEOUT_S_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldBackConfig:
    """How streamed responses are held back: `[functions.NAME.hold_back]`.

    The defaults are what was measured of Lambda; their sources are in `tailrace.limits`.
    """

    first_writes: Annotated[int, _whole(0, 1000)] = limits.HOLD_BACK_WRITES
    """Nothing leaves before this many writes; from then on each write releases those before it."""
    threshold_bytes: Annotated[int, _whole(1, limits.SYNC_INVOKE_BYTES_MAX)] = (
        limits.HOLD_BACK_BYTES
    )
    """Once so many bytes are held, all of them leave."""
    hold_s: Annotated[Annotated[float, _HOLD_S] | None, Meta(description=_HOLD_S.description)] = (
        None
    )
    """Bytes are held no longer than this; None: until something else releases them."""
    withhold_joined: Annotated[bool, _SWITCH] = False
    """Hold all until the end when the body begins together with the end of the prelude."""
    shaping: Annotated[bool, _SWITCH] = True
    """What leaves is slowed down, too, as on Lambda: a burst, then a rate."""


HoldBackName: TypeAlias = Literal["lambda", "off"]

HOLD_BACKS: Final[dict[HoldBackName, HoldBackConfig | None]] = {
    "lambda": HoldBackConfig(),
    "off": None,
}
"""What has a name, in the file and on the command line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionConfig:
    """One function: `[functions.NAME]`. It has either a handler or a command."""

    name: Annotated[str, Meta(description="letters, digits, '-' and '_', at most 64")]
    handler: Annotated[
        Annotated[str, Meta(pattern=r"^(?!.*\.py\Z)[^\s.:()]+(\.[^\s.:()]+)+\Z")] | None,
        Meta(description='"module.attribute" of a Python handler'),
    ] = None
    command: Annotated[
        Annotated[tuple[Annotated[str, Meta(pattern=r"^[^\0]+\Z")], ...], Meta(min_length=1)]
        | None,
        Meta(description="a list of texts: a program and its arguments"),
    ] = None
    path: Annotated[Path, Meta(description="a directory, relative to the file")]
    """Absolute."""
    timeout_s: Annotated[float, _seconds(limits.FUNCTION_TIMEOUT_S_MAX)] = limits.FUNCTION_TIMEOUT_S
    memory_mb: Annotated[int, _whole(128, limits.FUNCTION_MEMORY_MB_MAX)] = (
        limits.FUNCTION_MEMORY_MB
    )
    concurrency: Annotated[int, _whole(0, limits.FUNCTION_CONCURRENCY_MAX)] = (
        limits.FUNCTION_CONCURRENCY
    )
    """0 refuses every invocation, as a reserved concurrency of 0 does on Lambda."""
    environment: Annotated[dict[str, str], Meta(description="a table of names and texts")] = field(
        default_factory=dict, repr=False
    )
    env_file: Annotated[Path | None, Meta(description="a file, relative to the file")] = None
    """Absolute. Its variables are in `environment`, which goes before them."""
    aws_profile: Annotated[
        Annotated[str, Meta(pattern=r"^[^\0\n]{1,256}\Z")] | None,
        Meta(description="the name of an AWS profile"),
    ] = None
    """Whose credentials and region the function gets; None: dummies."""
    retries: Annotated[int, _whole(0, limits.RETRIES_MAX)] = limits.RETRIES_MAX
    event_age_s: Annotated[float, _seconds(limits.EVENT_AGE_S_MAX)] = limits.EVENT_AGE_S_MAX
    url: Annotated[UrlConfig | None, Meta(description="a table")] = None
    """None: it has no Function URL."""
    destinations: Annotated[DestinationsConfig, Meta(description="a table")] = DestinationsConfig()
    hold_back: Annotated[HoldBackConfig | None, Meta(description='"off", "lambda" or a table')] = (
        None
    )
    """None: what it streams leaves at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteConfig:
    """Which requests go to a function: `[[routes]]`."""

    path: Annotated[
        str,
        Meta(
            # A segment that begins with ":" is meant as a parameter, and would be taken literally.
            pattern=rf"^(?!.*/:)/({_PATH_CHARACTER}*|({_PATH_CHARACTER}*/)?\*)\Z",
            description='"/exact", "/prefix/*" or "/*", percent-encoded as in a request',
        ),
    ]
    host: Annotated[
        Annotated[str, Meta(pattern=r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])\Z")] | None,
        Meta(description="a host name without a port"),
    ] = None
    function: Annotated[
        str,
        Meta(
            pattern=r"^([^/]{1,256}|https?://[!-~]{1,2000})\Z",
            description="a function's name or ARN, or the http(s) URL that invokes it",
        ),
    ]
    transport: Annotated[
        Literal["callback", "response-stream"],
        Meta(description='"callback" or "response-stream"'),
    ] = "callback"
    concurrency: Annotated[int, _whole(1, limits.HELD_MAX)] = limits.ROUTE_CONCURRENCY

    @property
    def invoke_url(self) -> str | None:
        """Where events are sent instead of to Lambda; None for a function of Lambda."""
        return self.function if self.function.startswith(("http://", "https://")) else None

    @property
    def function_name(self) -> str:
        """The name in an ARN, whole or partial, and in NAME:QUALIFIER."""
        parts = self.function.split(":")
        return parts[parts.index("function", 0, -1) + 1] if "function" in parts[:-1] else parts[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorConfig:
    """The emulator: `[emulator]`."""

    retry_delay_scale: Annotated[float, Meta(ge=0, le=10, description="a factor from 0 to 10")] = (
        1.0
    )
    """Lambda's delays before retries are multiplied with it."""
    freeze: Annotated[bool, _SWITCH] = False
    """Stop the processes of an execution environment between invocations."""
    access_key_id: Annotated[str, _KEY] = "tailrace"
    """Of the key pair that Function URLs with AWS_IAM accept."""
    secret_access_key: Annotated[str, _KEY] = field(default="tailrace", repr=False)
    allowed_hosts: _Hosts = ()
    """Names that requests may use beside loopback names and IP addresses."""
    allowed_origins: _Origins = ()
    """Web pages that may send requests beside those of this machine; the Lambda API answers these
    with CORS headers."""
    callback_hosts: _CallbackHosts = ()
    """Where functions may call back beside loopback and, in `tailrace dev`, its own gateway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """The gateway: `[gateway]`."""

    health_path: Annotated[
        str,
        Meta(pattern=rf"^/{_PATH_CHARACTER}*\Z", description="a path that begins with '/'"),
    ] = "/_tailrace/health"
    first_byte_timeout_s: Annotated[float, _seconds(DAY_S)] = limits.FIRST_BYTE_TIMEOUT_S
    function_idle_timeout_s: Annotated[float, _seconds(DAY_S)] = limits.FUNCTION_IDLE_TIMEOUT_S
    client_stall_timeout_s: Annotated[float, _seconds(DAY_S)] = limits.CLIENT_STALL_TIMEOUT_S
    total_timeout_s: Annotated[float, _seconds(DAY_S)] = limits.TOTAL_TIMEOUT_S
    drain_delay_s: Annotated[
        float, Meta(ge=0, le=DAY_S, description=f"seconds from 0 to {DAY_S}")
    ] = limits.DRAIN_DELAY_S
    drain_timeout_s: Annotated[
        float, Meta(ge=0, le=DAY_S, description=f"seconds from 0 to {DAY_S}")
    ] = limits.DRAIN_TIMEOUT_S
    trusted_hops: Annotated[int, _whole(0, 16)] = 0
    uploads_max: Annotated[int, _whole(1, limits.CONNECTIONS_MAX)] = limits.UPLOADS_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a file says, checked."""

    path: Path
    """Absolute."""
    functions: dict[str, FunctionConfig]
    routes: tuple[RouteConfig, ...] = ()
    emulator: EmulatorConfig = EmulatorConfig()
    gateway: GatewayConfig = GatewayConfig()
