"""What the code declares as data: limits, settings and options."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

import click
from docs.drawn.markdown import table

from tailrace import config, errors, limits
from tailrace.cli.entry import whole_command_line
from tailrace.cli.options import SettingOption
from tailrace.gateway import limits as gateway_limits
from tailrace.gateway.observe.emf import Metric
from tailrace.html import limits as html_limits
from tailrace.html.progress.words import WORDS
from tailrace.net.process import limits as process_limits
from tailrace.net.process.board import COUNTS
from tailrace.package import limits as package_limits
from tailrace.package.gateway import FILES as GATEWAY_FILES
from tailrace.probe import limits as probe_limits
from tailrace.setting import REQUIRED, SettingField, fields_of

PACKAGE: Final = Path(errors.__file__).parent

# --- limits ------------------------------------------------------------------------------------


class Limit(NamedTuple):
    """One constant of a module of limits."""

    section: str
    name: str
    value: Any
    reason: str


def all_limits() -> Iterator[Limit]:
    """Every limit, in the order of the sources, with the text below it."""
    for module in (
        limits,
        html_limits,
        process_limits,
        gateway_limits,
        probe_limits,
        package_limits,
    ):
        yield from _limits_of(module)


def _limits_of(module: ModuleType) -> Iterator[Limit]:
    assert module.__file__ is not None
    source = Path(module.__file__).read_text()
    lines = source.splitlines()
    body = ast.parse(source).body
    for index, node in enumerate(body):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        text = body[index + 1] if index + 1 < len(body) else None
        if not (isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)):
            continue  # a unit: KIB, MIB
        above = [line for line in lines[: node.lineno] if line.startswith("# --- ")]
        reason = " ".join(str(text.value.value).split())
        name = node.target.id
        yield Limit(above[-1].strip("# -"), name, getattr(module, name), reason)


def limits_tables() -> str:
    """All limits, a table for each section of the source."""
    settings = settings_by_limit()
    parts = []
    for section in dict.fromkeys(limit.section for limit in all_limits()):
        rows = [
            [
                f"`{limit.name}`",
                shown_value(limit.name, limit.value),
                ", ".join(f"`{key}`" for key in settings.get(limit.name, ())) or "no",
                limit.reason,
            ]
            for limit in all_limits()
            if limit.section == section
        ]
        title = section[0].upper() + section[1:]
        parts.append(f"## {title}\n\n" + table(["name", "value", "a setting?", "what"], rows))
    return "\n\n".join(parts)


def settings_by_limit() -> dict[str, list[str]]:
    """The keys of tailrace.toml whose default is a limit, by its name."""
    keys = {record.__name__: key for key, record in SETTINGS.items()}
    found: dict[str, list[str]] = {}
    for module in ("function.py", "records.py"):
        for node in ast.parse((PACKAGE / "config" / module).read_text()).body:
            if not isinstance(node, ast.ClassDef) or node.name not in keys:
                continue
            for line in node.body:
                if not isinstance(line, ast.AnnAssign) or not isinstance(line.value, ast.Attribute):
                    continue
                assert isinstance(line.target, ast.Name)
                key = f"{keys[node.name]}.{line.target.id}"
                found.setdefault(line.value.attr, []).append(key)
    return found


def shown_value(name: str, value: Any) -> str:
    """A limit's value with its unit, which is in its name."""
    if isinstance(value, tuple):
        return ", ".join(shown_value(name, each) for each in value)
    if name.endswith("_BYTES_PER_S"):
        return shown_value(name.removesuffix("_PER_S"), value) + " a second"
    if re.search(r"_S(_|$)", name):
        if 0 < value < 0.001:
            return f"{value * 1e6:g} µs"
        return f"{value:g} s" if value < 10_000 else f"{value:,.0f} s"
    if "_BYTES" in name:
        for unit, size in (("MiB", limits.MIB), ("KiB", limits.KIB)):
            if value >= size and value % size == 0:
                return f"{value // size} {unit}"
        return f"{value:,} bytes"
    if name.endswith(("_MB", "_MB_MAX")):
        return f"{value:,} MB"
    return f"{value:,}"


def metrics_of(metrics: tuple[Metric, ...]) -> str:
    """Metrics, with the count of the statistics from which each one is made."""
    rows = [
        [
            f"`{each.name}`",
            each.unit,
            f"`{each.source}`" if each.source in COUNTS else "none",
            each.meaning,
        ]
        for each in metrics
    ]
    return table(["metric", "unit", "in the statistics", "meaning"], rows)


# --- settings ----------------------------------------------------------------------------------

SETTINGS: Final[dict[str, type[Any]]] = {
    "functions.NAME": config.FunctionConfig,
    "functions.NAME.url": config.UrlConfig,
    "functions.NAME.url.cors": config.CorsConfig,
    "functions.NAME.destinations": config.DestinationsConfig,
    "functions.NAME.hold_back": config.HoldBackConfig,
    "routes": config.RouteConfig,
    "gateway": config.GatewayConfig,
    "emulator": config.EmulatorConfig,
}
"""The tables of tailrace.toml, each with the record that declares its keys."""

_KINDS: Final = {bool: "boolean", int: "whole number", float: "number", tuple: "list of texts"}


def keys_of(record: type[Any]) -> str:
    """The keys of one table of tailrace.toml."""
    rows = [
        [f"`{name}`", _kind(field), _key_default(field), field.allowed, field.setting.meaning]
        for name, field in fields_of(record).items()
        if field.setting is not None
    ]
    return table(["key", "type", "default", "allowed", "meaning"], rows)


def _kind(field: SettingField) -> str:
    """The type of a key, in the words of TOML."""
    assert field.setting is not None
    if field.setting.kind is not None:
        return field.setting.kind
    kind = getattr(field.bare_type, "__origin__", field.bare_type)
    is_table = kind is dict or dataclasses.is_dataclass(kind)
    return "table" if is_table else _KINDS.get(kind, "text")


def _key_default(field: SettingField) -> str:
    """A default as it is written in TOML."""
    assert field.setting is not None
    if field.setting.default is not None:
        return field.setting.default
    if field.default is REQUIRED:
        return "**required**"
    is_table = field.default is None or dataclasses.is_dataclass(field.default)
    return "none" if is_table else f"`{json.dumps(field.default)}`"


_ARGUMENTS: Final = {
    "PATH": "The folder of the code.",
    "URL...": "What to measure, one after the other: http or https.",
    "[FOLDER]": "Where to write. It is made if it does not exist.",
    "[MODULE:ATTRIBUTE]": "What to run [without a file](#an-app-without-a-file).",
}


def _command(name: str) -> click.Command:
    """A command by its words, such as `package layer`."""
    found: click.Command = whole_command_line()
    for word in name.split():
        assert isinstance(found, click.Group)
        found = found.commands[word]
    return found


def options_of(command: str) -> str:
    """The options of a command, in their order."""
    rows = []
    for parameter in _command(command).params:
        if not isinstance(parameter, SettingOption):
            rows.append([f"`{parameter.metavar}`", "none", _ARGUMENTS[parameter.metavar or ""]])
            continue
        field = parameter.field
        assert field.setting is not None
        names = ", ".join(each for each in (field.setting.short, field.option) if each)
        name = names if parameter.metavar is None else f"{names} {parameter.metavar}"
        default = "required" if parameter.required else field.default_text or "none"
        rows.append([f"`{name}`", default, field.setting.meaning])
    return table(["option", "default", "meaning"], rows)


# --- the units of systemd ----------------------------------------------------------------------


def unit(name: str) -> str:
    """A unit as `tailrace package gateway` puts it into its folder."""
    text = (GATEWAY_FILES / name).read_text()
    return f"```ini\n# /etc/systemd/system/{name}\n{text}```"


# --- words -------------------------------------------------------------------------------------


def words_table() -> str:
    """The texts of a page, each with its key."""
    return table(["key", "text"], [[f"`{key}`", f"`{text}`"] for key, text in WORDS.items()])
