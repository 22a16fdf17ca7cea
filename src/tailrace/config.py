"""Typed settings: `tailrace.toml`, and addresses on the command line.

A mistake is a ConfigError that names the file, the key, what is allowed, and for an unknown name
the nearest valid one. What is allowed stands once, in the description of each field.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, TypeVar, get_type_hints

import msgspec
from msgspec import Meta

from tailrace import limits
from tailrace.errors import ConfigError

DAY_S: Final = 86_400

_PATH_CHARACTER: Final = r"""[!"$-)+->@-~]"""  # printable ASCII without # * ?


def _whole(low: int, high: int) -> Meta:
    return Meta(ge=low, le=high, description=f"a whole number from {low} to {high}")


def _seconds(high: float) -> Meta:
    return Meta(gt=0, le=high, description=f"seconds: more than 0, at most {high:.0f}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionConfig:
    """One function: `[functions.NAME]`. It has either a handler or a command."""

    name: Annotated[str, Meta(description="letters, digits, '-' and '_', at most 64")]
    handler: Annotated[
        Annotated[str, Meta(pattern=r"^[^\s.]+(\.[^\s.]+)+\Z")] | None,
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
    retries: Annotated[int, _whole(0, limits.RETRIES_MAX)] = limits.RETRIES_MAX
    event_age_s: Annotated[float, _seconds(limits.EVENT_AGE_S_MAX)] = limits.EVENT_AGE_S_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteConfig:
    """Which requests go to a function: `[[routes]]`."""

    path: Annotated[
        str,
        Meta(
            pattern=rf"^/({_PATH_CHARACTER}*|({_PATH_CHARACTER}*/)?\*)\Z",
            description='"/exact", "/prefix/*" or "/*", percent-encoded as in a request',
        ),
    ]
    host: Annotated[
        Annotated[str, Meta(pattern=r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])\Z")] | None,
        Meta(description="a host name without a port"),
    ] = None
    function: Annotated[str, Meta(min_length=1, max_length=256, description="a function's name")]
    concurrency: Annotated[int, _whole(1, limits.HELD_MAX)] = limits.ROUTE_CONCURRENCY


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorConfig:
    """The emulator: `[emulator]`."""

    retry_delay_scale: Annotated[float, Meta(ge=0, le=10, description="a factor from 0 to 10")] = (
        1.0
    )
    """Lambda's delays before retries are multiplied with it."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a file says, checked."""

    path: Path
    """Absolute."""
    functions: dict[str, FunctionConfig]
    routes: tuple[RouteConfig, ...] = ()
    emulator: EmulatorConfig = EmulatorConfig()
    gateway: GatewayConfig = GatewayConfig()


def load(path: str | Path) -> Config:
    """Read and check a configuration file; directories in it are relative to the file.

    Raises:
        ConfigError: the file cannot be read, or says something that is not allowed.
    """
    return _Reader(str(path)).read(Path(path))


class Address(NamedTuple):
    """Where to listen; port 0 is any free one."""

    host: str
    """A name or an IP address, without brackets."""
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, *, name: str = "address") -> Address:
    """Read HOST:PORT, an IPv6 address in brackets; `name` is the option, for messages.

    Raises:
        ConfigError: it is none.
    """
    host, port = _split_host(text, name, "HOST:PORT")
    if port is None:
        raise ConfigError(f"{name}: {text[:80]!r} has no port; allowed: HOST:PORT")
    return Address(host, port)


def parse_advertise(text: str, default_port: int, *, name: str = "--advertise") -> str:
    """Return the base of callback URLs for [https://]HOST[:PORT], such as "http://10.0.0.1:8081".

    Without a port it is `default_port`, except for https: there something else ends TLS before
    the gateway, at the usual port 443.

    Raises:
        ConfigError: it is malformed, or an address that nobody can call, as 0.0.0.0 is.
    """
    allowed = "[https://]HOST[:PORT]"
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "http", text
    if scheme not in ("http", "https"):
        raise ConfigError(f"{name}: {text[:80]!r} is neither http nor https; allowed: {allowed}")
    host, port = _split_host(rest.removesuffix("/"), name, allowed)
    if host in ("0.0.0.0", "::"):
        raise ConfigError(f"{name}: functions cannot call {host}; name an address of this machine")
    if port == 0:
        raise ConfigError(f"{name}: functions cannot call port 0; allowed: {allowed}")
    if port is None:
        port = 443 if scheme == "https" else default_port
    if port == 0:
        raise ConfigError(f"{name}: has no port, and --callback-listen takes any; name one")
    return f"{scheme}://{Address(host, port)}"


# --- reading the file --------------------------------------------------------------------------

_Record = TypeVar("_Record")

_HOST_PORT: Final = re.compile(
    r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,253}))(?::([0-9]{1,5}))?"
).fullmatch
_FUNCTION_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch
_VARIABLE_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]+").fullmatch
# Set by Lambda itself; its API refuses them (DG configuration-envvars).
_RESERVED_VARIABLE: Final = re.compile(
    r"AWS_(ACCESS_KEY(_ID)?|SECRET_ACCESS_KEY|SESSION_TOKEN|(DEFAULT_)?REGION|EXECUTION_ENV)"
    r"|AWS_LAMBDA_(FUNCTION_(NAME|VERSION|MEMORY_SIZE)|INITIALIZATION_TYPE|RUNTIME_API)"
    r"|AWS_LAMBDA_(LOG_(FORMAT|LEVEL|GROUP_NAME|STREAM_NAME)|MAX_CONCURRENCY)"
    r"|LAMBDA_(RUNTIME_DIR|TASK_ROOT)"
).fullmatch


class _Reader:
    """Reads one file; knows its name for messages."""

    def __init__(self, name: str) -> None:
        self._name = name

    def read(self, path: Path) -> Config:
        root = self._parse(path)
        self._refuse_unknown("", root, ("functions", "routes", "emulator", "gateway"))
        directory = path.resolve().parent
        functions = {
            name: self._function(name, table, directory)
            for name, table in self._table("functions", root.get("functions", {})).items()
        }
        return Config(
            path=path.resolve(),
            functions=functions,
            routes=self._routes(root.get("routes", []), functions),
            emulator=self._record("emulator", root.get("emulator", {}), EmulatorConfig),
            gateway=self._record("gateway", root.get("gateway", {}), GatewayConfig),
        )

    def _parse(self, path: Path) -> dict[str, Any]:
        try:
            return tomllib.loads(path.read_bytes().decode("utf-8"))
        except OSError as error:
            raise self._error("", f"cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise self._error("", f"not UTF-8 at byte {error.start}") from error
        except (ValueError, RecursionError) as error:
            # Usually a TOMLDecodeError, which says line and column.
            raise self._error("", f"not TOML: {error}") from error

    def _function(self, name: str, table: Any, directory: Path) -> FunctionConfig:
        key = f"functions.{name}"
        if not _FUNCTION_NAME(name):
            raise self._error(
                f"functions.{_shown(name)}",
                f"illegal name; allowed: {_allowed(FunctionConfig, 'name')}",
            )
        given = self._table(key, table)
        path = self._directory(f"{key}.path", given.get("path", "."), directory)
        self._check_environment(f"{key}.environment", given.get("environment", {}))
        function = self._record(key, {**given, "path": path}, FunctionConfig, name=name)
        if (function.handler is None) == (function.command is None):
            which = "neither is there" if function.handler is None else "both are there"
            raise self._error(key, f"{which}; allowed: exactly one of handler and command")
        return function

    def _directory(self, key: str, value: Any, base: Path) -> Path:
        allowed = _allowed(FunctionConfig, "path")
        if not isinstance(value, str):
            raise self._error(key, f"{_shown(value)} is not allowed; allowed: {allowed}")
        try:
            path = (base / value).resolve()
            is_directory = path.is_dir()
        except (OSError, ValueError, RuntimeError):  # too long, a NUL inside, a loop of links
            path, is_directory = Path(value[:80]), False
        if not is_directory:
            raise self._error(key, f"{path} is not a directory; allowed: {allowed}")
        return path

    def _check_environment(self, key: str, table: Any) -> None:
        """Refuse what Lambda refuses. Values may be secrets: no message shows them."""
        size = 0
        for name, value in self._table(key, table).items():
            if not _VARIABLE_NAME(name):
                raise self._error(
                    f"{key}.{_shown(name)}",
                    "illegal name; allowed: a letter, then letters, digits and '_', at least two",
                )
            if _RESERVED_VARIABLE(name):
                raise self._error(f"{key}.{name}", "Lambda sets this name itself; choose another")
            if not isinstance(value, str) or "\0" in value:
                raise self._error(
                    f"{key}.{name}", "not allowed; allowed: text in quotes, without NUL"
                )
            size += len(name) + len(value.encode("utf-8"))
        if size > limits.ENVIRONMENT_BYTES_MAX:
            raise self._error(
                key, f"{size} bytes; allowed: {limits.ENVIRONMENT_BYTES_MAX} for all together"
            )

    def _routes(self, tables: Any, functions: dict[str, FunctionConfig]) -> tuple[RouteConfig, ...]:
        if not isinstance(tables, list):
            raise self._error(
                "routes", f"{_shown(tables)} is not allowed; allowed: an array of tables"
            )
        keys_by_target: dict[tuple[str | None, str], str] = {}
        routes = []
        for index, table in enumerate(tables):
            key = f"routes[{index}]"
            route = self._record(key, table, RouteConfig)
            # A file without functions is that of a gateway before functions in the cloud.
            if functions and route.function not in functions:
                raise self._error(
                    f"{key}.function",
                    f"there is no function {_shown(route.function)}"
                    + _nearest(route.function, functions),
                )
            target = (route.host and route.host.lower(), route.path)
            if target in keys_by_target:
                raise self._error(
                    key, f"{route.path} has a route already: {keys_by_target[target]}"
                )
            keys_by_target[target] = key
            routes.append(route)
        return tuple(routes)

    def _record(self, key: str, table: Any, record: type[_Record], **given: Any) -> _Record:
        """Convert a table to a record; msgspec checks types and ranges."""
        table = self._table(key, table)
        self._refuse_unknown(key, table, _keys(record, given))
        try:
            return msgspec.convert({**table, **given}, record)
        except msgspec.ValidationError as error:
            message = str(error)
        missing = re.search(r"missing required field `(\w+)`", message)
        if missing:
            raise self._error(
                f"{key}.{missing[1]}", f"missing; allowed: {_allowed(record, missing[1])}"
            )
        _, _, name = message.rpartition("$.")
        name = re.split(r"\W", name)[0]
        raise self._error(
            f"{key}.{name}",
            f"{_shown(table[name])} is not allowed; allowed: {_allowed(record, name)}",
        )

    def _table(self, key: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._error(key, f"{_shown(value)} is not allowed; allowed: a table")
        return value

    def _refuse_unknown(self, key: str, table: dict[str, Any], known: Sequence[str]) -> None:
        for name in table:
            if name not in known:
                full = f"{key}.{_shown_key(name)}" if key else _shown_key(name)
                raise self._error(full, "unknown key" + _nearest(name, known))

    def _error(self, key: str, message: str) -> ConfigError:
        return ConfigError(": ".join(part for part in (self._name, key, message) if part))


def _split_host(text: str, name: str, allowed: str) -> tuple[str, int | None]:
    """Return host, without brackets, and port of HOST[:PORT]."""
    match = _HOST_PORT(text)
    if match is None:
        raise ConfigError(
            f"{name}: {text[:80]!r} is no address; allowed: {allowed}, IPv6 in brackets"
        )
    bracketed, host, digits = match.groups()
    if bracketed is not None:
        try:
            host = str(IPv6Address(bracketed))
        except ValueError as error:
            raise ConfigError(f"{name}: no IPv6 address: {error}") from None
    if digits is None:
        return host, None
    if int(digits) > 65_535:
        raise ConfigError(f"{name}: port {digits} is not allowed; allowed: 0 to 65535")
    return host, int(digits)


def _keys(record: type[Any], given: Iterable[str]) -> list[str]:
    return [f.name for f in dataclasses.fields(record) if f.name not in given]


def _allowed(record: type[Any], name: str) -> str:
    """Return the description of a field."""
    hint = get_type_hints(record, include_extras=True)[name]
    return str(hint.__metadata__[-1].description)


def _nearest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(name, names, 1) or [n for n in names if n.startswith(name)]
    hint = f"; did you mean {close[0]}?" if close else ";"
    return f"{hint} allowed: {', '.join(names)}"


def _shown(value: object) -> str:
    try:
        shown = repr(value)
    except ValueError:  # an int with more digits than Python prints
        return "the number"
    return shown if len(shown) <= 80 else shown[:79] + "…"


def _shown_key(name: str) -> str:
    return name if re.fullmatch(r"[\w-]{1,80}", name) else _shown(name)
