"""Environment variables of functions: allowed names, `.env` files, and `${NAME}`.

Values may be secrets, so no message contains one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tailrace import limits
from tailrace.errors import ConfigError

CREDENTIALS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
REGIONS: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]+").fullmatch
# Lambda sets these itself, and its API refuses them (DG configuration-envvars).
_RESERVED: Final = re.compile(
    r"AWS_(ACCESS_KEY(_ID)?|SECRET_ACCESS_KEY|SESSION_TOKEN|(DEFAULT_)?REGION|EXECUTION_ENV)"
    r"|AWS_LAMBDA_(FUNCTION_(NAME|VERSION|MEMORY_SIZE)|INITIALIZATION_TYPE|RUNTIME_API)"
    r"|AWS_LAMBDA_(LOG_(FORMAT|LEVEL|GROUP_NAME|STREAM_NAME)|MAX_CONCURRENCY)"
    r"|LAMBDA_(RUNTIME_DIR|TASK_ROOT)"
).fullmatch
_REFERENCE: Final = re.compile(r"(\$?)\$\{(?:([A-Za-z_][A-Za-z0-9_]*)\})?")
_LINE: Final = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*)", re.ASCII).fullmatch
_VALUE: Final = re.compile(
    r"""'(?P<literal>[^']*)'|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^'"\s](?:.*?\S)??)?"""
)
_NEW_LINE: Final = re.compile(r"\r\n|\r|\n")  # no other separator: U+2028 is part of a value
_REST: Final = re.compile(r"\s*(\#.*)?").fullmatch
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t"}


def check_environment(key: str, table: Mapping[str, Any]) -> None:
    """Refuse the names and values that Lambda refuses in `environment`.

    Raises:
        ConfigError: a name or a value is not allowed. The message starts with the key.
    """
    for name, value in table.items():
        if not _NAME(name):
            shown = repr(name) if len(name) <= 80 else repr(name)[:79] + "…"
            allowed = "a letter, then letters, digits and '_', at least two"
            raise ConfigError("illegal name", where=f"{key}.{shown}", allowed=allowed)
        if name in CREDENTIALS or name in REGIONS:
            raise ConfigError(
                "Lambda sets this name itself; set aws_profile, or put it into a file and name"
                " that in env_file",
                where=f"{key}.{name}",
            )
        if _RESERVED(name):
            raise ConfigError("Lambda sets this name itself; choose another", where=f"{key}.{name}")
        if not isinstance(value, str) or "\0" in value:
            allowed = "text in quotes, without NUL"
            raise ConfigError("not allowed", where=f"{key}.{name}", allowed=allowed)


def check_size(key: str, variables: Mapping[str, str]) -> None:
    """Refuse variables that are larger than Lambda's limit, credentials not counted.

    Raises:
        ConfigError: they are too large.
    """
    size = sum(
        len(name) + len(value.encode("utf-8"))
        for name, value in variables.items()
        if name not in CREDENTIALS
    )
    if size > limits.ENVIRONMENT_BYTES_MAX:
        allowed = f"{limits.ENVIRONMENT_BYTES_MAX} for all together"
        raise ConfigError(f"{size} bytes", where=key, allowed=allowed)


def expand(key: str, value: str, known: Mapping[str, str]) -> str:
    """Replace each `${NAME}` by the variable's value; `$${` stands for a literal `${`.

    Raises:
        ConfigError: a variable is not set, or `${` is not followed by a name and `}`.
    """

    def replace(match: re.Match[str]) -> str:
        escape, name = match.groups()
        if escape:
            return match[0][1:]
        if name is None:
            raise ConfigError("${ without NAME}; write $${ for a literal ${", where=key)
        if name not in known:
            raise ConfigError(
                f"${{{name}}} is set neither where tailrace was started nor in env_file;"
                " set it, or write $${ for a literal ${",
                where=key,
            )
        return known[name]

    return _REFERENCE.sub(replace, value)


def read_env_file(key: str, path: Path) -> dict[str, str]:
    """Read the lines NAME=VALUE of a file; values are literal except for quotes.

    Raises:
        ConfigError: the file cannot be read, or a line has another form.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limits.ENV_FILE_BYTES_MAX + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", where=key) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 at byte {error.start}", where=key) from None
    if len(data) > limits.ENV_FILE_BYTES_MAX:
        problem = f"{path} is larger than {limits.ENV_FILE_BYTES_MAX} bytes"
        raise ConfigError(problem, where=key)
    found: dict[str, str] = {}
    for number, line in enumerate(_NEW_LINE.split(text), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        where = f"{key}: {path} line {number}"
        match = _LINE(stripped)
        value = None if match is None else _value(match[2])
        if match is None or value is None or "\0" in value:
            problem = "allowed: NAME=VALUE, or an end of quotes is missing"
            raise ConfigError(problem, where=where)
        _check_name(where, match[1])
        found[match[1]] = value
    return found


def _check_name(where: str, name: str) -> None:
    if name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        problem = f"{name} has no effect here; set aws_profile in the function"
        raise ConfigError(problem, where=where)
    if _RESERVED(name) and name not in CREDENTIALS and name not in REGIONS:
        raise ConfigError(f"Lambda sets {name} itself; choose another name", where=where)


def _value(text: str) -> str | None:
    """Return the value behind NAME=; None if a closing quote is missing."""
    if not text or text.startswith("#"):
        return ""
    match = _VALUE.match(text)
    assert match is not None
    if match["bare"] is not None:
        return re.split(r"\s+#", text, maxsplit=1)[0].rstrip()
    if not match[0] or not _REST(text, match.end()):
        return None
    if match["literal"] is not None:
        return match["literal"]
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), match["quoted"])
