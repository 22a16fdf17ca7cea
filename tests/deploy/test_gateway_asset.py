"""The wheels of a gateway: made once, and checked when they are given."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailrace import __version__
from tailrace.deploy.gateway_asset import cached_folder, check_folder
from tailrace.errors import ConfigError, PackageError
from tailrace.package.wheels import WheelTarget

ARM = WheelTarget("arm64", "3.11")


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_the_folder_is_made_once_for_a_target(
    caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = cached_folder(ARM)
    made = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(caches / "empty"))

    assert cached_folder(ARM) == folder
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == made
    assert folder.is_relative_to(caches / "tailrace" / "gateway")
    check_folder(folder, ARM)
    with pytest.raises(PackageError, match="cannot be chosen"):
        cached_folder(WheelTarget("x86_64", "3.12"))


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        check_folder(tmp_path, ARM)

    assert str(caught.value) == (
        f"wheels: {tmp_path} has no requirements.txt: No such file or directory; make it with"
        " tailrace package gateway -o DIR --architecture arm64 --python 3.11"
    )


@pytest.mark.parametrize(
    "first_line",
    [
        "# The gateway of tailrace 0.0.1 for Linux on arm64 with glibc 2.34 or newer (Amazon Linux"
        " 2023), CPython 3.11.",
        f"# The gateway of tailrace {__version__} for Linux on x86_64 with glibc 2.34 or newer"
        " (Amazon Linux 2023), CPython 3.11.",
        f"# The gateway of tailrace {__version__} for Linux on arm64 with glibc 2.34 or newer"
        " (Amazon Linux 2023), CPython 3.13.",
    ],
    ids=["another version", "another machine", "another Python"],
)
def test_a_folder_for_something_else_is_refused(tmp_path: Path, first_line: str) -> None:
    (tmp_path / "requirements.txt").write_text(f"{first_line}\n")

    with pytest.raises(ConfigError) as caught:
        check_folder(tmp_path, ARM)

    assert str(caught.value).startswith(
        f"wheels: {tmp_path} is not of tailrace {__version__} for Linux on arm64"
    )
