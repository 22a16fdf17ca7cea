"""Settings, each declared once: type, default, range and texts are at one field of a record.

A record of settings is a frozen dataclass. The annotation of a field may have two objects in
addition to its type: a `Setting` with its texts, and msgspec's `Meta`, or a `Range`, with the range
and a description of what is allowed. The reader of `tailrace.toml`, the options of the commands and
the tables of the reference are derived from them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

REQUIRED: Final = dataclasses.MISSING
_UNITS: Final = {"_s": "seconds", "_bytes": "bytes", "_mb": "MB"}
_FIELDS: Final[dict[type[Any], Mapping[str, SettingField]]] = {}
"""Of each record that has been read: a file may have thousands of routes, each one a record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The range of a number that msgspec does not check."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    pattern: str | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Setting:
    """The texts of a setting, and how it is written where that does not follow from the field."""

    meaning: str
    """For the reference, in Markdown."""
    help: str | None = None
    """For `--help`, a line; None: the setting is no option."""
    option: str | None = None
    """The option's name; None: it follows from the field's name."""
    short: str | None = None
    """The option's short name."""
    metavar: str | None = None
    """The placeholder of the option's value in `--help`; None: it is the unit."""
    default: str | None = None
    """The default in Markdown, if it is not a constant; None: it is that of the record."""
    kind: str | None = None
    """The type of the key in the file; None: it follows from the field's type."""
    parse: Callable[..., Any] | None = None
    """Parses one value of the option: `parse(text, name=option)`. It raises ConfigError, or
    ValueError for the usual message of a command line."""


@dataclass(frozen=True, slots=True)
class SettingField:
    """A field of a record of settings, with everything that is declared at it."""

    name: str
    type: Any
    """The annotation, with its metadata."""
    default: Any
    """REQUIRED if there is none."""
    setting: Setting | None
    bounds: Any
    """The `Meta` or `Range`; None if there is none."""
    is_secret: bool
    """Whether its value may be secret; the repr of its record leaves such values out."""

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return str(self.bounds.description)

    @property
    def option(self) -> str:
        """The name of the option, such as `--drain-delay`."""
        if self.setting is not None and self.setting.option is not None:
            return self.setting.option
        return "--" + self.name.removesuffix("_s").replace("_", "-")

    @property
    def unit(self) -> str | None:
        """The unit of its values, from the end of its name; None if it has none."""
        return next((unit for end, unit in _UNITS.items() if self.name.endswith(end)), None)

    @property
    def metavar(self) -> str | None:
        """The placeholder of the option's value in `--help`; None if the option has none."""
        if self.setting is not None and self.setting.metavar is not None:
            return self.setting.metavar
        if self.unit is not None:
            return self.unit.upper()
        return "COUNT" if self.bare_type is int else None

    @property
    def default_text(self) -> str | None:
        """The default of the option in Markdown; None if there is none."""
        if self.setting is not None and self.setting.default is not None:
            return self.setting.default
        return f"`{self.default}`" if self.has_default else None

    @property
    def has_default(self) -> bool:
        """Whether it has a value without being set."""
        return self.default is not False and self.default not in (REQUIRED, None, ())

    @property
    def bare_type(self) -> Any:
        """The type without metadata and without None."""
        return _bare(self.type)

    @property
    def choices(self) -> tuple[str, ...]:
        """The texts that are allowed, also as items of a list; empty if any text is."""
        return tuple(_choices(self.type))


def fields_of(record: type[Any]) -> Mapping[str, SettingField]:
    """Return the fields of a record by name, in their order."""
    fields = _FIELDS.get(record)
    if fields is None:
        hints = get_type_hints(record, include_extras=True)
        found = {
            field.name: _field(field, hints[field.name]) for field in dataclasses.fields(record)
        }
        fields = _FIELDS[record] = MappingProxyType(found)
    return fields


def _field(field: dataclasses.Field[Any], hint: Any) -> SettingField:
    default = field.default
    if default is REQUIRED and field.default_factory is not REQUIRED:
        default = field.default_factory()
    extras = hint.__metadata__ if get_origin(hint) is Annotated else ()
    return SettingField(
        name=field.name,
        type=hint,
        default=default,
        setting=next((each for each in extras if isinstance(each, Setting)), None),
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
