"""Install AWS's runtime interface emulator in a cache outside the tree; print where it is.

It is a program inside the wheel of aws-sam-cli. What is complete is left as it is.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

VERSION = "1.170.0"
ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def main() -> int:
    """Return the exit code."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tailrace"
    program = cache / f"rie-{VERSION}" / "aws-lambda-rie"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        install(program)
    sys.stdout.write(f"{program}\n")
    return 0


def install(program: Path) -> None:
    """Fetch the wheel and take the program out; it appears whole or not at all."""
    member = f"samcli/local/rapid/aws-lambda-rie-{ARCHITECTURES[platform.machine()]}"
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "--disable-pip-version-check"),
                *("--quiet", "--no-deps", "--only-binary=:all:", "--dest", folder),
                f"aws-sam-cli=={VERSION}",
            ],
            check=True,
            stdout=sys.stderr,
        )
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            new = Path(archive.extract(member, folder))
        new.chmod(0o755)
        new.replace(program)


if __name__ == "__main__":
    sys.exit(main())
