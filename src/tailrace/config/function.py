"""The settings of a function, with its Function URL, destinations and hold-back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta

from tailrace import limits
from tailrace.config.address import Address
from tailrace.config.interpreter import CURRENT, Interpreter
from tailrace.config.values import DAY_S, SWITCH, seconds_up_to, whole
from tailrace.setting import Setting

_DESTINATION: Final = Meta(description='"file:PATH" or "function:NAME"')
_Place: TypeAlias = Annotated[str, Meta(pattern=r"^(file:[^\0]+|function:[A-Za-z0-9_-]{1,64})\Z")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CorsConfig:
    """The CORS settings of a Function URL: `[functions.NAME.url.cors]`.

    Bounds: Lambda API reference, "Cors".
    """

    allow_origins: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[!-~]{1,253}\Z")], ...],
        Meta(
            max_length=100,
            description='a list of at most 100 origins such as "https://example.com", or of "*"',
        ),
        Setting("Origins whose pages may send requests."),
    ] = ()
    allow_methods: Annotated[
        tuple[Literal["GET", "PUT", "HEAD", "POST", "PATCH", "DELETE", "*"], ...],
        Meta(
            max_length=6,
            description='a list of at most 6 of GET, PUT, HEAD, POST, PATCH, DELETE and "*"',
        ),
        Setting("Methods that they may use."),
    ] = ()
    allow_headers: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[!#-'*+.^_`|~0-9A-Za-z-]{1,1024}\Z")], ...],
        Meta(max_length=100, description='a list of at most 100 header names, or of "*"'),
        Setting("Request headers that they may set."),
    ] = ()
    expose_headers: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[!#-'*+.^_`|~0-9A-Za-z-]{1,1024}\Z")], ...],
        Meta(max_length=100, description='a list of at most 100 header names, or of "*"'),
        Setting("Response headers that they may read."),
    ] = ()
    allow_credentials: Annotated[
        bool, SWITCH, Setting("Whether requests may carry cookies and other credentials.")
    ] = False
    max_age_s: Annotated[
        int,
        whole(0, DAY_S),
        Setting("How long browsers may keep the answer to a preflight request."),
    ] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlConfig:
    """A Function URL: `[functions.NAME.url]`."""

    invoke_mode: Annotated[
        Literal["BUFFERED", "RESPONSE_STREAM"],
        Meta(description='"BUFFERED" or "RESPONSE_STREAM"'),
        Setting("Whether a response is streamed or sent as a whole."),
    ] = "BUFFERED"
    auth: Annotated[
        Literal["NONE", "AWS_IAM"],
        Meta(description='"NONE" or "AWS_IAM"'),
        Setting(
            'With "AWS_IAM" requests must be signed (SigV4) with the [emulator\'s keys](#emulator).'
        ),
    ] = "NONE"
    listen: Annotated[
        Address | None,
        Meta(description='"HOST:PORT"'),
        Setting(
            "Its address; without it a free port of 127.0.0.1, which stays the same over reloads."
        ),
    ] = None
    cors: Annotated[
        CorsConfig | None,
        Meta(description="a table"),
        Setting("Permissions of pages of other origins: see [below](#functionsnameurlcors)."),
    ] = None
    abort_on_error: Annotated[
        bool,
        SWITCH,
        Setting(
            "A response that fails after its first byte is aborted, so that its client "
            "notices. Lambda ends it cleanly."
        ),
    ] = False
    empty_body_hang: Annotated[
        bool,
        SWITCH,
        Setting(
            "A streamed response without a body byte stays open until the function's "
            "time-out, as reported of Lambda."
        ),
    ] = False
    decode_gzip: Annotated[
        bool,
        SWITCH,
        Setting(
            "A gzip body is decompressed and its `Content-Encoding` removed, as reported of Lambda."
        ),
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationsConfig:
    """The destinations of records of asynchronous invocations: `[functions.NAME.destinations]`."""

    on_success: Annotated[
        _Place | None, _DESTINATION, Setting("For invocations that succeeded.")
    ] = None
    on_failure: Annotated[
        _Place | None, _DESTINATION, Setting("For invocations that failed after all retries.")
    ] = None


_HOLD_S: Final = seconds_up_to(limits.FUNCTION_TIMEOUT_S_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldBackConfig:
    """How streamed responses are held back: `[functions.NAME.hold_back]`.

    The defaults were measured on Lambda; their sources are in `tailrace.limits`.
    """

    first_writes: Annotated[
        int,
        whole(0, 1000),
        Setting(
            "Nothing leaves before this many writes. After them, each write releases the "
            "earlier ones. With 0, writes release nothing, as in a buffer of a fixed size."
        ),
    ] = limits.HOLD_BACK_WRITES
    threshold_bytes: Annotated[
        int,
        whole(1, limits.SYNC_INVOKE_BYTES_MAX),
        Setting(
            "When this many bytes are held, all of them leave; after that, each write "
            "releases the earlier ones (unless `first_writes` is 0). With 1 nothing is "
            "held. The prelude does not count."
        ),
    ] = limits.HOLD_BACK_BYTES
    hold_s: Annotated[
        Annotated[float, _HOLD_S] | None,
        Meta(description=_HOLD_S.description),
        Setting(
            "The longest time that bytes are held. Without it, a write, the threshold or "
            "the end releases them."
        ),
    ] = None
    withhold_joined: Annotated[
        bool,
        SWITCH,
        Setting(
            "If the emulator reads the end of the prelude together with bytes of the body, "
            "all is held until the end: neither writes nor `threshold_bytes` release it, "
            "only `hold_s` and 6 MiB do."
        ),
    ] = False
    shaping: Annotated[
        bool,
        SWITCH,
        Setting("Released bytes are slowed down as well: 6 MiB at any speed, then 2 MiB a second."),
    ] = True


HoldBackName: TypeAlias = Literal["lambda", "off"]

HOLD_BACKS: Final[dict[HoldBackName, HoldBackConfig | None]] = {
    "lambda": HoldBackConfig(),
    "off": None,
}
"""The named hold-backs, in the file and on the command line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionConfig:
    """One function: `[functions.NAME]`. It has a handler, an app or a command."""

    name: Annotated[str, Meta(description="letters, digits, '-' and '_', at most 64")]
    handler: Annotated[
        Annotated[str, Meta(pattern=r"^(?!.*\.py\Z)[^\s.:()]+(\.[^\s.:()]+)+\Z")] | None,
        Meta(description='"module.attribute" of a Python handler'),
        Setting("Runs under `python -m tailrace.runtime`, with the Python of `python`."),
    ] = None
    app: Annotated[
        Annotated[str, Meta(pattern=r"^[^\s.:()/]+(\.[^\s.:()/]+)*:[^\s.:()/]+(\.[^\s.:()/]+)*\Z")]
        | None,
        Meta(description='"module:attribute" of an ASGI or WSGI app, or of a handler'),
        Setting("As a server such as uvicorn is given it. It runs as a `handler` does."),
    ] = None
    command: Annotated[
        Annotated[tuple[Annotated[str, Meta(pattern=r"^[^\0]+\Z")], ...], Meta(min_length=1)]
        | None,
        Meta(description="a list of texts: a program and its arguments"),
        Setting(
            "Any program that speaks Lambda's Runtime API: Node.js, a shell script, "
            "AWS's own runtime clients."
        ),
    ] = None
    python: Annotated[
        Interpreter,
        Meta(description="a path relative to the file, or the name of a program"),
        Setting(
            "The Python of a `handler` or an `app`, 3.11 or newer. Without it that of the "
            "project's `.venv`, else the current one: see [below](#the-functions-python).",
            kind="text",
        ),
    ] = CURRENT
    path: Annotated[
        Path,
        Meta(description="a directory, relative to the file"),
        Setting(
            "The working directory of the function, and what `tailrace dev` watches for changes.",
            default='`"."`',
        ),
    ]
    """Absolute."""
    timeout_s: Annotated[
        float,
        seconds_up_to(limits.FUNCTION_TIMEOUT_S_MAX),
        Setting("An invocation that takes longer is killed, with its process."),
    ] = limits.FUNCTION_TIMEOUT_S
    memory_mb: Annotated[
        int,
        whole(128, limits.FUNCTION_MEMORY_MB_MAX),
        Setting("The memory that the function sees and REPORT lines show. It is not enforced."),
    ] = limits.FUNCTION_MEMORY_MB
    concurrency: Annotated[
        int,
        whole(0, limits.FUNCTION_CONCURRENCY_MAX),
        Setting(
            "The maximum number of execution environments, each a process group. With 0 "
            "every invocation is refused."
        ),
    ] = limits.FUNCTION_CONCURRENCY
    environment: Annotated[
        dict[str, str],
        Meta(description="a table of names and texts"),
        Setting(
            "Environment variables of the function. From your shell it gets `PATH`, "
            "`HOME`, `TMPDIR` and `LD_LIBRARY_PATH` only."
        ),
    ] = field(default_factory=dict, repr=False)
    env_file: Annotated[
        Path | None,
        Meta(description="a file, relative to the file"),
        Setting(
            "A file of further variables, one NAME=VALUE a line: see "
            "[below](#variables-and-secrets)."
        ),
    ] = None
    """Absolute. Its variables are in `environment`, which goes before them."""
    aws_profile: Annotated[
        Annotated[str, Meta(pattern=r"^[^\0\n]{1,256}\Z")] | None,
        Meta(description="the name of an AWS profile"),
        Setting(
            "The profile whose credentials and region the function gets. Without it they "
            "are dummies: see [how to give real "
            "ones](../how-to/real-credentials-and-secrets.md)."
        ),
    ] = None
    retries: Annotated[
        int,
        whole(0, limits.RETRIES_MAX),
        Setting("Further attempts of an asynchronous invocation after a function error."),
    ] = limits.RETRIES_MAX
    event_age_s: Annotated[
        float,
        seconds_up_to(limits.EVENT_AGE_S_MAX),
        Setting("The maximum age of an asynchronous event. An older one is discarded."),
    ] = limits.EVENT_AGE_S_MAX
    url: Annotated[
        UrlConfig | None,
        Meta(description="a table"),
        Setting("Its Function URL: see [below](#functionsnameurl)."),
    ] = None
    destinations: Annotated[
        DestinationsConfig,
        Meta(description="a table"),
        Setting(
            "The destinations of records of its asynchronous invocations: see "
            "[below](#functionsnamedestinations)."
        ),
    ] = DestinationsConfig()
    hold_back: Annotated[
        HoldBackConfig | None,
        Meta(description='"off", "lambda" or a table'),
        Setting(
            "How its streamed responses are held back, as on Lambda: see "
            '[below](#functionsnamehold_back). Without it, as with "off", nothing is held '
            "back.",
            kind="text or table",
        ),
    ] = None

    @property
    def loaded(self) -> str | None:
        """What the Python runtime loads, the handler or the app; None of a command."""
        return None if self.command is not None else self.handler or self.app
