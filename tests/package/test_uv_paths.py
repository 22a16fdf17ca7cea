"""uv's variables, where uv runs in another directory than the command."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.command import environ_of
from tests.package.function.project import ANOTHER, PATIENCE_S, names_in, package, write

METADATA = "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def wheel_in(folder: Path) -> None:
    folder.mkdir()
    files = {"METADATA": METADATA, "WHEEL": WHEEL, "RECORD": ""}
    with zipfile.ZipFile(folder / "thing-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("thing.py", "")
        for name, text in files.items():
            archive.writestr(f"thing-1.0.dist-info/{name}", text)


def test_paths_in_variables_are_relative_to_the_directory_of_the_command(tmp_path: Path) -> None:
    """pip and uv have them so. The wheels are where `pip wheel -w wheels` has put them."""
    write(tmp_path / "p", {"app.py": "def handler(e, c): ...\n", "requirements.txt": "thing\n"})
    wheel_in(tmp_path / "wheels")
    (tmp_path / "limits.txt").write_text("thing<2")
    variables = {
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": "wheels",
        "UV_CONSTRAINT": "limits.txt",
        "UV_CACHE_DIR": "cache",
    }
    options = ("-o", "f.zip", "--app", "app:handler", *ANOTHER)

    done = subprocess.run(
        [sys.executable, "-m", "tailrace", "package", "function", "p", *options],
        cwd=tmp_path, env=environ_of(variables), capture_output=True, text=True,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "thing.py" in names_in(tmp_path / "f.zip")
    assert sorted(os.listdir(tmp_path / "p")) == ["app.py", "requirements.txt"]
    assert (tmp_path / "cache").is_dir()


def test_a_cache_that_cannot_be_made_has_a_remedy(tmp_path: Path) -> None:
    """As in a container whose user has no home."""
    write(tmp_path / "p", {"app.py": "def handler(e, c): ...\n", "requirements.txt": "thing\n"})
    options = ("--app", "app:handler", *ANOTHER)

    done = package(
        tmp_path / "p", tmp_path / "f.zip", *options, environ={"UV_CACHE_DIR": "/proc/x"}
    )

    assert done.returncode == 1
    assert "set UV_CACHE_DIR to a folder that can be written" in done.stderr
