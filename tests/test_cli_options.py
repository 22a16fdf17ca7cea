"""Options are derived from records of settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import click
import pytest
from click.testing import CliRunner
from msgspec import Meta

from tailrace.cli.entry import whole_command_line
from tailrace.cli.options import Duration, given, options_of, overrides_of, take
from tailrace.config import Address, parse_address, parse_host_name
from tailrace.setting import Setting

HERE = Address("localhost", 80)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    listen: Annotated[Address, Setting("", help="Where.", metavar="HOST", parse=parse_address)] = (
        HERE
    )
    hosts: Annotated[
        tuple[str, ...], Setting("", help="Who.", option="--host", parse=parse_host_name)
    ] = ()
    colour: Annotated[Literal["red", "blue"] | None, Setting("", help="Which.")] = None
    path: Annotated[
        str, Meta(pattern=r"^/\w*\Z", description="a path"), Setting("", help="What.")
    ] = "/"
    count_max: Annotated[int, Meta(ge=1, le=9), Setting("", help="How many.")] = 3
    wait_s: Annotated[float, Meta(gt=0, le=60), Setting("", help="How long.")] = 1.5
    secret: Annotated[str, Setting("It is in the file only.")] = ""


SEEN: list[dict[str, Any]] = []


@click.command()
@options_of(Record)
def plain(**values: Any) -> None:
    SEEN.append(values)


@click.command()
@overrides_of(Record)
def overriding(**values: Any) -> None:
    SEEN.append(values)


def run(command: click.Command, *arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return SEEN.pop()


def test_without_options_a_record_has_its_defaults() -> None:
    assert take(Record, run(plain)) == Record()


def test_values_are_read_as_they_are_declared() -> None:
    line = "--listen a:1 --host b --host .c --colour blue --path /x --count-max 9 --wait 0.5"

    assert take(Record, run(plain, *line.split())) == Record(
        listen=Address("a", 1),
        hosts=("b", ".c"),
        colour="blue",
        path="/x",
        count_max=9,
        wait_s=0.5,
    )


def test_only_overrides_that_are_given_count() -> None:
    assert given(run(overriding)) == {}
    assert given(run(overriding, "--wait", "2")) == {"wait_s": 2.0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--path", "x"], "'x' is not a path"),
        (["--wait", "0"], "0.0 is not in the range 0<x<=60"),
        (["--count-max", "0"], "0 is not in the range 1<=x<=9"),
        (["--colour", "green"], "'green' is not one of 'red', 'blue'"),
        (["--secret", "x"], "No such option '--secret'"),
    ],
)
def test_what_is_not_allowed_is_refused(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(plain, arguments)

    assert done.exit_code == 2
    assert message in done.output


def test_help_shows_units_and_defaults() -> None:
    text = CliRunner().invoke(plain, ["--help"], terminal_width=200).output

    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "--wait SECONDS How long. [default: 1.5] [0<x<=60]" in lines
    assert "--count-max COUNT How many. [default: 3] [1<=x<=9]" in lines
    assert "--listen HOST Where. [default: localhost:80]" in lines
    assert [line.split()[0] for line in lines if line.startswith("--")] == [
        "--listen", "--host", "--colour", "--path", "--count-max", "--wait", "--help",
    ]  # fmt: skip


def test_times_come_first_among_overrides() -> None:
    text = CliRunner().invoke(overriding, ["--help"]).output

    assert text.index("--wait") < text.index("--listen")


@pytest.mark.parametrize(
    ("text", "seconds"), [("250ms", 0.25), ("2s", 2.0), ("1.5", 1.5), ("10m", 600.0)]
)
def test_durations_have_units(text: str, seconds: float) -> None:
    assert Duration(0, 900).convert(text, None, None) == seconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1h", "'1h' is no duration such as 250ms, 2s or 10m"),
        ("-1s", "'-1s' is no duration such as 250ms, 2s or 10m"),
        ("16m", "16m is not in the range 0s to 900s"),
    ],
)
def test_what_is_no_duration_is_refused(text: str, message: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        Duration(0, 900).convert(text, None, None)

    assert caught.value.message == message


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    is_loud: Annotated[bool, Setting("", help="Shout.", option="--loud", short="-l")] = False


@click.command()
@options_of(Flags)
def flagged(**values: Any) -> None:
    SEEN.append(values)


@pytest.mark.parametrize(
    ("arguments", "is_loud"), [([], False), (["-l"], True), (["--loud"], True)]
)
def test_a_switch_is_a_flag(arguments: list[str], is_loud: bool) -> None:
    assert take(Flags, run(flagged, *arguments)) == Flags(is_loud=is_loud)
    assert "default" not in CliRunner().invoke(flagged, ["--help"]).output


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    out: Annotated[str, Setting("", help="Where.")]
    count: Annotated[int, Meta(ge=1, le=9), Setting("", help="How many.")] = 3


def test_an_option_without_a_default_is_required() -> None:
    @click.command()
    @options_of(Needed)
    def command(**values: Any) -> None:
        SEEN.append(values)

    assert run(command, "--out", "x") == {"out": "x", "count": 3}
    done = CliRunner().invoke(command, [])
    assert done.exit_code == 2
    assert "Missing option '--out'" in done.output


def test_no_line_of_the_list_of_commands_is_shortened() -> None:
    result = CliRunner().invoke(whole_command_line(), ["--help"], terminal_width=80)

    assert "Commands:" in result.output
    assert "..." not in result.output.partition("Commands:")[2]
