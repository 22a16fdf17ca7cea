"""The processor for which a file of machine code was compiled."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_ELF: Final = b"\x7fELF"
_ELF_MACHINES: Final = {62: "x86_64", 183: "arm64"}
_OTHERS: Final = {
    b"\xcf\xfa\xed\xfe": "macOS",
    b"\xca\xfe\xba\xbe": "macOS",
    b"MZ": "Windows",
}
_HEAD_BYTES: Final = 20
_find_glibc: Final = re.compile(rb"\0GLIBC_2\.(\d+)(?=[\0.])").findall


def machine_of(content: bytes | Path) -> str | None:
    """Return "x86_64", "arm64", "macOS", "Windows" or "another machine"; None if it is no machine
    code."""
    if isinstance(content, Path):
        with content.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    else:
        head = content[:_HEAD_BYTES]
    if head.startswith(_ELF) and len(head) == _HEAD_BYTES:
        order = "little" if head[5] == 1 else "big"
        number = int.from_bytes(head[18:20], order)  # type: ignore[arg-type]  # a literal
        return _ELF_MACHINES.get(number, "another machine")
    return next((name for mark, name in _OTHERS.items() if head.startswith(mark)), None)


def glibc_minor_of(data: bytes) -> int:
    """Return the minor version of the oldest glibc 2 with which machine code works; 0 if any."""
    return max(map(int, _find_glibc(data)), default=0)
