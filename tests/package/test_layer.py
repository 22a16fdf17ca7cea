"""`tailrace package layer`: what is in the archive, and that its bytes follow from that alone."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.test_layers import MODULES, own_imports

from tailrace.package.layer import publish_command
from tailrace.package.own_files import own_entries


def package_layer(folder: Path, *options: str, umask: int = 0o022) -> str:
    command = [sys.executable, "-m", "tailrace", "package", "layer", "-o", "layer.zip", *options]
    return subprocess.run(
        command, cwd=folder, umask=umask, check=True, capture_output=True, text=True
    ).stdout


def test_what_runs_in_a_function_has_all_that_it_imports() -> None:
    names = {entry.name.removesuffix(".py") for entry in own_entries()}
    modules = {name.removesuffix("/__init__").replace("/", ".") for name in names}
    modules = {name.removeprefix("tailrace").lstrip(".") or "tailrace" for name in modules}
    inside = {"wire", "runtime", "function", "probe"}

    for module in modules & MODULES.keys():
        lacking = {
            name
            for name in own_imports(module) - modules
            # The probe's package imports its other side when that is asked for.
            if not (module == "probe" and name.partition(".")[0] in inside)
        }
        assert not lacking, module
    assert {"runtime.boot", "runtime.__main__", "function.apps.asgi", "errors"} <= modules
    assert not {name.partition(".")[0] for name in modules} & {"gateway", "emulator", "cli", "dev"}


def test_two_runs_make_the_same_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other place"
    for folder in (one, other):
        folder.mkdir()
    package_layer(one)
    os.utime(one / "layer.zip", (0, 0))
    package_layer(other, umask=0o077)

    assert (one / "layer.zip").read_bytes() == (other / "layer.zip").read_bytes()
    assert stat.S_IMODE((one / "layer.zip").stat().st_mode) == 0o644
    assert stat.S_IMODE((other / "layer.zip").stat().st_mode) == 0o600


def test_modes_are_right_after_the_unzip_program(tmp_path: Path) -> None:
    package_layer(tmp_path)
    subprocess.run(["unzip", "-q", "layer.zip", "-d", "opt"], cwd=tmp_path, check=True, umask=0)

    modes = {
        path.relative_to(tmp_path / "opt").as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "opt").rglob("*")
        if path.is_file()
    }
    assert modes.pop("tailrace-wrapper") == 0o755
    assert set(modes.values()) == {0o644}
    assert all(name.startswith("python/tailrace/") for name in modes)


def test_nothing_of_the_builder_is_inside(tmp_path: Path) -> None:
    package_layer(tmp_path)
    places = [str(tmp_path), str(Path.home()), sys.prefix, str(Path(__file__).parents[2])]
    with zipfile.ZipFile(tmp_path / "layer.zip") as archive:
        for info in archive.infolist():
            data = archive.read(info)
            assert not [place for place in places if place.encode() in data], info.filename
            assert not re.search(r"\.pyc$|__pycache__", info.filename)


def test_json_has_the_facts(tmp_path: Path) -> None:
    facts = json.loads(package_layer(tmp_path, "--json"))

    assert facts["bytes"] == (tmp_path / "layer.zip").stat().st_size
    assert facts["publish_layer_version"][:3] == ["aws", "lambda", "publish-layer-version"]
    assert facts["environment"] == {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/tailrace-wrapper"}


def test_the_report_ends_with_the_command_that_publishes_it(tmp_path: Path) -> None:
    words = shlex.split(package_layer(tmp_path).partition("publish it:\n")[2].replace("\\\n", ""))

    assert words == publish_command(Path("layer.zip"))


def test_an_output_that_cannot_be_is_a_usage_error(tmp_path: Path) -> None:
    for output, words in (
        ("layer", "does not end in .zip"),
        ("no/layer.zip", "there is no folder 'no'"),
    ):
        command = [sys.executable, "-m", "tailrace", "package", "layer", "-o", output]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert words in done.stderr
