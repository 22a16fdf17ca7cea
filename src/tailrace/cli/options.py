"""The options of the commands, derived from the records of settings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_origin

import click

from tailrace.setting import SettingField, fields_of

Command = TypeVar("Command", bound=Callable[..., Any])
Record = TypeVar("Record")


class SettingOption(click.Option):
    """An option with the declaration of its setting."""

    def __init__(self, *names: Any, field: SettingField, **attributes: Any) -> None:
        super().__init__(*names, **attributes)
        self.field = field


def options_of(record: type[Any]) -> Callable[[Command], Command]:
    """An option for each setting of a record, with its default."""
    return _options(fields_of(record).values(), has_default=True)


def overrides_of(record: type[Any], *names: str) -> Callable[[Command], Command]:
    """An option for settings of a record, all unless named, which overrides the file; times first.

    Its value is None when it is not given.
    """
    fields = [each for name, each in fields_of(record).items() if name in names or not names]
    return _options(sorted(fields, key=lambda each: each.unit is None), has_default=False)


def take(record: type[Record], values: dict[str, Any]) -> Record:
    """Make a record of the values of its options, which are taken out of `values`."""
    return record(**{name: values.pop(name) for name in fields_of(record) if name in values})


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """The overrides that the command line has."""
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
    return click.option(
        field.option,
        field.name,
        cls=SettingOption,
        field=field,
        metavar=field.metavar,
        type=_type_of(field),
        default=str(field.default) if has_default and field.has_default else None,
        multiple=is_list,
        callback=_read,
        help=f"{field.setting.help}{shown}",
    )


def _type_of(field: SettingField) -> click.ParamType[Any]:
    bounds = field.bounds
    if field.choices:
        return click.Choice(field.choices)
    if field.bare_type is float:
        low, is_open = (bounds.ge, False) if bounds.gt is None else (bounds.gt, True)
        return click.FloatRange(low, bounds.le, min_open=is_open)
    if field.bare_type is int:
        return click.IntRange(bounds.ge, bounds.le)
    return click.Path(path_type=Path) if field.bare_type is Path else click.STRING


def _read(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Read a value as its setting declares it."""
    assert isinstance(parameter, SettingOption)
    field, setting = parameter.field, parameter.field.setting
    assert setting is not None
    if value is None:
        return None
    if setting.parse is not None:
        if isinstance(value, tuple):
            return tuple(setting.parse(each, name=field.option) for each in value)
        return setting.parse(value, name=field.option)
    pattern = None if field.bounds is None else field.bounds.pattern
    if pattern is not None and re.search(pattern, value) is None:
        raise click.BadParameter(f"{value!r} is not {field.allowed}")
    return value
