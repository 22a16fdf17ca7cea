"""Routes to functions of a stack, and the configuration file that has them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, NotRequired, TypedDict

from tailrace.config import Config, load
from tailrace.deploy.streaming_function import StreamingFunction
from tailrace.errors import ConfigError

Value = str | int | float
"""Of a key in a configuration file."""

_NAME: Final = "routes and settings of the gateway"
_FUNCTION: Final = "function"


class SiteRoute(TypedDict):
    """The keys of `[[routes]]` in tailrace.toml, with a construct in the place of a name."""

    path: str
    function: StreamingFunction
    host: NotRequired[str]
    concurrency: NotRequired[int]
    transport: NotRequired[Literal["callback", "response-stream"]]


def functions_of(routes: Sequence[SiteRoute]) -> list[StreamingFunction]:
    """Return the functions of routes, each once.

    Raises:
        ConfigError: there is no route, or one without a function.
    """
    if not routes:
        allowed = '[{"path": "/*", "function": ...}]'
        raise ConfigError("a gateway needs a route", where="routes", allowed=allowed)
    for route in routes:
        if not isinstance(route.get(_FUNCTION), StreamingFunction):
            problem = f"{route.get(_FUNCTION)!r} is no StreamingFunction"
            raise ConfigError(problem, where=f"routes: {route.get('path')}: function")
    return list(dict.fromkeys(route[_FUNCTION] for route in routes))


def toml_of(routes: Sequence[SiteRoute], settings: Mapping[str, Value]) -> str:
    """Return a configuration file. Functions are named by their versions, which AWS fills in."""
    lines: list[str] = []
    for route in routes:
        version = route[_FUNCTION].version
        lines += ["[[routes]]", *_lines({**route, _FUNCTION: version.function_arn}), ""]
    return "\n".join([*lines, "[gateway]", *_lines(settings), ""])


def checked(text: str) -> Config:
    """Return what the gateway reads in a configuration file.

    Raises:
        ConfigError: it refuses a route or a setting.
    """
    return load(Path(_NAME), text=text, runs_functions=False)


def _lines(values: Mapping[str, object]) -> list[str]:
    # A JSON string, number or bool is the same in TOML.
    return [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
