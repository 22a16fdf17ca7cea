"""Fetch the tests of other projects into a cache outside the tree; print the folders they are in.

Source archives have them, wheels do not. Of each archive only `tests/` is kept, at the version that
`constraints.txt` names. What is complete is left as it is.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parent.parent
PROJECTS = ("mangum", "starlette")


def main() -> int:
    """Return the exit code."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tailrace"
    pins = dict(re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.M))
    for project in PROJECTS:
        name = f"{project}-{pins[project]}"
        folder = cache / "sources" / name
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            fetch(f"{project}=={pins[project]}", folder)
        sys.stdout.write(f"{folder}\n")
    return 0


def fetch(requirement: str, folder: Path) -> None:
    """Download one source archive and unpack its tests; the folder appears whole or not at all."""
    sys.stderr.write(f"fetching the tests of {requirement}\n")
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "--disable-pip-version-check"),
                *("--quiet", "--no-deps", "--no-binary", requirement.partition("==")[0]),
                *("--dest", scratch, requirement),
            ],
            check=True,
            stdout=sys.stderr,
        )
        (archive,) = Path(scratch).glob("*.tar.gz")
        unpacked = Path(scratch, "unpacked")
        unpack_tests(archive, unpacked)
        try:
            unpacked.rename(folder)
        except OSError:
            if not folder.exists():  # by another process, meanwhile
                raise


def unpack_tests(archive: Path, folder: Path) -> None:
    """Write the files of `NAME-VERSION/tests/`; links and anything outside of it are left out."""
    with tarfile.open(archive) as members:
        for member in members:
            _, *parts = PurePosixPath(member.name).parts
            if not member.isfile() or parts[:1] != ["tests"] or ".." in parts:
                continue
            content = members.extractfile(member)
            assert content is not None, "it is a file"
            path = folder.joinpath(*parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.read())


if __name__ == "__main__":
    sys.exit(main())
