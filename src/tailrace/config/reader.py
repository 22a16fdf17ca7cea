"""The reader of `tailrace.toml`.

The ConfigError for a mistake names the file, the key, what is allowed, and for an unknown name the
nearest valid one.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from tailrace.config import hints
from tailrace.config.address import check_url, parse_address
from tailrace.config.environment import (
    CREDENTIALS,
    check_environment,
    check_size,
    expand,
    read_env_file,
)
from tailrace.config.function import (
    HOLD_BACKS,
    CorsConfig,
    DestinationsConfig,
    FunctionConfig,
    HoldBackConfig,
    HoldBackName,
    UrlConfig,
)
from tailrace.config.interpreter import CURRENT, Interpreter, find_interpreter
from tailrace.config.records import Config, EmulatorConfig, GatewayConfig, RouteConfig
from tailrace.errors import ConfigError
from tailrace.setting import REQUIRED, fields_of


def load(
    path: str | Path,
    *,
    hold_back: HoldBackName | None = None,
    runs_functions: bool = True,
    allow_hosts: Iterable[str] = (),
    text: str | None = None,
) -> Config:
    """Read and check a configuration file; directories in it are relative to the file.

    `hold_back` overrides that of every function; `allow_hosts` extends `allowed_hosts` of
    `[emulator]`. Without `runs_functions` the functions run on another machine: the file is
    checked in the same way, but directories that it names need not exist here. With `text` that is
    what the file contains, whatever it contains now.

    Raises:
        ConfigError: the file cannot be read, or a part of it is not allowed.
    """
    config = _Reader(str(path), runs_functions, text).read(Path(path))
    return overridden(config, hold_back, allow_hosts)


def overridden(
    config: Config, hold_back: HoldBackName | None, allow_hosts: Iterable[str]
) -> Config:
    """Return the configuration with what a command line overrides: see `load`."""
    hosts = (*config.emulator.allowed_hosts, *allow_hosts)
    emulator = dataclasses.replace(config.emulator, allowed_hosts=hosts)
    config = dataclasses.replace(config, emulator=emulator)
    if hold_back is None:
        return config
    functions = {
        name: dataclasses.replace(function, hold_back=HOLD_BACKS[hold_back])
        for name, function in config.functions.items()
    }
    return dataclasses.replace(config, functions=functions)


_Record = TypeVar("_Record")

_FUNCTION_TABLE: Final = "write [functions.NAME], with a name of its own, before each function"
_ENTRIES: Final = ("handler", "app", "command")
_FUNCTION_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch


class _Reader:
    """Reads one file, whose name is part of each message."""

    def __init__(self, name: str, runs_functions: bool, text: str | None) -> None:
        self._name = name
        self._runs_functions = runs_functions
        self._text = text

    def read(self, path: Path) -> Config:
        root = self._parse(path)
        self._refuse_unknown("", root, ("functions", "routes", "emulator", "gateway"))
        directory = path.resolve().parent
        tables = self._table("functions", root.get("functions", {}), _FUNCTION_TABLE)
        functions = {name: self._function(name, table, directory) for name, table in tables.items()}
        self._check_destinations(functions)
        return Config(
            path=path.resolve(),
            functions=functions,
            routes=self._routes(root.get("routes", []), functions),
            emulator=self._record("emulator", root.get("emulator", {}), EmulatorConfig),
            gateway=self._record("gateway", root.get("gateway", {}), GatewayConfig),
        )

    def _parse(self, path: Path) -> dict[str, Any]:
        try:
            text = self._text
            return tomllib.loads(path.read_bytes().decode("utf-8") if text is None else text)
        except OSError as error:
            inside = path / "tailrace.toml"
            meant = str(inside) if inside.is_file() else None
            raise self._error("", f"cannot be read: {error.strerror}", meant=meant) from error
        except UnicodeDecodeError as error:
            raise self._error("", f"not UTF-8 at byte {error.start}") from error
        except (ValueError, RecursionError) as error:
            # Usually a TOMLDecodeError, whose text has line and column.
            more = "; text stands in quotes" if _is_of_a_value(error) else ""
            if path.suffix in (".yaml", ".yml", ".json"):
                more = "; the configuration is a TOML file: see docs/reference/settings.md"
            raise self._error("", f"not TOML: {error}{more}") from error

    def _function(self, name: str, table: Any, directory: Path) -> FunctionConfig:
        key = f"functions.{name}"
        if not _FUNCTION_NAME(name):
            allowed = fields_of(FunctionConfig)["name"].allowed
            raise self._error(f"functions.{_shown(name)}", "illegal name", allowed=allowed)
        given = dict(self._table(key, table, _FUNCTION_TABLE))
        path = self._directory(f"{key}.path", given.get("path", "."), directory)
        given |= self._environment(key, given, directory)
        python = self._python(key, given, path, directory)
        url = self._url(f"{key}.url", given.pop("url")) if "url" in given else None
        destinations = self._destinations(key, given.pop("destinations", {}), directory)
        hold_back = self._hold_back(f"{key}.hold_back", given.pop("hold_back", "off"))
        function = self._record(key, {**given, "path": path}, FunctionConfig, name=name)
        function = dataclasses.replace(
            function, python=python, url=url, destinations=destinations, hold_back=hold_back
        )
        found = [name for name in _ENTRIES if getattr(function, name) is not None]
        if len(found) != 1:
            which = f"{' and '.join(found)} are there" if found else "none of them is there"
            raise self._error(key, which, allowed=f"exactly one of {', '.join(_ENTRIES)}")
        return function

    def _python(self, key: str, given: dict[str, Any], path: Path, directory: Path) -> Interpreter:
        """Take `python` from the table; return the Python of a handler or an app."""
        configured = given.pop("python", None)
        if configured is not None:
            if not isinstance(configured, str) or not configured or "\0" in configured:
                raise self._not_allowed(f"{key}.python", configured, FunctionConfig)
            if "command" in given:
                problem = "belongs to handler and app; a command names its program itself"
                raise self._error(f"{key}.python", problem)
        if not self._runs_functions or "command" in given:
            return CURRENT
        where = f"{self._name}: {key}.python"
        return find_interpreter(configured, where=where, directory=path, top=directory)

    def _url(self, key: str, value: Any) -> UrlConfig:
        table = dict(self._table(key, value))
        cors = table.pop("cors", None)
        listen = table.pop("listen", None)
        if listen is not None and not isinstance(listen, str):
            raise self._not_allowed(f"{key}.listen", listen, UrlConfig)
        url = self._record(key, table, UrlConfig)
        return dataclasses.replace(
            url,
            cors=None if cors is None else self._record(f"{key}.cors", cors, CorsConfig),
            listen=None
            if listen is None
            else parse_address(listen, name=f"{self._name}: {key}.listen"),
        )

    def _destinations(self, key: str, value: Any, base: Path) -> DestinationsConfig:
        """Read the destinations; paths become absolute, functions are checked later."""
        found = self._record(f"{key}.destinations", value, DestinationsConfig)
        places = {
            name: f"file:{(base / place.removeprefix('file:')).resolve()}"
            for name, place in dataclasses.asdict(found).items()
            if place is not None and place.startswith("file:")
        }
        return dataclasses.replace(found, **places)

    def _hold_back(self, key: str, value: Any) -> HoldBackConfig | None:
        for name, named in HOLD_BACKS.items():
            if value == name:
                return named
        if not isinstance(value, dict):
            raise self._not_allowed(key, value, FunctionConfig)
        return self._record(key, value, HoldBackConfig)

    def _check_destinations(self, functions: dict[str, FunctionConfig]) -> None:
        for function in functions.values():
            for name, place in dataclasses.asdict(function.destinations).items():
                target = (place or "").removeprefix("function:")
                if place is not None and target != place and target not in functions:
                    key = f"functions.{function.name}.destinations.{name}"
                    raise self._unknown(
                        key, f"there is no function {_shown(target)}", target, functions
                    )

    def _directory(self, key: str, value: Any, base: Path) -> Path:
        if not isinstance(value, str):
            raise self._not_allowed(key, value, FunctionConfig)
        try:
            path = (base / value).resolve()
            is_directory = not self._runs_functions or path.is_dir()
        except (OSError, ValueError, RuntimeError):  # too long, a NUL inside, a loop of links
            path, is_directory = Path(value[:80]), False
        if not is_directory:
            allowed = fields_of(FunctionConfig)["path"].allowed
            raise self._error(key, f"{path} is not a directory", allowed=allowed)
        return path

    def _environment(self, key: str, given: dict[str, Any], directory: Path) -> dict[str, Any]:
        """Return the values of `environment` and `env_file`, read and merged."""
        where = f"{self._name}: {key}"
        table = self._table(f"{key}.environment", given.get("environment", {}))
        check_environment(f"{where}.environment", table)
        file = given.get("env_file")
        if file is not None and (not isinstance(file, str) or not file or "\0" in file):
            raise self._not_allowed(f"{key}.env_file", file, FunctionConfig)
        if not self._runs_functions:
            return {} if file is None else {"env_file": directory / file}
        path = None if file is None else (directory / file).resolve()
        from_file = {} if path is None else read_env_file(f"{where}.env_file", path)
        if given.get("aws_profile") is not None and CREDENTIALS[0] in from_file:
            raise self._error(
                f"{key}.aws_profile", f"{path} has {CREDENTIALS[0]} as well; keep one of the two"
            )
        known = {**from_file, **os.environ}
        own = {n: expand(f"{where}.environment.{n}", v, known) for n, v in table.items()}
        variables = {**from_file, **own}
        check_size(f"{where}.environment", variables)
        return {"environment": variables, "env_file": path}

    def _routes(self, tables: Any, functions: dict[str, FunctionConfig]) -> tuple[RouteConfig, ...]:
        if not isinstance(tables, list):
            raise self._error(
                "routes",
                f"{_kind(tables)} is not allowed; "
                "write [[routes]], in two pairs of brackets, before each route",
            )
        keys_by_target: dict[tuple[str | None, str], str] = {}
        routes = []
        for index, table in enumerate(tables):
            key = f"routes[{index}]"
            route = self._record(key, table, RouteConfig)
            if route.invoke_url is not None and route.transport != "callback":
                raise self._error(
                    f"{key}.transport",
                    'what a URL invokes calls back; allowed here: "callback"',
                )
            if route.invoke_url is not None:
                check_url(route.invoke_url, name=f"{self._name}: {key}.function".lstrip(": "))
            # A file without functions belongs to a gateway whose functions run elsewhere.
            if functions and route.invoke_url is None and route.function_name not in functions:
                problem = f"there is no function {_shown(route.function)}"
                raise self._unknown(f"{key}.function", problem, route.function_name, functions)
            target = (route.host and route.host.lower(), route.path)
            if target in keys_by_target:
                raise self._error(
                    key, f"{route.path} has a route already: {keys_by_target[target]}"
                )
            keys_by_target[target] = key
            routes.append(route)
        return tuple(routes)

    def _record(self, key: str, table: Any, record: type[_Record], **given: Any) -> _Record:
        """Convert a table to a record, key by key; msgspec checks types and ranges."""
        table = self._table(key, table)
        fields = fields_of(record)
        self._refuse_unknown(key, table, [name for name in fields if name not in given])
        values = dict(given)
        for name, value in table.items():
            try:
                values[name] = msgspec.convert(value, fields[name].type)
            except msgspec.ValidationError:  # it has no field that names the key
                raise self._not_allowed(f"{key}.{name}", value, record) from None
        for name, field in fields.items():
            if field.default is REQUIRED and name not in values:
                raise self._error(f"{key}.{name}", "missing", allowed=field.allowed)
        return record(**values)

    def _not_allowed(self, key: str, value: object, record: type[Any]) -> ConfigError:
        name = key.rpartition(".")[2]
        field = fields_of(record)[name]
        if field.is_secret:
            return self._error(key, "not allowed", allowed=field.allowed)
        meant = hints.suggestion(record, name, value)
        return self._error(
            key,
            f"{_shown(value)} is not allowed",
            meant=None if meant is None else _cut(meant),
            allowed=field.allowed,
        )

    def _table(self, key: str, value: Any, instead: str = "allowed: a table") -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._error(key, f"{_kind(value)} is not allowed; {instead}")
        return value

    def _refuse_unknown(self, key: str, table: dict[str, Any], known: Sequence[str]) -> None:
        for name in table:
            if name not in known:
                full = f"{key}.{_shown_key(name)}" if key else _shown_key(name)
                where = hints.elsewhere(key, name)
                if where is not None:
                    raise self._error(full, f"unknown key; {where}")
                raise self._unknown(full, "unknown key", name, known)

    def _unknown(self, key: str, problem: str, name: str, known: Iterable[str]) -> ConfigError:
        names = list(known)
        near = difflib.get_close_matches(name, names, 1) or [n for n in names if n.startswith(name)]
        meant = near[0] if near else None
        return self._error(key, problem, meant=meant, allowed=", ".join(names))

    def _error(
        self, key: str, problem: str, *, meant: str | None = None, allowed: str | None = None
    ) -> ConfigError:
        where = ": ".join(part for part in (self._name, key) if part)
        return ConfigError(problem, where=where, meant=meant, allowed=allowed)


def _is_of_a_value(error: Exception) -> bool:
    """Whether a document is not TOML because of a value, as a text without quotes is one.

    The error of tomllib has no field for this but its text (Python 3.14 adds the text without the
    place). This is the only text of an error that is searched; a test fails when it changes.
    """
    return "Invalid value" in str(error)


def _kind(value: object) -> str:
    """Name the type of a value in the place of a table; its content may be secret."""
    return (
        "an array"
        if isinstance(value, list)
        else "a table"
        if isinstance(value, dict)
        else ("text" if isinstance(value, str) else _shown(value))
    )


def _shown(value: object) -> str:
    if isinstance(value, str) and "://" in value:  # its path and query may be secret
        value = re.sub(r"(://)(?:[^/?#]*@)?([^/?#]*).*", r"\1\2/…", value, flags=re.DOTALL)
    try:
        shown = repr(value)
    except ValueError:  # an int with more digits than Python prints
        return "the number"
    return _cut(shown)


def _cut(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"


def _shown_key(name: str) -> str:
    return name if re.fullmatch(r"[\w-]{1,80}", name) else _shown(name)
