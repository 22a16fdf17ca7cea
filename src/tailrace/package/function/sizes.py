"""The sizes of what is in an archive, and Lambda's limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import source_from_cache

from tailrace.errors import PackageError
from tailrace.package.archive import Entry
from tailrace.package.function.dependencies import Installed
from tailrace.package.limits import CODE_BYTES_MAX, LARGEST_SHOWN


@dataclass(frozen=True, slots=True)
class PackageSize:
    """A dependency, with what of it is in the archive."""

    name: str
    version: str
    bytes: int
    file_count: int


def sizes_of(installed: Installed, entries: Iterable[Entry]) -> list[PackageSize]:
    """Return the size of each dependency with its compiled modules, the largest first."""
    sizes: Counter[str] = Counter()
    for entry in entries:
        is_compiled = entry.name.endswith(".pyc")
        sizes[source_from_cache(entry.name) if is_compiled else entry.name] += entry.size_bytes
    found = []
    for each in installed.distributions:
        own = [sizes[name] for name in each.files if name in sizes]
        found.append(PackageSize(each.name, each.version, sum(own), len(own)))
    return sorted(found, key=_rank)


def sizes_of_code(code: Iterable[Entry]) -> list[PackageSize]:
    """Return the size of each file and folder in the root of the code."""
    tops: dict[str, list[int]] = {}
    for entry in code:
        tops.setdefault(entry.name.partition("/")[0], []).append(entry.size_bytes)
    return [PackageSize(name, "", sum(each), len(each)) for name, each in tops.items()]


def check_size(entries: Iterable[Entry], layer_bytes: int, sizes: list[PackageSize]) -> None:
    """Raise PackageError if the files are more than a function can have."""
    total = sum(entry.size_bytes for entry in entries)
    if total + layer_bytes <= CODE_BYTES_MAX:
        return
    largest = "\n".join(f"  {line}" for line in largest_lines(sorted(sizes, key=_rank)))
    layer = f" with {megabytes(layer_bytes)} of the layer" if layer_bytes else ""
    raise PackageError(
        f"the function has {megabytes(total)} unzipped{layer}, and Lambda's limit is"
        f" {megabytes(CODE_BYTES_MAX)}; nothing was written. The largest parts:\n{largest}\n"
        "leave some out, or parts with --exclude GLOB; or use a container image, which may have"
        " 10 GB"
    )


def largest_lines(sizes: list[PackageSize]) -> list[str]:
    """Return a line for each of the largest dependencies."""
    shown = sizes[:LARGEST_SHOWN]
    names = [f"{each.name} {each.version}".strip() for each in shown]
    width = max(map(len, names), default=0)
    return [
        f"{name:{width}}  {megabytes(each.bytes)}" for name, each in zip(names, shown, strict=True)
    ]


def megabytes(count: int) -> str:
    """Return a size as Lambda's limits are written: in units of 1,048,576 bytes."""
    return f"{count / 1_048_576:,.1f} MB"


def _rank(size: PackageSize) -> tuple[int, str]:
    return -size.bytes, size.name
