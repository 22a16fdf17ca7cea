"""Compiled modules in a package: the same bytes each time, and used by the Python they are for."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tailrace.errors import ConfigError
from tailrace.package.archive import Entry
from tailrace.package.bytecode import compiled_entries
from tailrace.package.layer import layer_entries

TAG = sys.implementation.cache_tag


def content(entry: Entry) -> bytes:
    assert isinstance(entry.content, bytes)
    return entry.content


def put(folder: Path, *entries: Entry) -> None:
    for entry in entries:
        path = folder / entry.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(entry))


def imported(folder: Path, module: str) -> tuple[str, str]:
    """What importing a module prints, and what Python tells of the import."""
    done = subprocess.run(
        [sys.executable, "-v", "-B", "-c", f"import {module}"],
        env={"PYTHONPATH": str(folder)},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout, done.stderr


def test_a_layer_has_compiled_modules_for_the_pythons_that_are_named() -> None:
    plain = {entry.name for entry in layer_entries()}
    entries = layer_entries([sys.executable, sys.executable])
    names = [entry.name for entry in entries]

    assert f"python/tailrace/runtime/__pycache__/boot.{TAG}.pyc" in names
    assert len(names) == len(set(names)) == len(plain) + sum(n.endswith(".py") for n in plain)
    for entry in entries:
        if entry.name.endswith(".pyc"):
            assert b"/opt/python/tailrace/" in content(entry)


def test_the_bytes_follow_from_the_sources() -> None:
    sources = [Entry(f"m{number}.py", b"words = {'a', 'b', 'c'}\n" * 9) for number in range(20)]

    one = compiled_entries(sources, sys.executable, "/var/task")
    other = compiled_entries(reversed(sources), sys.executable, "/var/task")

    assert [(entry.name, entry.content) for entry in one] == [
        (entry.name, entry.content) for entry in other
    ]


def test_a_compiled_module_is_used_until_its_source_is_edited(tmp_path: Path) -> None:
    source = Entry("shop.py", b"print('as it was')\n")
    put(tmp_path, source, *compiled_entries([source], sys.executable, "/var/task"))

    output, told = imported(tmp_path, "shop")
    assert output == "as it was\n"
    assert f"code object from '{tmp_path}/__pycache__/shop.{TAG}.pyc'" in told

    (tmp_path / "shop.py").write_text("print('as it is')\n")
    assert imported(tmp_path, "shop")[0] == "as it is\n"


def test_a_traceback_shows_where_lambda_has_the_file(tmp_path: Path) -> None:
    source = Entry("deep/inside.py", b"def fail(): raise KeyError\n")
    (compiled,) = compiled_entries([source], sys.executable, "/var/task")

    assert compiled.name == f"deep/__pycache__/inside.{TAG}.pyc"
    assert b"/var/task/deep/inside.py" in content(compiled)
    assert b"tailrace-" not in content(compiled)


def test_what_cannot_be_compiled_is_left_out() -> None:
    sources = [Entry("template.py", b"class {{ name }}: ...\n"), Entry("good.py", b"x = 1\n")]

    names = [entry.name for entry in compiled_entries(sources, sys.executable, "/var/task")]

    assert names == [f"__pycache__/good.{TAG}.pyc"]


@pytest.mark.parametrize(
    ("python", "words"),
    [
        ("no-such-python", "--bytecode: no-such-python does not run: No such file or directory"),
        ("true", "--bytecode: true does not answer as a Python does; name a Python, as in pyth"),
    ],
)
def test_what_is_no_python_is_named(python: str, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        compiled_entries([], python, "/var/task")

    assert words in str(raised.value)


def test_the_command_takes_several_pythons(tmp_path: Path) -> None:
    options = ("--bytecode", sys.executable, "--bytecode", sys.executable)
    command = (sys.executable, "-m", "tailrace", "package", "layer", "-o", "l.zip", *options)
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

    with zipfile.ZipFile(tmp_path / "l.zip") as archive:
        assert f"python/tailrace/__pycache__/errors.{TAG}.pyc" in archive.namelist()


def package_function(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "main.py").write_text("def handler(event, context): ...\n")
    version = "{}.{}".format(*sys.version_info)
    platform = ("--architecture", "arm64", "--python", version)
    words = (sys.executable, "-m", "tailrace", "package", "function", ".", "--app", "main:handler")
    return subprocess.run(
        (*words, *platform, "-o", "f.zip", *options),
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )


def test_an_archive_of_a_function_has_its_dependencies_compiled(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("idna==3.10\n")
    plain = json.loads(package_function(tmp_path, "--json").stdout)
    compiled = json.loads(package_function(tmp_path, "--json", "--bytecode", sys.executable).stdout)

    with zipfile.ZipFile(tmp_path / "f.zip") as archive:
        assert f"__pycache__/main.{TAG}.pyc" in archive.namelist()
        core = archive.read(f"idna/__pycache__/core.{TAG}.pyc")
    assert b"/var/task/idna/core.py" in core
    assert compiled["dependencies"][0]["bytes"] > plain["dependencies"][0]["bytes"] + len(core)
    assert compiled["unzipped_bytes"] > plain["unzipped_bytes"]


def test_a_python_of_another_version_is_refused(tmp_path: Path) -> None:
    done = package_function(tmp_path, "--python", "3.14", "--bytecode", sys.executable)

    assert done.returncode == 2
    assert f"compiles for {TAG}, and --python is 3.14; name a Python 3.14" in done.stderr
