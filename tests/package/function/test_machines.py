"""Machine code in an archive: for which processor it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailrace.package.archive import Entry
from tailrace.package.function.dependencies import Installed
from tailrace.package.function.installed import Distribution
from tailrace.package.function.machines import check_machines
from tailrace.package.function.target import target_of

ARM64 = target_of("arm64", "3.13", has_interpreter=False)
INTEL, ARM = (b"\x7fELF\2\1\1" + bytes(11) + machine.to_bytes(2, "little") for machine in (62, 183))
WINDOWS, MACOS = b"MZ\x90\0" + bytes(60), b"\xcf\xfa\xed\xfe" + bytes(60)


@pytest.mark.parametrize(
    ("files", "warnings"),
    [
        ({"p/x.so": ARM}, []),
        ({"p/x.so": ARM, "p/others/x.so": INTEL, "p/gui.exe": WINDOWS}, []),
        ({"p/cli.exe": WINDOWS, "p/x.py": b"MZ = 1"}, []),
        ({"p/x.so": INTEL}, ["the machine code of p is for x86_64"]),
        ({"p/x.dylib": MACOS, "p/x.exe": WINDOWS}, ["the machine code of p is for macOS"]),
    ],
)
def test_machine_code_of_a_dependency(files: dict[str, bytes], warnings: list[str]) -> None:
    """setuptools has programs for Windows on any machine."""
    distribution = Distribution("p", "1.0", "p-1.0.dist-info", list(files), [])
    installed = Installed(Path("nowhere"), [distribution])
    entries = [Entry(name, content) for name, content in files.items()]

    assert check_machines(entries, [], installed, ARM64) == warnings
