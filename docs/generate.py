"""Draw the parts of the documentation that the code already says.

    python docs/generate.py         rewrite them
    python docs/generate.py check   only tell, with exit code 1, what would change

A generated part stands between `<!-- begin NAME -->` and `<!-- end NAME -->`.
"""

from __future__ import annotations

import ast
import dataclasses
import json
import math
import re
import runpy
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

from tailrace import config, errors, limits
from tailrace.cli.commands import tailrace as command_line
from tailrace.cli.options import SettingOption
from tailrace.gateway.exchange import state as exchange
from tailrace.gateway.exchange.state import (
    CLIENT_SIDE,
    FUNCTION_SIDE,
    Client,
    Exchange,
    Function,
    Verdict,
)
from tailrace.net.server.deadlines import passed_deadline
from tailrace.net.server.parser import HttpLimits
from tailrace.net.server.phases import INTAKE, PHASES, Phase, PhaseEvent
from tailrace.probe import limits as probe_limits
from tailrace.setting import REQUIRED, SettingField, fields_of
from tailrace.wire.integration import Head

DOCS: Final = Path(__file__).parent
ROOT: Final = DOCS.parent
PACKAGE: Final = Path(errors.__file__).parent

# --- the exchange ----------------------------------------------------------------------------


def function_side() -> str:
    """The transition table of the function's side: the next state, or a verdict."""
    rows = [
        [f"`{event.__name__}`"] + [_step(FUNCTION_SIDE[state][event]) for state in Function]
        for event in FUNCTION_SIDE[Function.WAITING]
    ]
    return _table(["event", *(f"in {state.name}" for state in Function)], rows)


def _step(after: Function | Verdict) -> str:
    return after.name if after in set(Function) else after.value


def client_side() -> str:
    """The transition table of the client's side, which follows the function's."""
    states = [state for state in Client if CLIENT_SIDE[state]]
    reached = list(dict.fromkeys(s for table in CLIENT_SIDE.values() for s in table))
    rows = [
        [f"the function's side reaches {function.name}"]
        + [_next(CLIENT_SIDE[state].get(function)) for state in states]
        for function in reached
    ]
    return _table(["when", *(f"in {state.name}" for state in states)], rows)


_HEAD: Final = Head(200)
_PATHS: Final[dict[Function, tuple[exchange.Event, ...]]] = {
    Function.WAITING: (),
    Function.OPENED: (exchange.SourceOpened(),),
    Function.SENDING: (exchange.SourceOpened(), exchange.HeadArrived(_HEAD)),
}
_EVENTS: Final[tuple[exchange.Event, ...]] = (
    exchange.SourceOpened(),
    exchange.HeadArrived(_HEAD),
    exchange.SourceEnded(),
    exchange.SourceBroken(),
    exchange.ResponseMalformed("…"),
    exchange.InvokeRefused(503, "…"),
    exchange.InvocationFailed("…"),
    exchange.FunctionFailed(),
    exchange.DeadlinePassed("idle", ""),
    exchange.ClientLeft(),
    exchange.Stopped(),
    exchange.GatewayFailed(),
)


def commands() -> str:
    """What an exchange commands, tried out: every event in every state."""
    rows = []
    for event in _EVENTS:
        cells = [f"`{type(event).__name__}`"]
        for path in _PATHS.values():
            held = Exchange()
            for earlier in path:
                held.feed(earlier)
            cells.append(_fed(held, event))
        rows.append(cells)
    return _table(["event", *(f"in {state.name}" for state in _PATHS)], rows)


def _fed(held: Exchange, event: exchange.Event) -> str:
    try:
        return ", ".join(_command(each) for each in held.feed(event)) or "nothing"
    except exchange.ImpossibleEventError:
        return "an error"


def _command(command: exchange.Command) -> str:
    match command:
        case exchange.AnswerSource(status) | exchange.AnswerClient(status):
            return f"`{type(command).__name__}` {status}"
        case exchange.AbortResponse(is_flushed):
            return "`AbortResponse`" + ("" if is_flushed else ", at once")
        case exchange.Close(outcome):
            return f"`Close` ({outcome})"
    return f"`{type(command).__name__}`"


def _next(state: Client | None) -> str:
    return "no change" if state is None else state.name


# --- a server's connection ---------------------------------------------------------------------


def connection_events() -> str:
    """The transition table of a connection's phases."""
    rows = [
        [event.value, *(_phase(PHASES[phase].get(event)) for phase in Phase)]
        for event in PhaseEvent
    ]
    return _table(["event", *(f"in {phase.name}" for phase in Phase)], rows)


def _phase(phase: Phase | None) -> str:
    return "" if phase is None else phase.name


def connection_phases() -> str:
    """What each phase waits for, what becomes of bytes that come, and its deadlines, tried out."""
    rows = [
        [phase.name, phase.value, INTAKE[phase].value, ", ".join(_deadlines_of(phase)) or "none"]
        for phase in Phase
    ]
    return _table(["phase", "waits for", "bytes that come are", "deadlines"], rows)


_TIMEOUTS: Final = [
    field.name for field in dataclasses.fields(HttpLimits) if field.name.endswith("_timeout_s")
]


def _deadlines_of(phase: Phase) -> Iterator[str]:
    endless = dict.fromkeys(_TIMEOUTS, math.inf)
    for name in _TIMEOUTS:
        bounds = dataclasses.replace(HttpLimits(), **endless | {name: 1.0})
        passed = partial(passed_deadline, bounds, phase, waited_s=1.0, phase_s=1.0)
        if passed(has_unsent=True) or passed(has_unsent=False):
            yield f"`{name}`"


# --- limits ------------------------------------------------------------------------------------


class Limit(NamedTuple):
    """One constant of a module of limits."""

    section: str
    name: str
    value: Any
    reason: str


def all_limits() -> Iterator[Limit]:
    """Every limit, in the order of the sources, with the text below it."""
    for module in (limits, probe_limits):
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
        parts.append(f"## {title}\n\n" + _table(["name", "value", "a setting?", "what"], rows))
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
        return f"{value:g} s" if value < 10_000 else f"{value:,.0f} s"
    if "_BYTES" in name:
        for unit, size in (("MiB", limits.MIB), ("KiB", limits.KIB)):
            if value >= size and value % size == 0:
                return f"{value // size} {unit}"
        return f"{value:,} bytes"
    if name.endswith(("_MB", "_MB_MAX")):
        return f"{value:,} MB"
    return f"{value:,}"


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
    return _table(["key", "type", "default", "allowed", "meaning"], rows)


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


def options_of(command: str) -> str:
    """The options of a command, in their order."""
    rows = []
    for parameter in command_line.commands[command].params:
        assert isinstance(parameter, SettingOption)
        field = parameter.field
        assert field.setting is not None
        name = f"`{field.option} {parameter.metavar}`"
        rows.append([name, field.default_text or "none", field.setting.meaning])
    return _table(["option", "default", "meaning"], rows)


# --- errors ------------------------------------------------------------------------------------


def error_tree() -> str:
    """The tree at the top of errors.py."""
    text = errors.__doc__ or ""
    tree = text[text.index("TailraceError") :].rstrip()
    return f"```text\n{tree}\n```"


def error_table() -> str:
    """Every exception with the facts that it carries."""
    rows = []
    for each in all_errors():
        status = "the refused request's" if each is errors.HttpError else str(each.status)
        if each in (errors.CallbackRefusedError, errors.AnsweredEarlyError):
            status = "the peer's answer"
        rows.append(
            [
                f"`{each.__name__}`",
                each.source,
                "yes" if each.retryable else "no",
                status,
                " ".join((each.__doc__ or "").split()),
            ]
        )
    return _table(["exception", "source", "retryable", "status", "meaning"], rows)


def all_errors() -> Iterable[type[errors.TailraceError]]:
    """The exceptions in the order of the source."""
    return [
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.TailraceError)
    ]


# --- layers ------------------------------------------------------------------------------------


def layers() -> str:
    """The parts, a layer a line, from the top down."""
    lines = _layers()["LAYERS"]
    return _text(" │ ".join(line) for line in lines if "__main__" not in line)


def layers_described() -> str:
    """The parts with what each is for, and the imports that are allowed within a layer."""
    found = _layers()
    lines = [line for line in found["LAYERS"] if "__main__" not in line]
    width = max(len(part) for line in lines for part in line)
    rows = []
    for line in lines:
        rows += [f"{part:<{width}}   {found['DESCRIPTIONS'][part]}" for part in line]
        rows.append("─" * (width + 2))
    pairs = sorted(found["WITHIN_A_LINE"])
    allowed = ", ".join(f"`{importer}` may import `{imported}`" for importer, imported in pairs)
    return f"{_text(rows[:-1])}\n\nWithin a layer {allowed}."


def _layers() -> dict[str, Any]:
    """What the test of the layers declares."""
    return runpy.run_path(str(ROOT / "tests" / "test_layers.py"))


def _text(lines: Iterable[str]) -> str:
    return "\n".join(("```text", *lines, "```"))


# --- files -------------------------------------------------------------------------------------

PARTS: Final[dict[str, Callable[[], str]]] = {
    "function side": function_side,
    "client side": client_side,
    "commands": commands,
    "connection phases": connection_phases,
    "connection events": connection_events,
    "limits": limits_tables,
    "error tree": error_tree,
    "error table": error_table,
    "layers": layers,
    "layers described": layers_described,
    **{f"options of {name}": partial(options_of, name) for name in ("dev", "gateway", "emulator")},
    **{f"keys of {key}": partial(keys_of, record) for key, record in SETTINGS.items()},
}

_PART: Final = re.compile(r"(<!-- begin ([\w. ]+) -->\n).*?(<!-- end \2 -->)", re.DOTALL)


def updated(text: str) -> str:
    """A document with its generated parts drawn anew."""
    return _PART.sub(lambda match: f"{match[1]}\n{PARTS[match[2]]()}\n\n{match[3]}", text)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def main() -> int:
    """Rewrite, or check."""
    is_check = sys.argv[1:] == ["check"]
    count = 0
    for path in sorted((*ROOT.glob("*.md"), *DOCS.rglob("*.md"))):
        text = path.read_text()
        new = updated(text)
        if new != text:
            count += 1
            verdict = "out of date" if is_check else "rewritten"
            sys.stdout.write(f"{path.relative_to(ROOT)}: {verdict}\n")
            if not is_check:
                path.write_text(new)
    return 1 if count and is_check else 0


if __name__ == "__main__":
    sys.exit(main())
