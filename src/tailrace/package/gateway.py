"""A folder from which the gateway is installed on another machine, without a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tailrace import __version__
from tailrace.package.archive import write_archive
from tailrace.package.folder import SUMS, check_replaceable, digest_of, replace_folder
from tailrace.package.options import MACHINES
from tailrace.package.own_wheel import NAME, own_wheel
from tailrace.package.wheels import GLIBC_MINOR, Wheel, WheelTarget, fetch, resolve

EXTRA: Final = "gateway"
REQUIREMENTS: Final = "requirements.txt"
INSTALLER: Final = "install.sh"
FILES: Final = Path(__file__).parent / "files" / "gateway"
"""The installer and the units, which are put into the folder."""


@dataclass(frozen=True, slots=True)
class FolderFile:
    """A file of the folder."""

    name: str
    bytes: int
    sha256: str
    """In hexadecimal digits."""


def make_gateway_folder(
    path: Path, target: WheelTarget, report: Callable[[str], object]
) -> list[FolderFile]:
    """Make the folder, or replace the one of an earlier run; return its files, sorted by name.

    They are the wheels, the list of them, the installer and the units of systemd.

    `report` is called with the name of each step.

    Raises:
        PackageError: there is a wheel missing for the target, or something else at `path`.
        ModuleNotFoundError: uv or pip is not installed.
        OSError: the folder cannot be written.
    """
    check_replaceable(path)  # before anything is fetched
    files: list[FolderFile] = []

    def fill(folder: Path) -> None:
        name, entries = own_wheel()
        own = folder / name
        write_archive(own, entries)
        report(f"choosing the wheels for {target.architecture} with Python {target.python}")
        others = resolve([f"{NAME}[{EXTRA}] @ {own.as_uri()}"], target)
        report(f"fetching {len(others)} wheels")
        fetch(others, target, folder)
        text = _requirements(target, digest_of(own), others)
        (folder / REQUIREMENTS).write_bytes(text.encode())
        for source in FILES.iterdir():
            (folder / source.name).write_bytes(source.read_bytes())
        (folder / INSTALLER).write_bytes(_installer(target).encode())
        files[:] = _files(folder)

    replace_folder(path, fill)
    return files


def install_command(folder: str) -> str:
    """Return the command that installs the gateway from a folder, without a network."""
    options = f"--no-index --find-links {folder} --require-hashes"
    return f"pip install {options} -r {folder}/{REQUIREMENTS}"


def platform_text(target: WheelTarget) -> str:
    """Return in words where the wheels run."""
    return (
        f"Linux on {target.architecture} with glibc 2.{GLIBC_MINOR} or newer (Amazon Linux 2023),"
        f" CPython {target.python}"
    )


def _requirements(target: WheelTarget, own_sha256: str, wheels: Sequence[Wheel]) -> str:
    own = (f"{NAME}[{EXTRA}]", __version__, own_sha256)
    pins = [own, *((wheel.name, wheel.version, wheel.sha256) for wheel in wheels)]
    lines = [
        f"# The gateway of {NAME} {__version__} for {platform_text(target)}.",
        f"# As a service: sh {INSTALLER}. Its packages alone, in this folder, without a network:",
        f"#   {install_command('.')}",
        f"# The files are as they were made if this succeeds: sha256sum --check {SUMS}",
        *(f"{name}=={version} --hash=sha256:{digest}" for name, version, digest in sorted(pins)),
    ]
    return "".join(f"{line}\n" for line in lines)


def _installer(target: WheelTarget) -> str:
    """Return the script for machines of this kind."""
    text = (FILES / INSTALLER).read_text(encoding="utf-8")
    names = {
        "@VERSION@": __version__,
        "@PYTHON@": target.python,
        "@MACHINE@": MACHINES[target.architecture],
    }
    for name, value in names.items():
        text = text.replace(name, value)
    return text


def _files(folder: Path) -> list[FolderFile]:
    return [
        FolderFile(path.name, path.stat().st_size, digest_of(path))
        for path in sorted(folder.iterdir())
    ]
