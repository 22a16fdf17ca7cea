"""The options of the commands, derived from the records of settings."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, get_origin

import click

from tailrace.setting import REQUIRED, SettingField, fields_of

Command = TypeVar("Command", bound=Callable[..., Any])
Record = TypeVar("Record")


DURATION: Final = "DURATION"
"""What stands for a value with a unit of its own in `--help`."""

_UNITS: Final = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0}


class Duration(click.ParamType[float]):
    """250ms, 2s, 1.5, 10m; without a unit it is seconds."""

    name = "duration"

    def __init__(self, lowest_s: float, highest_s: float) -> None:
        self._lowest_s = lowest_s
        self._highest_s = highest_s

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> float:
        """Called by click."""
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|)", str(value).strip())
        if match is None:
            self.fail(f"{value!r} is no duration such as 250ms, 2s or 10m", param, context)
        seconds = float(match[1]) * _UNITS[match[2]]
        if not self._lowest_s <= seconds <= self._highest_s:
            allowed = f"{self._lowest_s:g}s to {self._highest_s:g}s"
            self.fail(f"{value} is not in the range {allowed}", param, context)
        return seconds


class _Number(click.FloatRange):
    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> float:
        """Called by click, which takes nan for a number in any range."""
        number: float = super().convert(value, param, context)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number", param, context)
        return number


class _WholeNumber(click.IntRange):
    name = "whole number"


class SettingOption(click.Option):
    """An option, with the field from which it was derived."""

    def __init__(self, *names: Any, field: SettingField, **attributes: Any) -> None:
        super().__init__(*names, **attributes)
        self.field = field


def options_of(record: type[Any], *names: str) -> Callable[[Command], Command]:
    """Add an option for each setting of a record, or for the named ones, with its default."""
    fields = [each for name, each in fields_of(record).items() if name in names or not names]
    return _options(fields, has_default=True)


def overrides_of(record: type[Any], *names: str) -> Callable[[Command], Command]:
    """Add options that override settings of the file: all of a record, or the named ones.

    Times come first. The value of an option that is absent is None.
    """
    fields = [each for name, each in fields_of(record).items() if name in names or not names]
    return _options(sorted(fields, key=lambda each: each.unit is None), has_default=False)


def take(record: type[Record], values: dict[str, Any]) -> Record:
    """Make a record from the values of its options, and remove them from `values`."""
    return record(**{name: values.pop(name) for name in fields_of(record) if name in values})


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values without those of absent options."""
    return {name: value for name, value in values.items() if value not in (None, ())}


def _options(fields: Iterable[SettingField], *, has_default: bool) -> Callable[[Command], Command]:
    options = [_option(each, has_default) for each in fields if _is_option(each)]

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _is_option(field: SettingField) -> bool:
    return field.setting is not None and field.setting.help is not None


def _option(field: SettingField, has_default: bool) -> Callable[[Command], Command]:
    assert field.setting is not None
    default = field.default_text
    shown = "" if default is None else f"  [default: {default.replace('`', '')}]"
    is_list = get_origin(field.bare_type) is tuple
    names = [field.option] if field.setting.short is None else [field.setting.short, field.option]
    is_flag = field.bare_type is bool
    return click.option(
        *names,
        field.name,
        cls=SettingOption,
        field=field,
        metavar=field.metavar,
        type=None if is_flag else _type_of(field),
        is_flag=is_flag,
        **_default(field, has_default),
        multiple=is_list,
        callback=_read,
        help=f"{field.setting.help}{shown}",
    )


def _default(field: SettingField, has_default: bool) -> dict[str, Any]:
    """Return what click is given for a default: none at all makes an option required."""
    if has_default and field.default is REQUIRED and field.default_text is None:
        return {"required": True}
    return {"default": _default_of(field) if has_default else None}


def _default_of(field: SettingField) -> Any:
    """Return a default as it is written on a command line; for a flag, the value itself."""
    if field.bare_type is bool:
        return field.default
    return str(field.default) if field.has_default else None


def _type_of(field: SettingField) -> click.ParamType[Any]:
    bounds = field.bounds
    if field.choices:
        return click.Choice(field.choices)
    if field.metavar == DURATION:
        return Duration(bounds.ge, bounds.le)
    if field.bare_type is float:
        low, is_open = (bounds.ge, False) if bounds.gt is None else (bounds.gt, True)
        return _Number(low, bounds.le, min_open=is_open)
    if field.bare_type is int and bounds is not None:
        return _WholeNumber(bounds.ge, bounds.le)
    return click.Path(path_type=Path) if field.bare_type is Path else click.STRING


def _read(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Parse and check a value as its setting declares."""
    assert isinstance(parameter, SettingOption)
    field, setting = parameter.field, parameter.field.setting
    assert setting is not None
    if value is None:
        return None
    if setting.parse is not None:
        try:
            if isinstance(value, tuple):
                return tuple(setting.parse(each, name=field.option) for each in value)
            return setting.parse(value, name=field.option)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
    pattern = None if field.bounds is None else field.bounds.pattern
    if pattern is not None and re.search(pattern, value) is None:
        raise click.BadParameter(f"{value!r} is not {field.allowed}")
    return value
