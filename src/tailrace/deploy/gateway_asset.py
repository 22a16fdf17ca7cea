"""The archive from which a gateway is installed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from tailrace import __version__
from tailrace.errors import ConfigError
from tailrace.package.archive import Entry, write_archive
from tailrace.package.gateway import REQUIREMENTS, make_gateway_folder, platform_text
from tailrace.package.own_wheel import NAME, own_wheel
from tailrace.package.wheels import WheelTarget

_DIGEST_CHARS: Final = 16


def gateway_asset(scope: Construct, target: WheelTarget, folder: Path | None) -> s3_assets.Asset:
    """Return an archive of what `tailrace package gateway` makes: `folder`, or a new one.

    A new one is kept in the user's cache, so that the package index is needed once for each version
    of tailrace, and the archive remains the same.

    Raises:
        ConfigError: `folder` is for another machine, or another version of tailrace.
        PackageError: the folder cannot be made.
    """
    if folder is None:
        folder = cached_folder(target)
    else:
        check_folder(folder, target)
    entries = [
        Entry(path.name, path, is_executable=os.access(path, os.X_OK)) for path in folder.iterdir()
    ]
    with TemporaryDirectory(prefix="tailrace-") as temporary:
        written = write_archive(Path(temporary, "gateway.zip"), entries)
        return s3_assets.Asset(scope, "Wheels", path=str(written.path))


def cached_folder(target: WheelTarget) -> Path:
    """Return the folder in the user's cache; make it if it is not there.

    Raises:
        PackageError: it cannot be made.
    """
    digest = hashlib.sha256()
    for entry in sorted(own_wheel()[1], key=lambda entry: entry.name):
        data = entry.data
        digest.update(f"{entry.name}\0{len(data)}\0".encode() + data)
    ours = f"{__version__}-{digest.hexdigest()[:_DIGEST_CHARS]}"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / NAME / "gateway" / f"{ours}-{target.architecture}-{target.python}"
    if not (folder / REQUIREMENTS).is_file():
        make_gateway_folder(folder, target, lambda step: None)
    return folder


def check_folder(folder: Path, target: WheelTarget) -> None:
    """Check that a folder is for these machines, and of this version of tailrace.

    Raises:
        ConfigError: it is not.
    """
    try:
        text = (folder / REQUIREMENTS).read_text()
    except OSError as error:
        problem = f"{folder} has no {REQUIREMENTS}: {error.strerror}"
        raise ConfigError(f"{problem}; make it with {_command(target)}", where="wheels") from None
    if f" {NAME} {__version__} for {platform_text(target)}." not in text.partition("\n")[0]:
        problem = f"{folder} is not of {NAME} {__version__} for {platform_text(target)}"
        raise ConfigError(f"{problem}; make it with {_command(target)}", where="wheels")


def _command(target: WheelTarget) -> str:
    options = f"--architecture {target.architecture} --python {target.python}"
    return f"tailrace package gateway -o DIR {options}"
