"""The same input gives the same bytes, which have nothing of the machine that made them."""

from __future__ import annotations

import os
import random
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.package.function.project import packaged, write

from tailrace.errors import PackageError
from tailrace.package.function.build import build
from tailrace.package.options import FunctionPackageOptions

FILES = {
    "main.py": "from flask import Flask\n\napp = Flask(__name__)\n",
    "shop/__init__.py": "",
    "shop/orders.py": "ORDERS = {}\n",
    "static/größe.txt": "ö",
    "run.sh": "#!/bin/sh\n",
    "requirements.txt": "flask\ncharset-normalizer\n",
}
TARGET = ("--architecture", "x86_64", "--python", "3.13")


def project(folder: Path, seed: int) -> Path:
    """The same files, written in another order, with other times."""
    names = list(FILES)
    random.Random(seed).shuffle(names)
    write(folder, {name: FILES[name] for name in names})
    for name in names:
        os.utime(folder / name, (seed * 1_000_000, seed * 1_000_000))
    (folder / "run.sh").chmod(0o700)
    return folder


@pytest.fixture(name="archives", scope="module")
def two_archives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path, Path]]:
    """One archive made twice, as different users would do it; and the folder of both."""
    folder = tmp_path_factory.mktemp("builder")
    one, other = folder / "one.zip", folder / "elsewhere" / "deep" / "other.zip"
    other.parent.mkdir(parents=True)
    first = project(folder / "first", 1)
    second = project(folder / "elsewhere" / "a second one", 2)
    packaged(
        first, one, *TARGET, umask=0o022, environ={"PYTHONHASHSEED": "1", "TZ": "UTC", "LANG": "C"}
    )
    temporary = folder / "temporary"
    temporary.mkdir()
    packaged(
        second,
        other,
        *TARGET,
        umask=0o077,
        environ={
            "PYTHONHASHSEED": "2",
            "TZ": "Asia/Tokyo",
            "LC_ALL": "C.UTF-8",
            "SOURCE_DATE_EPOCH": "0",
            "TMPDIR": str(temporary),
            "UV_CACHE_DIR": str(folder / "cache"),
            "UV_LINK_MODE": "copy",
        },
    )
    assert list(temporary.iterdir()) == []
    yield one, other, folder
    shutil.rmtree(folder)


def test_two_builders_make_the_same_bytes(archives: tuple[Path, Path, Path]) -> None:
    one, other, _ = archives

    assert one.read_bytes() == other.read_bytes()


def test_nothing_is_of_the_machine_that_made_it(archives: tuple[Path, Path, Path]) -> None:
    one, _, folder = archives
    home, temporary = Path.home(), Path(tempfile.gettempdir())
    roots = (folder, Path.cwd(), home / ".cache", home / ".local", temporary / "tailrace-")
    places = [str(root).encode() for root in (*roots, sys.prefix, sys.executable)]

    with zipfile.ZipFile(one) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            for place in places:
                assert place not in content.replace(b"/tmp/", b"").replace(b"/root/", b"")
                assert place not in name.encode()


def test_records_list_what_is_there(archives: tuple[Path, Path, Path]) -> None:
    with zipfile.ZipFile(archives[0]) as archive:
        names = set(archive.namelist())
        records = [name for name in names if name.endswith(".dist-info/RECORD")]
        listed = {
            line.split(",")[0] for name in records for line in archive.read(name).decode().split()
        }

    assert {name.partition("-")[0] for name in records} >= {"flask", "click", "jinja2"}
    assert listed <= names
    dependencies = {
        n for n in names if n.partition("/")[0] not in {f.partition("/")[0] for f in FILES}
    }
    assert dependencies <= listed


def test_files_have_modes_for_lambda(archives: tuple[Path, Path, Path], tmp_path: Path) -> None:
    """Lambda runs a function as a user who does not own its files. `unzip` applies the modes."""
    subprocess.run(["unzip", "-q", archives[1], "-d", tmp_path], check=True, umask=0)

    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in files}
    assert modes.pop(tmp_path / "run.sh") == 0o755
    assert set(modes.values()) <= {0o644, 0o755}
    assert modes[tmp_path / "main.py"] == modes[tmp_path / "flask" / "app.py"] == 0o644


def test_an_interrupted_archive_leaves_the_one_before(tmp_path: Path) -> None:
    source = write(tmp_path / "p", {"app.py": "def handler(event, context): ...\n"})
    output = tmp_path / "f.zip"
    output.write_bytes(b"before")
    options = FunctionPackageOptions(
        path=source, output=output, architecture="arm64", python="3.13", bundle=True
    )

    def stop(step: str) -> None:
        if step.startswith("writing"):
            (source / "app.py").unlink()

    with pytest.raises(PackageError, match=r"app\.py cannot be read"):
        build(options, "app:handler", stop)

    assert output.read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.zip", "p"]
