"""A start that fails in the managed runtime: one line in the log says why, and the answer."""

from __future__ import annotations

import ast
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import pytest
from tests.e2e.chain import Chain
from tests.managed.served import WRAPPER, ManagedFunction, serving_managed, write_files

import tailrace

HANDLER = {"app.py": "def handler(event, context):\n    return 'it runs'\n"}
# An interpreter that says of itself that it is older.
OLD = {"old/sitecustomize.py": "import sys\nsys.version_info = (3, 10, 13, 'final', 0)\n"}


class FailedStart(NamedTuple):
    """The words about it, and what is wrong: variables, something in /opt, files in /var/task."""

    words: str
    variables: Mapping[str, str] = MappingProxyType({})
    change: Callable[[Path], object] = lambda opt: None
    files: Mapping[str, str] = MappingProxyType({})


def with_next(path: str) -> dict[str, str]:
    return {"TAILRACE_EXEC_WRAPPER_NEXT": path}


def removed(*names: str) -> Callable[[Path], object]:
    """The layer lacks files or folders of the package."""

    def change(opt: Path) -> None:
        for name in names:
            path = opt / "python/tailrace" / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def written(text: str, mode: int) -> Callable[[Path], object]:
    """Another layer has a wrapper."""

    def change(opt: Path) -> None:
        (opt / "next").write_bytes(text.encode())
        (opt / "next").chmod(mode)

    return change


INCOMPLETE: Final = (
    "the layer is incomplete: make it by tailrace package layer, and publish the archive as it is"
)
REPORTED: Final = {
    "next-missing": FailedStart(
        "TAILRACE_EXEC_WRAPPER_NEXT=/opt/next does not exist: add the layer that has it, or remove"
        " the variable",
        with_next("/opt/next"),
    ),
    "next-mode": FailedStart(
        "TAILRACE_EXEC_WRAPPER_NEXT=/opt/next is not executable: give it the mode 755 in the"
        " archive of its layer",
        with_next("/opt/next"),
        written('#!/bin/sh\nexec "$@"\n', 0o644),
    ),
    "next-of-windows": FailedStart(
        "TAILRACE_EXEC_WRAPPER_NEXT=/opt/next cannot be run: its first line ends with a carriage"
        " return. Save it with line ends of Unix",
        with_next("/opt/next"),
        written('#!/usr/bin/env bash\r\nexec "$@"\r\n', 0o755),
    ),
    "next-without-program": FailedStart(
        "TAILRACE_EXEC_WRAPPER_NEXT=/opt/next cannot be run: there is no program /bin/nothing,"
        " which its first line names",
        with_next("/opt/next"),
        written('#!/bin/nothing -e\nexec "$@"\n', 0o755),
    ),
    "next-itself": FailedStart(
        "tailrace-wrapper has started itself by TAILRACE_EXEC_WRAPPER_NEXT=/opt/tailrace-wrapper,"
        " which must be another wrapper: remove the variable if there is none",
        with_next("/opt/tailrace-wrapper"),
    ),
    "old": FailedStart(
        "the function has Python 3.10: the layer needs 3.11 or newer. Choose a newer runtime for"
        " the function, or remove AWS_LAMBDA_EXEC_WRAPPER",
        {"PYTHONPATH": "/var/task/old"},
        files=OLD,
    ),
    "half": FailedStart(
        "the runtime in /opt/python/tailrace cannot be imported: ModuleNotFoundError: No module"
        f" named 'tailrace.net'; {INCOMPLETE}",
        change=removed("net"),
    ),
    "no-boot": FailedStart(
        "the runtime in /opt/python/tailrace cannot be imported: FileNotFoundError: [Errno 2] No"
        f" such file or directory: '/opt/python/tailrace/runtime/boot.py'; {INCOMPLETE}",
        change=removed("runtime/boot.py"),
    ),
    "empty-boot": FailedStart(
        f"the runtime in /opt/python/tailrace cannot be imported: KeyError: 'root'; {INCOMPLETE}",
        change=lambda opt: (opt / "python/tailrace/runtime/boot.py").write_text(""),
    ),
    "own-half": FailedStart(
        "the runtime in /var/task/tailrace cannot be imported: ModuleNotFoundError: No module"
        " named 'tailrace.other'; install tailrace there again, or leave it out for that of the"
        " layer",
        files={
            "tailrace/__init__.py": "",
            "tailrace/runtime/__init__.py": "",
            "tailrace/runtime/__main__.py": "import tailrace.other\n",
        },
    ),
}
# Nothing of the layer can report these: AWS's program or the wrapper alone ends.
UNREPORTED: Final = {
    "wrapper-missing": FailedStart(
        "/opt/tailrace-wrapper: does not exist",
        change=lambda opt: (opt / "tailrace-wrapper").unlink(),
    ),
    "wrapper-mode": FailedStart(
        "/opt/tailrace-wrapper: is not an executable",
        change=lambda opt: (opt / "tailrace-wrapper").chmod(0o644),
    ),
    "wrapper-alone": FailedStart(
        "tailrace: there is no /opt/python/tailrace/runtime/managed.py: the layer is incomplete."
        " Make it by tailrace package layer, and publish the archive as it is",
        change=removed("runtime/managed.py"),
    ),
}


CODES: Final = {
    **dict.fromkeys(REPORTED, 1),
    "next-missing": 127,
    "next-mode": 126,
    "next-of-windows": 127,
    "next-without-program": 127,
    "next-itself": 2,
    "wrapper-missing": 127,
    "wrapper-mode": 126,
    "wrapper-alone": 127,
}
PAGE: Final = Path(__file__).parents[2] / "docs/reference/layer.md"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, layer: Path) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("failed")
    functions = {}
    for name, case in {**REPORTED, **UNREPORTED}.items():
        opt = folder / f"{name}.opt"
        shutil.copytree(layer, opt)
        case.change(opt)
        files = {**HANDLER, **case.files}
        functions[name] = ManagedFunction(files, opt, {**WRAPPER, **case.variables})
    opt = folder / "layers"
    shutil.copytree(layer, opt)
    packages = "python/lib/python{}.{}/site-packages".format(*sys.version_info)
    write_files(opt, {"python/in_a_layer.py": "", f"{packages}/in_packages/__init__.py": ""})
    hidden = {"PYTHONPATH": "/var/task"}
    for name in ("nowhere", "in_a_layer", "in_packages"):
        files = {"app.py": f"import {name}\n"}
        functions[f"imports-{name}"] = ManagedFunction(files, opt, {**WRAPPER, **hidden})
    shadowed = {"app.py": "import nowhere\n", "difflib.py": "", "heapq.py": ""}
    functions["shadowed"] = ManagedFunction(shadowed, opt, WRAPPER)
    with serving_managed(folder, functions) as chain:
        chain.failures_expected = True
        yield chain


def error_of(chain: Chain, name: str) -> Any:
    """What a caller of Invoke gets."""
    path = f"/2015-03-31/functions/{name}/invocations"
    answer = chain.client(chain.emulator_url).ask(path, "POST", body=b"{}").answer()
    assert answer.get("x-amz-function-error") == "Unhandled"
    return json.loads(answer.body)


def log_of(chain: Chain, name: str) -> list[str]:
    lines = re.findall(rf"^{name} *\| (.*)$", chain.output, re.MULTILINE)
    return [line.replace("\xa0", " ") for line in lines]


@pytest.mark.parametrize("name", REPORTED)
def test_one_line_says_why_and_the_caller_gets_the_same(served: Chain, name: str) -> None:
    case = REPORTED[name]
    error = error_of(served, name)

    assert error == {
        "errorType": "Runtime.ConfigInvalid",
        "errorMessage": case.words,
        "stackTrace": [],
    }
    lines = log_of(served, name)
    assert lines.count(f"tailrace: {case.words}") == 1
    others = [line for line in lines if not re.match(r"tailrace: |(START|END|REPORT|ERROR) ", line)]
    assert others == []


@pytest.mark.parametrize("name", UNREPORTED)
def test_without_the_layer_the_exit_code_is_all_that_a_caller_gets(
    served: Chain, name: str
) -> None:
    case = UNREPORTED[name]
    error = error_of(served, name)

    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].endswith(f"Runtime exited with error: exit status {CODES[name]}")
    assert log_of(served, name).count(case.words) == 1


@pytest.mark.parametrize(
    ("package", "cure"),
    [
        (
            "nowhere",
            "package it with the function, as tailrace package function does, or in a layer",
        ),
        (
            "in_a_layer",
            "a layer has it in /opt/python, where the function does not look, because its variable"
            " PYTHONPATH is set: add /opt/python to that",
        ),
        (
            "in_packages",
            "a layer has it in /opt/python/lib/python{0}.{1}/site-packages, where the function does"
            " not look, because its variable PYTHONPATH is set: add"
            " /opt/python/lib/python{0}.{1}/site-packages to that".format(*sys.version_info),
        ),
    ],
)
def test_an_import_that_fails_is_one_error(served: Chain, package: str, cure: str) -> None:
    words = f"Unable to import module 'app': No module named '{package}'"
    error = error_of(served, f"imports-{package}")

    assert error["errorType"] == "Runtime.ImportModuleError"
    assert error["errorMessage"] == words
    assert log_of(served, f"imports-{package}")[:4] == [
        f"[ERROR] Runtime.ImportModuleError: {words}; {cure}",
        "Traceback (most recent call last):",
        '  File "/var/task/app.py", line 1, in <module>',
        f"    import {package}",
    ]


def test_a_module_of_the_function_does_not_hide_the_failure(served: Chain) -> None:
    """One that has the name of a module with which the hint is made."""
    error = error_of(served, "shadowed")

    assert error["errorType"] == "Runtime.ImportModuleError"
    assert error["errorMessage"] == "Unable to import module 'app': No module named 'nowhere'"
    assert "Traceback" in "".join(log_of(served, "shadowed"))
    assert "difflib" not in served.output


@pytest.mark.parametrize("name", [*REPORTED, *UNREPORTED])
def test_the_reference_has_a_row_for_it(name: str) -> None:
    words = {**REPORTED, **UNREPORTED}[name].words
    rows = re.findall(r"^\| (\d+) \| (yes|no) \| `([^`]+)`", PAGE.read_text(), re.MULTILINE)

    patterns = [(row, re.escape(row[2]).replace("…", ".*")) for row in rows]
    found = [row for row, pattern in patterns if re.search(pattern, words)]
    assert len(found) == 1, rows
    code, is_reported, _ = found[0]
    assert is_reported == ("yes" if name in REPORTED else "no")
    assert int(code) == CODES[name]


def test_an_older_python_can_read_the_boot_file() -> None:
    """It would have no words about its version otherwise."""
    source = Path(tailrace.__file__).parent / "runtime" / "managed.py"

    ast.parse(source.read_text(), feature_version=(3, 8))
