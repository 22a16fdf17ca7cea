"""How a setting is declared: once, at the field of a record."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from tailrace import config
from tailrace.setting import REQUIRED, Setting, SettingField, fields_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    wait_s: Annotated[float, Meta(gt=0, description="a while"), Setting("How long.")] = 1.5
    part_bytes: Annotated[int | None, Meta(ge=1, description="a size")] = None
    colour: Annotated[
        Literal["red", "blue"], Setting("Which.", option="--color", metavar="NAME")
    ] = "red"
    colours: Annotated[tuple[Literal["red", "*"], ...], Meta(description="some")] = ()
    key: Annotated[str, Setting("Secret.")] = field(default="x", repr=False)
    path: Annotated[Path | None, Setting("Where.")] = None
    table: dict[str, str] = field(default_factory=dict)
    name: str


FIELDS = fields_of(Record)


def test_fields_have_all_that_is_declared() -> None:
    assert list(FIELDS) == [each.name for each in dataclasses.fields(Record)]
    wait = FIELDS["wait_s"]
    assert (wait.default, wait.allowed, wait.unit) == (1.5, "a while", "seconds")
    assert wait.setting == Setting("How long.")
    assert wait.bounds.gt == 0
    assert (FIELDS["name"].default, FIELDS["table"].default) == (REQUIRED, {})
    assert FIELDS["name"].setting is FIELDS["name"].bounds is None
    assert [each.name for each in FIELDS.values() if each.is_secret] == ["key"]


def test_an_option_is_named_after_its_field() -> None:
    assert FIELDS["wait_s"].option == "--wait"
    assert FIELDS["part_bytes"].option == "--part-bytes"
    assert FIELDS["colour"].option == "--color"


@pytest.mark.parametrize(
    ("name", "bare"), [("wait_s", float), ("part_bytes", int), ("path", Path), ("key", str)]
)
def test_a_type_without_metadata_and_none(name: str, bare: type[Any]) -> None:
    assert FIELDS[name].bare_type is bare


def test_choices_are_found_inside_lists_as_well() -> None:
    assert FIELDS["colour"].choices == ("red", "blue")
    assert FIELDS["colours"].choices == ("red", "*")
    assert FIELDS["key"].choices == ()


@pytest.mark.parametrize(
    "record",
    [
        config.CorsConfig, config.DestinationsConfig, config.EmulatorConfig, config.FunctionConfig,
        config.GatewayConfig, config.HoldBackConfig, config.RouteConfig, config.UrlConfig,
    ],
)  # fmt: skip
def test_each_key_of_the_file_declares_range_and_meaning(record: type[Any]) -> None:
    def is_complete(each: SettingField) -> bool:
        return each.setting is not None and each.setting.meaning != "" and each.allowed != ""

    keys = [each for each in fields_of(record).values() if each.name != "name"]

    assert all(is_complete(each) for each in keys)


def test_the_fields_of_a_record_are_read_once() -> None:
    """A file has a record for each of its routes, and may have thousands."""
    assert fields_of(config.RouteConfig) is fields_of(config.RouteConfig)
