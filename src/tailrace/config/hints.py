"""Guesses for error messages: the probable meaning of a refused value or an unknown key."""

from __future__ import annotations

import difflib
import json
import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import quote, urlsplit

from tailrace.config.function import FunctionConfig
from tailrace.config.records import RouteConfig
from tailrace.setting import fields_of

_METHOD: Final = "a route takes every method, and the event names it in requestContext.http.method"
_LISTEN: Final = "an address is given on the command line: --listen HOST:PORT"
_ELSEWHERE: Final = {
    ("", "listen"): _LISTEN,
    ("", "port"): _LISTEN,
    ("routes", "method"): _METHOD,
    ("routes", "methods"): _METHOD,
    ("routes", "prefix"): 'a path that ends in /* is a prefix: path = "/prefix/*"',
    ("functions", "name"): "the name of a function stands in the table's own: [functions.NAME]",
    ("functions", "runtime"): "python is the Python of a handler or an app, and anything else is a"
    " command",
    ("functions", "region"): "the emulator's region is us-east-1; give others to your SDK clients",
    ("gateway", "listen"): _LISTEN,
    ("gateway", "host"): _LISTEN,
    ("gateway", "port"): _LISTEN,
    ("gateway", "callback_listen"): "it is the option --callback-listen",
    ("gateway", "advertise"): "it is the option --advertise",
    ("gateway", "endpoint_url"): "it is the option --endpoint-url",
    ("emulator", "listen"): _LISTEN,
    ("emulator", "host"): _LISTEN,
    ("emulator", "port"): _LISTEN,
}


def elsewhere(key: str, name: str) -> str | None:
    """Return where to set what is not a key of this table."""
    section = re.split(r"[.\[]", key)[0]
    return _ELSEWHERE.get((section, name))


def suggestion(record: type[Any], name: str, value: object) -> str | None:
    """Return a probable replacement for a value, as it is written in the file."""
    if not isinstance(value, str):
        return None
    guess = _GUESSES.get((record, name))
    if guess is not None:
        return guess(value)
    field = fields_of(record)[name]
    if field.choices:
        return _choice(value, field.choices)
    # A number or a switch in quotes.
    if field.bare_type in (int, float):
        return value if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value) else None
    return value if field.bare_type is bool and value in ("true", "false") else None


def _choice(value: str, choices: Sequence[str]) -> str | None:
    by_name = {re.sub(r"\W|_", "", choice).lower(): choice for choice in choices if choice != "*"}
    plain = re.sub(r"\W|_", "", value).lower()
    close = difflib.get_close_matches(plain, by_name, 1) or [
        name for name in by_name if plain and (plain in name or name in plain)
    ]
    return json.dumps(by_name[close[0]]) if close else None


def _handler(value: str) -> str | None:
    """`app.py`, `app:handler`, `./app.py:handler`, `app.handler()` and `app` are not handlers."""
    text = re.sub(r"\.py(?=[:.]|\Z)", "", value.removeprefix("./").removesuffix("()"))
    text = text.replace(":", ".").replace("\\", "/")
    if "." not in text:
        text = "app.handler" if text == "handler" else f"{text}.handler"
    is_handler = re.fullmatch(r"[\w/-]+(\.\w+)+", text)
    return json.dumps(text) if is_handler and text != value else None


def _app(value: str) -> str | None:
    """`main.py`, `main.app`, `./main.py:app`, `main` and `main:app()` are no apps."""
    text = re.sub(r"\.py(?=:|\Z)", "", value.removeprefix("./").removesuffix("()"))
    module, colon, attribute = text.replace("\\", "/").replace("/", ".").partition(":")
    if not colon and not value.endswith(".py"):
        module, _, attribute = module.rpartition(".")
        module, attribute = (module, attribute) if module else (attribute, "")
    text = f"{module}:{attribute or 'app'}"
    is_app = re.fullmatch(r"\w+(\.\w+)*:\w+(\.\w+)*", text)
    return json.dumps(text, ensure_ascii=False) if is_app and text != value else None


def _command(value: str) -> str | None:
    try:
        return json.dumps(shlex.split(value), ensure_ascii=False) if value.strip() else None
    except ValueError:  # a closing quote is missing
        return None


def _path(value: str) -> str | None:
    """A route has no parameters: a prefix takes their place."""
    try:
        text = urlsplit(value).path or "/" if "://" in value else re.split("[?#]", value)[0]
    except ValueError:
        return None
    text = "/" + text.lstrip("/")
    variable = re.search(r"/([^/]*[{<*]|:)", text)
    if variable is not None:
        text = text[: variable.start()] + "/*"
    text = quote(text, safe="/%!$&'()*+,-.:;=@_~")
    return json.dumps(text) if text != value else None


_GUESSES: Final[dict[tuple[type[Any], str], Callable[[str], str | None]]] = {
    (FunctionConfig, "handler"): _handler,
    (FunctionConfig, "app"): _app,
    (FunctionConfig, "command"): _command,
    (RouteConfig, "path"): _path,
}
