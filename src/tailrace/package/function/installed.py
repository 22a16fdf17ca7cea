"""What is installed in a folder: distributions, their files, what they require."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import Final

_requirement: Final = re.compile(r"\s*([A-Za-z0-9][\w.-]*)\s*(?:\[[^]]*])?\s*([^;]*)(?:;(.*))?")
_has_bound: Final = re.compile(r"(?:^|[\s,(])(?:<|==|~=)").search
_of_an_extra: Final = re.compile(r"\bextra\s*==").search


@dataclass(frozen=True, slots=True)
class Requires:
    """A requirement of a distribution, outside of its extras."""

    name: str
    """Normalized."""
    has_bound: bool
    """Whether it names an upper limit, or one version."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """An installed distribution."""

    name: str
    """Normalized."""
    version: str
    metadata: str
    """The name of its folder of metadata."""
    files: Sequence[str]
    """All of it, relative to the folder."""
    requires: Sequence[Requires]


def distributions_in(folder: Path) -> list[Distribution]:
    """Return the distributions in a folder, sorted by name."""
    found = [_read(each) for each in sorted(folder.glob("*.dist-info"))]
    return sorted(found, key=lambda each: each.name)


def normalized(name: str) -> str:
    """Return the name of a distribution as the index writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement_in(text: str) -> Requires | None:
    """Return what a line of a requirements file or of metadata requires; None if nothing."""
    match = _requirement.match(text)
    if match is None or (match[3] and _of_an_extra(match[3])):
        return None
    return Requires(normalized(match[1]), _has_bound(match[2]) is not None)


def _read(metadata: Path) -> Distribution:
    headers = HeaderParser().parsestr((metadata / "METADATA").read_text("utf-8", "replace"))
    required = (requirement_in(text) for text in headers.get_all("Requires-Dist", ()))
    return Distribution(
        name=normalized(headers["Name"]),
        version=headers["Version"],
        metadata=metadata.name,
        files=[name for name, *_ in record_rows(metadata)],
        requires=[each for each in required if each is not None],
    )


def record_rows(metadata: Path) -> Iterator[list[str]]:
    """Return the rows of a distribution's RECORD: name, hash, size."""
    with (metadata / "RECORD").open(encoding="utf-8", newline="") as file:
        yield from (row for row in csv.reader(file) if row)
