"""Archives: names that cannot be beside each other, files that cannot be read or written."""

from __future__ import annotations

import os
import random
import resource
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.command import run

from tailrace.errors import PackageError
from tailrace.package.archive import Entry, write_archive


@contextmanager
def no_file_larger_than(limit_bytes: int) -> Iterator[None]:
    """As a full disk does, writes of this process fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    "names",
    [("idna", "idna/core.py"), ("idna", "idna-3.7/METADATA", "idna/core/x.py"), ("a/b", "a/b/c/d")],
)
def test_a_name_is_not_that_of_a_file_and_of_a_folder(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    """Such an archive cannot be unpacked."""
    with pytest.raises(PackageError, match=f"{names[0]} would be a file of the archive, and the"):
        write_archive(tmp_path / "x.zip", [Entry(name, b"") for name in names])
    assert os.listdir(tmp_path) == []


def test_a_file_that_has_gone_is_named(tmp_path: Path) -> None:
    gone = tmp_path / "main.py"

    with pytest.raises(PackageError, match=r"main\.py cannot be read: No such file or directory"):
        write_archive(tmp_path / "x.zip", [Entry("a.py", b"1"), Entry("main.py", gone)])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("size_bytes", [100, 100_000])
def test_an_archive_that_cannot_be_written_is_named(tmp_path: Path, size_bytes: int) -> None:
    """Within a file of it, and at its end; the older one is still there."""
    path = tmp_path / "x.zip"
    written = write_archive(path, [Entry("main.py", b"1")])
    content = random.Random(1).randbytes(size_bytes)

    with no_file_larger_than(size_bytes + 50), pytest.raises(PackageError) as raised:
        write_archive(path, [Entry("data.bin", content)])

    assert raised.value.args[0] == f"{path} cannot be written: File too large"
    assert os.listdir(tmp_path) == ["x.zip"]
    assert path.stat().st_size == written.bytes


def test_a_folder_that_has_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"x\.zip cannot be written: No such file or directory"):
        write_archive(tmp_path / "gone" / "x.zip", [Entry("main.py", b"")])


def test_a_link_leads_to_the_archive(tmp_path: Path) -> None:
    (tmp_path / "builds").mkdir()
    link = tmp_path / "latest.zip"
    link.symlink_to("builds/1.zip")

    write_archive(link, [Entry("main.py", b"")])

    assert link.is_symlink()
    assert zipfile.ZipFile(tmp_path / "builds" / "1.zip").namelist() == ["main.py"]
    assert os.listdir(tmp_path / "builds") == ["1.zip"]


def test_a_name_may_be_as_long_as_the_file_system_has_it(tmp_path: Path) -> None:
    path = tmp_path / f"{'n' * 251}.zip"

    assert write_archive(path, [Entry("main.py", b"")]).path == path
    assert os.listdir(tmp_path) == [path.name]


def test_a_folder_that_cannot_be_made_is_named() -> None:
    options = ("--architecture", "arm64", "--python", "3.13")
    done = run("package", "gateway", "-o", "/proc/folder/of/wheels", *options)

    assert done.returncode == 1
    assert done.stderr.startswith("tailrace: /proc/")
    assert done.stderr.endswith(": No such file or directory\n")
