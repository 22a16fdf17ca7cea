"""`package function --interpreter`: an archive with its own Python, for provided.al2023."""

from __future__ import annotations

import json
import platform
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from tests.e2e.chain import Chain, serving
from tests.e2e.gate import SOURCE
from tests.kits.managed.command import provided_command
from tests.package.function.project import names_in, package, packaged, write
from tests.package.function.relocatable import (
    LIBRARY,
    PROGRAM,
    SYSCONFIG,
    UNNEEDED,
    VERSION,
    relocatable,
)

from tailrace.errors import PackageError
from tailrace.package.archive import write_archive
from tailrace.package.function.interpreter import interpreter_of
from tailrace.package.function.target import FunctionTarget, target_of

APP = """
import json, os, sys
from gate import Gate
from tailrace.function import streamify_response

import in_a_layer
import in_a_layer_of_this_version

def facts():
    import in_a_pth_file
    import ssl, tailrace
    return {
        "executable": sys.executable,
        "tailrace": tailrace.__file__,
        "first": sys.path[0],
        "stdlib": os.__file__,
        "has_bytecode": os.path.exists(json.__cached__) and os.path.exists(tailrace.__cached__),
        "libraries": [line.split()[-1] for line in open("/proc/self/maps") if "libpython" in line],
    }

@streamify_response
def handler(event, context):
    with Gate(event) as gate:
        yield json.dumps(facts()) + "\\n"
        gate.wait()
        yield "two\\n"
        gate.wait()
        yield "six\\n"
"""
LAYER = {
    "python/in_a_layer.py": "",
    f"python/lib/python{VERSION}/site-packages/in_a_layer_of_this_version.py": "",
    "python/more.pth": "/opt/more\n",
    "more/in_a_pth_file.py": "",
}
HERE = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
MACHINE = ("--python", VERSION)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return relocatable(tmp_path_factory.mktemp("interpreter") / "cpython")


@pytest.fixture(scope="module")
def archive(python: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("packaged")
    project = write(folder / "project", {"app.py": APP, "gate.py": SOURCE})
    output = folder / "function.zip"
    options = (*MACHINE, "--architecture", HERE, "--interpreter", str(python))
    facts = packaged(project, output, "--app", "app:handler", *options)
    return output, facts


@contextmanager
def serving_provided(folder: Path, task: Path, opt: Path, hidden: Path) -> Iterator[Chain]:
    command = provided_command(task, opt, handler="app.handler", hidden=[hidden])
    lines = ["[emulator]", "retry_delay_scale = 0", "[functions.own]", "timeout_s = 60"]
    lines += [f"command = {json.dumps(command)}"]
    lines += ["[functions.own.url]", 'invoke_mode = "RESPONSE_STREAM"']
    (folder / "tailrace.toml").write_text("\n".join(lines))
    with serving(folder / "tailrace.toml") as chain:
        yield chain


def test_the_archive_alone_streams_natively(
    archive: tuple[Path, dict[str, Any]], python: Path, tmp_path: Path
) -> None:
    """With layers at /opt. No other Python and no folder of this machine is there."""
    subprocess.run(["unzip", "-q", archive[0], "-d", tmp_path / "task"], check=True)
    opt = write(tmp_path / "opt", LAYER)
    with serving_provided(tmp_path, tmp_path / "task", opt, python) as chain:
        gate = chain.gate()
        client = chain.client(chain.function_url("own")).ask(f"/?gate={gate.port}")
        assert client.head().status == 200
        line = b""
        while not line.endswith(b"\n"):
            line += client.some()
        facts = json.loads(line)
        assert not client.has_more
        gate.open()
        assert client.body(4) == b"two\n"
        gate.open()
        assert client.rest() == b"six\n"

    assert facts["executable"] == f"/var/task/python/{PROGRAM}"
    assert facts["tailrace"] == "/var/task/tailrace/__init__.py"
    assert facts["first"] == "/var/task"
    assert facts["stdlib"] == f"/var/task/python/{LIBRARY}/os.py"
    assert facts["has_bytecode"]
    assert all(path.startswith("/var/task/python/lib/") for path in facts["libraries"])


def test_what_a_function_does_not_need_is_left_out(
    archive: tuple[Path, dict[str, Any]], python: Path, tmp_path: Path
) -> None:
    path, facts = archive
    names = names_in(path)

    assert facts["runtime"] == "provided.al2023"
    assert not names & {f"python/{name}" for name in UNNEEDED}
    assert {name for name in names if name.startswith("python/bin/")} == {f"python/{PROGRAM}"}
    libraries = {name for name in names if "/libpython" in name}
    assert len(libraries) == (b"libpython3" in (python / PROGRAM).read_bytes())
    assert {"bootstrap", "tailrace/runtime/managed.py", f"python/{LIBRARY}/os.py"} <= names
    assert "awslambdaric" not in {name.partition("/")[0] for name in names}

    subprocess.run(["unzip", "-q", path, "-d", tmp_path], check=True, umask=0)
    for name in ("bootstrap", f"python/{PROGRAM}"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o755
    assert "/var/task/python" in (tmp_path / "python" / SYSCONFIG).read_text()
    place = str(python).encode()
    files = [each for each in tmp_path.rglob("*") if each.is_file()]
    assert not [each for each in files if place in each.read_bytes()]


def elf(machine: int, *texts: bytes) -> bytes:
    """The head of a program, and texts in it."""
    head = b"\x7fELF\x02\x01\x01" + bytes(11) + machine.to_bytes(2, "little")
    return b"\0".join((head, *texts, b""))


X86_64, ARM64 = 62, 183
LINKED = f"libpython{VERSION}.so.1.0".encode()


def small(folder: Path, program: bytes) -> Path:
    """The folder of a Python that is only looked at."""
    (folder / "bin").mkdir(parents=True)
    (folder / PROGRAM).write_bytes(program)
    return write(folder, {f"{LIBRARY}/os.py": "name = 1\n"})


def arm64(python: str = VERSION) -> FunctionTarget:
    return target_of("arm64", python, has_interpreter=True)


def test_a_python_for_another_machine_is_compiled_by_this_one(tmp_path: Path) -> None:
    found = interpreter_of(small(tmp_path, elf(ARM64)), arm64())

    tag = sys.implementation.cache_tag
    names = {entry.name for entry in found.entries}
    assert f"python/{LIBRARY}/__pycache__/os.{tag}.pyc" in names
    assert f"tailrace/runtime/__pycache__/managed.{tag}.pyc" in names
    assert found.warnings == []


def test_the_place_and_the_use_of_the_folder_do_not_matter(tmp_path: Path) -> None:
    hashes = set()
    for name in ("one", "another place"):
        folder = small(tmp_path / name, elf(ARM64))
        write(folder, {SYSCONFIG: f"at = '{folder}', '-L{folder}/lib', '{folder}2/lib'\n"})
        write(folder, {f"{LIBRARY}/__pycache__/os.cpython-30.pyc": name})
        entries = interpreter_of(folder, arm64()).entries
        (text,) = [entry.content for entry in entries if entry.name.endswith(SYSCONFIG)]
        assert text == (
            f"at = '/var/task/python', '-L/var/task/python/lib', '{folder}2/lib'\n".encode()
        )
        entries = [entry for entry in entries if "_sysconfigdata" not in entry.name]
        hashes.add(write_archive(tmp_path / "archive.zip", entries).sha256)

    assert len(hashes) == 1


def test_without_a_python_of_its_version_it_is_not_compiled(tmp_path: Path) -> None:
    write(tmp_path, {"lib/python3.98/os.py": ""})
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3.98").write_bytes(elf(ARM64))

    found = interpreter_of(tmp_path, arm64("3.98"))

    assert not [entry for entry in found.entries if entry.name.endswith(".pyc")]
    assert [warning.partition(" that ")[0] for warning in found.warnings] == [
        "no Python 3.98 runs here"
    ]


@pytest.mark.parametrize("links", [True, False])
def test_the_library_is_in_it_if_the_program_is_linked_with_it(tmp_path: Path, links: bool) -> None:
    texts = (LINKED, b"$ORIGIN/../lib") if links else ()
    folder = small(tmp_path, elf(ARM64, *texts))
    for name in (LINKED.decode(), f"libpython{VERSION}.so", "libpython3.so"):
        (folder / "lib" / name).write_bytes(elf(ARM64))

    entries = interpreter_of(folder, arm64()).entries

    found = {entry.name for entry in entries if "/libpython" in entry.name}
    assert found == ({f"python/lib/{LINKED.decode()}"} if links else set())


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (elf(X86_64), f"{PROGRAM} is for x86_64, and the function for arm64"),
        (elf(ARM64, b"/lib/ld-musl-aarch64.so.1"), "is for musl"),
        (elf(ARM64, LINKED, b"/usr/local/lib"), "runs in no other one"),
    ],
    ids=["x86_64", "musl", "not relocatable"],
)
def test_a_python_that_would_not_run_is_refused(tmp_path: Path, program: bytes, words: str) -> None:
    with pytest.raises(PackageError, match="uv python install") as failure:
        interpreter_of(small(tmp_path, program), arm64())

    assert words in str(failure.value)


def test_an_extension_for_another_machine_is_refused(tmp_path: Path) -> None:
    folder = small(tmp_path, elf(ARM64))
    (folder / LIBRARY / "lib-dynload").mkdir()
    (folder / LIBRARY / "lib-dynload" / "math.so").write_bytes(elf(X86_64))

    with pytest.raises(PackageError, match=r"lib-dynload/math\.so is for x86_64"):
        interpreter_of(folder, arm64())


def test_another_folder_is_refused_with_the_right_one(tmp_path: Path) -> None:
    small(tmp_path / "pythons" / "cpython-one", elf(ARM64))
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "pyvenv.cfg").write_text("")
    cases = {
        "pythons": "did you mean .*/pythons/cpython-one?",
        "venv": "is a virtual environment",
        "pythons/cpython-one/lib": f"has no bin/python{VERSION}: uv python install",
    }

    for name, words in cases.items():
        with pytest.raises(PackageError, match=words):
            interpreter_of(tmp_path / name, arm64())
    with pytest.raises(PackageError, match=f"has no bin/python3.98, and has python{VERSION}"):
        interpreter_of(tmp_path / "pythons" / "cpython-one", arm64("3.98"))


def test_nothing_is_written_for_a_python_that_is_refused(tmp_path: Path) -> None:
    project = write(tmp_path / "project", {"app.py": "def handler(event, context): pass\n"})
    folder = small(tmp_path / "python", elf(X86_64))
    options = ("--architecture", "arm64", *MACHINE, "--interpreter", str(folder))

    done = package(project, tmp_path / "function.zip", "--app", "app:handler", *options)

    assert done.returncode == 1
    assert f"tailrace: {PROGRAM} is for x86_64" in done.stderr
    assert not (tmp_path / "function.zip").exists()


def test_a_bootstrap_of_the_code_is_not_replaced_in_silence(tmp_path: Path) -> None:
    files = {"app.py": "def handler(event, context): pass\n", "bootstrap": "#!/bin/sh\n"}
    project = write(tmp_path / "project", files)
    folder = small(tmp_path / "python", elf(ARM64))
    options = ("--architecture", "arm64", *MACHINE, "--interpreter", str(folder))
    output = tmp_path / "function.zip"

    warned = packaged(project, output, "--app", "app:handler", *options)
    with ZipFile(output) as archive:
        its = archive.read("bootstrap")
    silent = packaged(project, output, "--app", "app:handler", *options, "--exclude", "/bootstrap")
    with ZipFile(output) as archive:
        ours = archive.read("bootstrap")

    assert warned["warnings"] == [
        "Lambda starts the code's own bootstrap: unless it starts our runtime, --exclude /bootstrap"
    ]
    assert its == b"#!/bin/sh\n"
    assert silent["warnings"] == []
    assert b"/tailrace/runtime/managed.py" in ours
