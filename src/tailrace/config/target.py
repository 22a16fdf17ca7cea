"""The configuration of an app that is named on the command line, without a file."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from tailrace import limits
from tailrace.config import hints
from tailrace.config.function import FunctionConfig
from tailrace.config.interpreter import find_interpreter
from tailrace.config.records import Config, RouteConfig, TransportName
from tailrace.errors import ConfigError
from tailrace.setting import fields_of

CONFIG_NAME: Final = "tailrace.toml"

_FILES: Final = (".toml", ".yaml", ".yml", ".json")
_NAME_CHARS_MAX: Final = 64


def config_of(target: str, transport: TransportName = "callback") -> Config:
    """Return the configuration of `module:attribute` in the working directory.

    Each path is a request to it. It has the variables of the shell, as under any other server, but
    for those of AWS, and no other time-out than the longest.

    Raises:
        ConfigError: the target is written in another way, or its Python cannot be used.
    """
    app = fields_of(FunctionConfig)["app"]
    try:
        msgspec.convert(target, app.type)
    except msgspec.ValidationError:
        problem = f"{target[:80]!r} is not MODULE:ATTRIBUTE"
        raise ConfigError(problem, meant=_meant(target), allowed=app.allowed) from None
    directory = Path.cwd()
    name = re.sub(r"[^A-Za-z0-9_-]", "-", target.partition(":")[0])[:_NAME_CHARS_MAX]
    function = FunctionConfig(
        name=name,
        app=target,
        python=find_interpreter(None, where=target, directory=directory, top=directory),
        path=directory,
        timeout_s=limits.FUNCTION_TIMEOUT_S_MAX,
        environment=_variables(os.environ),
    )
    route = RouteConfig(path="/*", function=name, transport=transport)
    return Config(path=directory / CONFIG_NAME, functions={name: function}, routes=(route,))


def _meant(target: str) -> str | None:
    if target.endswith(_FILES):
        return f"--config {target}"
    meant = hints.suggestion(FunctionConfig, "app", target)
    return None if meant is None else str(json.loads(meant))


def _variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the shell: nothing that reaches an AWS account with its credentials.

    Those of Lambda itself, such as `_HANDLER`, are replaced anyway.
    """
    return {name: text for name, text in environment.items() if not name.startswith("AWS_")}
