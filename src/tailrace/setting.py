"""A setting, declared once: its type, default, range and texts stand at one field of a record.

A record of settings is a frozen dataclass. The annotation of a field may have two objects beside
its type: a `Setting` with what the setting means, and msgspec's `Meta`, or a `Range`, with its
range and a description of what is allowed. The reader of
`tailrace.toml`, the options of the commands and the tables of the reference are derived from them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

REQUIRED: Final = dataclasses.MISSING
_UNITS: Final = {"_s": "seconds", "_bytes": "bytes", "_mb": "MB"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The range of a number, where msgspec does not check it."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    pattern: str | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a setting means, and how it is written where the field itself does not tell."""

    meaning: str
    """For the reference, in Markdown."""
    help: str | None = None
    """For `--help`, a line; None: the setting is no option."""
    option: str | None = None
    """The option's name, where it is not the field's."""
    short: str | None = None
    """Its short name."""
    metavar: str | None = None
    """What stands for the option's value in `--help`, where it is not the unit."""
    default: str | None = None
    """The default in Markdown, where it is not the record's: it follows from something else."""
    kind: str | None = None
    """The type of the key in the file, where it is not the field's."""
    parse: Callable[..., Any] | None = None
    """Reads one value of the option: `parse(text, name=option)`. It raises ConfigError, or
    ValueError for the usual message of a command line."""


@dataclass(frozen=True, slots=True)
class SettingField:
    """A field of a record of settings, with all that is declared of it."""

    name: str
    type: Any
    """As it is annotated."""
    default: Any
    """REQUIRED where there is none."""
    setting: Setting | None
    bounds: Any
    """The object with the range; None without one."""
    is_secret: bool
    """Whether its value may be secret: records do not show such values either."""

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return str(self.bounds.description)

    @property
    def option(self) -> str:
        """The name of its option."""
        if self.setting is not None and self.setting.option is not None:
            return self.setting.option
        return "--" + self.name.removesuffix("_s").replace("_", "-")

    @property
    def unit(self) -> str | None:
        """The unit of its values, which is in its name."""
        return next((unit for end, unit in _UNITS.items() if self.name.endswith(end)), None)

    @property
    def metavar(self) -> str | None:
        """What stands for a value of its option; None where the option's type says it."""
        if self.setting is not None and self.setting.metavar is not None:
            return self.setting.metavar
        if self.unit is not None:
            return self.unit.upper()
        return "COUNT" if self.bare_type is int else None

    @property
    def default_text(self) -> str | None:
        """The default of its option in Markdown; None where there is none."""
        if self.setting is not None and self.setting.default is not None:
            return self.setting.default
        return f"`{self.default}`" if self.has_default else None

    @property
    def has_default(self) -> bool:
        """Whether it has a value without being set."""
        return self.default not in (REQUIRED, None, ())

    @property
    def bare_type(self) -> Any:
        """Its type without metadata and without None."""
        return _bare(self.type)

    @property
    def choices(self) -> tuple[str, ...]:
        """The texts that it may be, also inside a list; empty where it may be any."""
        return tuple(_choices(self.type))


def fields_of(record: type[Any]) -> dict[str, SettingField]:
    """The fields of a record by name, in their order."""
    hints = get_type_hints(record, include_extras=True)
    return {field.name: _field(field, hints[field.name]) for field in dataclasses.fields(record)}


def _field(field: dataclasses.Field[Any], hint: Any) -> SettingField:
    default = field.default
    if default is REQUIRED and field.default_factory is not REQUIRED:
        default = field.default_factory()
    extras = hint.__metadata__ if get_origin(hint) is Annotated else ()
    return SettingField(
        name=field.name,
        type=hint,
        default=default,
        setting=next((each for each in extras if hasattr(each, "meaning")), None),
        bounds=next((each for each in extras if hasattr(each, "description")), None),
        is_secret=not field.repr,
    )


def _bare(hint: Any) -> Any:
    origin = get_origin(hint)
    if origin is Annotated:
        return _bare(get_args(hint)[0])
    if origin in (Union, UnionType):
        return _bare(next(part for part in get_args(hint) if part is not NoneType))
    return hint


def _choices(hint: Any) -> list[str]:
    if get_origin(hint) is Literal:
        return [choice for choice in get_args(hint) if isinstance(choice, str)]
    return [choice for part in get_args(hint) for choice in _choices(part)]
