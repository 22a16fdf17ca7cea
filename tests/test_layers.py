"""The architecture, as imports: they point down only, and never in a circle."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "src" / "tailrace"

LAYERS = (
    ("__main__",),
    ("cli", "deploy"),
    ("agreement", "costs", "dev", "fleet", "html", "package", "probe"),
    ("function", "runtime", "gateway", "emulator"),
    ("wire", "net", "config"),
    ("limits", "errors", "records", "setting", "words"),
)
"""From the top down. Parts of one line do not import each other, but for the exceptions below."""

DESCRIPTIONS = {
    "__main__": "`python -m tailrace`",
    "cli": "the command line: reads options and the environment, builds, runs",
    "deploy": "infrastructure on AWS, as constructs of the AWS CDK",
    "agreement": "settings along the way of a response that must agree",
    "costs": "what a fleet costs, and how large it is",
    "dev": "the emulator and a gateway in one process, with reload",
    "fleet": "the parent of a gateway's workers: sockets, processes, restarts",
    "html": "pages and events that arrive while they are made, inside a function or a web app",
    "package": "makes the archives and folders that run on AWS",
    "probe": "measures how late a stream is",
    "function": "the SDK, inside a function",
    "runtime": "a runtime for Python functions that can stream, inside a function",
    "gateway": "holds clients' responses and invokes, in front of functions",
    "emulator": "runs functions as Lambda does, around them",
    "wire": "formats that two parts agree on: pure encoders and parsers",
    "net": "HTTP/1.1, sockets, tasks, time",
    "config": "typed settings: the file and addresses",
    "limits": "constants with units",
    "errors": "the tree of exceptions",
    "setting": "how a setting is declared, once",
    "records": "frozen records without the cost of dataclasses",
    "words": "numbers with their nouns",
}
"""What each part is for. `docs/generate.py` draws the pictures of CONTRIBUTING.md and
docs/topics/design.md from LAYERS and these lines."""

WITHIN_A_LINE = {
    ("runtime", "function"),  # the runtime calls what the SDK decorated
    ("net", "wire"),  # connections speak what wire encodes
    ("config", "wire"),  # addresses of callbacks
    ("errors", "limits"),
}

ONE_HOME = {
    "httptools": {"net.server.parser", "net.client.reply"},
    "uvloop": {"net.process.startup"},
    "aws_cdk": {"deploy"},
    "constructs": {"deploy"},
    "boto3": {"deploy.helper.code.index"},
    "botocore": {
        "deploy.helper.code.index",
        "emulator.profile",
        "gateway.aws.credentials",
        "gateway.aws.endpoint",
    },
    "msgspec": {"config", "gateway.event", "net.json_text"},
    "watchfiles": {"dev.watcher"},
    "click": {"cli"},
    "uv": {"package.uv"},
    "matplotlib": {"probe.lettering", "probe.plot"},
    "starlette": {"html.hosts.starlette"},
}
"""Each third-party library, and the only modules that import it."""

PURPOSES = {
    "aws_cdk": "makes templates of infrastructure",
    "constructs": "are what a template is composed of",
    "httptools": "parses HTTP",
    "uvloop": "runs the event loop",
    "boto3": "calls AWS's APIs, in the managed runtime that has it",
    "botocore": "finds AWS configuration and credentials",
    "msgspec": "checks settings, encodes events, scans large JSON",
    "watchfiles": "watches files",
    "click": "reads the command line",
    "uv": "finds the wheels for another platform",
    "matplotlib": "draws pictures of the probe",
    "starlette": "serves responses, where an app of it or of FastAPI returns them",
}
"""What each is for. `docs/generate.py` draws both tables into docs/topics/design.md."""

STDLIB_ONLY = ("costs", "errors", "limits", "wire", "function", "html", "runtime", "net.blocking")

PURE = (
    "agreement",
    "costs",
    "wire",
    "emulator.function_urls.cors",
    "emulator.function_urls.hold_back",
    "emulator.function_urls.response_head",
    "gateway.exchange.deadlines",
    "gateway.exchange.state",
    "gateway.observe.emf",
    "gateway.response_head",
    "gateway.routes",
    "gateway.transports.stream_head",
    "net.server.phases",
    "net.server.problem",
    "net.server.web_access",
)
"""What decides, without a socket, a clock, randomness or a log: folders and modules."""


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or "tailrace"


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def imported_by(path: Path) -> set[str]:
    """Every module that a file names in an import, at the top or inside a function."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module is not None
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def own_imports(name: str) -> set[str]:
    own = {n for n in imported_by(MODULES[name]) if n.startswith("tailrace.")}
    imported = {n.removeprefix("tailrace.") for n in own}
    return {n for n in imported if n in MODULES and n not in (name, "tailrace")}


def layer_of(name: str) -> int | None:
    part = name.partition(".")[0]
    return next((i for i, parts in enumerate(LAYERS) if part in parts), None)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_point_down(name: str) -> None:
    layer = layer_of(name)
    if name == "tailrace":
        return
    assert layer is not None, f"{name} has no place in LAYERS"
    part = name.partition(".")[0]
    for other in own_imports(name):
        other_part = other.partition(".")[0]
        if other_part == part:
            continue
        other_layer = layer_of(other)
        assert other_layer is not None
        if other_layer == layer:
            assert (part, other_part) in WITHIN_A_LINE, f"{name} imports its sibling {other}"
        else:
            assert other_layer > layer, f"{name} imports upward: {other}"


def test_each_part_is_described() -> None:
    parts = {part for line in LAYERS for part in line}

    assert set(DESCRIPTIONS) == parts
    assert set(PURPOSES) == set(ONE_HOME)


def test_no_import_cycles() -> None:
    seen: dict[str, bool] = {}  # False while on the path

    def visit(name: str, path: tuple[str, ...]) -> None:
        if seen.get(name):
            return
        assert name not in seen, f"import cycle: {' -> '.join((*path, name))}"
        seen[name] = False
        for other in sorted(own_imports(name)):
            if not other.startswith(name + ".") and not name.startswith(other + "."):
                visit(other, (*path, name))
        seen[name] = True

    for name in MODULES:
        visit(name, ())


@pytest.mark.parametrize("library", sorted(ONE_HOME))
def test_a_library_has_one_home(library: str) -> None:
    users = {
        name
        for name, path in MODULES.items()
        if any(n.partition(".")[0] == library for n in imported_by(path))
    }

    homes = ONE_HOME[library]
    assert {
        user for user in users if not any(f"{user}.".startswith(f"{h}.") for h in homes)
    } == set()


def test_what_runs_inside_a_function_imports_the_standard_library_only() -> None:
    import sys

    for name, path in MODULES.items():
        if not any(name == own or name.startswith(own + ".") for own in STDLIB_ONLY):
            continue
        for imported in imported_by(path):
            top = imported.partition(".")[0]
            if name in ONE_HOME.get(top, ()):
                continue  # the only one, imported for an app that has the library
            assert top == "tailrace" or top in sys.stdlib_module_names, f"{name}: {imported}"


@pytest.mark.parametrize("name", PURE)
def test_what_decides_is_pure(name: str) -> None:
    banned = {"asyncio", "socket", "time", "random", "secrets", "logging", "threading"}
    for module, path in MODULES.items():
        if not f"{module}.".startswith(f"{name}."):
            continue
        tree = ast.parse(path.read_text())
        assert not {n.partition(".")[0] for n in imported_by(path)} & banned, module
        assert not any(isinstance(n, ast.AsyncFunctionDef | ast.Await) for n in ast.walk(tree))


@pytest.mark.parametrize("name", sorted(MODULES))
def test_modules_and_functions_fit_a_reader(name: str) -> None:
    text = MODULES[name].read_text()

    assert text.count("\n") <= 400, f"{name} is to be split by noun"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 70, f"{name}.{node.name}"


SEARCHED_TEXTS = re.compile(r"\bin str\(|\bstr\(\w+(\.\w+)?\)( ==|\.(startswith|endswith|find))")


def test_errors_are_read_by_their_fields() -> None:
    """A text is for people; tomllib's error has nothing else before Python 3.14."""
    found = [name for name, path in MODULES.items() if SEARCHED_TEXTS.search(path.read_text())]

    assert found == ["config.reader"]
