"""An app in a usual file of a folder: what is meant when none is named."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from tailrace import limits

_PLACES: Final = ("main.py", "app.py", "asgi.py", "wsgi.py", "*/asgi.py", "*/main.py", "*/app.py")
_find_app: Final = re.compile(
    r"^(\w+)(?: *:[^=\n]+)? *= *(?:\w+\.)*"
    r"(?:FastAPI|Starlette|Litestar|Quart|Flask|get_asgi_application|get_wsgi_application"
    r"|streamable_http_app|http_app|(?:create|make|build|get)_app)\(",
    re.MULTILINE,
).search
_find_maker: Final = re.compile(r"^def ((?:create|make|build|get)_app)\(", re.MULTILINE).search
_OTHERS: Final = ("node_modules", "test", "tests", "venv", "env")
_DEPTH_MAX: Final = 4
"""Folders below one in which an app is looked for."""


def app_in(folder: Path) -> str | None:
    """Return an app of a known framework in a usual file, as `module:attribute`."""
    for place in _PLACES:
        for file in sorted(folder.glob(place)):
            found = _find_app(_text_of(file))
            if found is not None:
                return f"{_module(file, folder)}:{found[1]}"
    return None


def app_in_project(folder: Path) -> str | None:
    """Return the app of a folder, or of its `src` if that is no package."""
    is_package = (folder / "src" / "__init__.py").exists()
    return (None if is_package else app_in(folder / "src")) or app_in(folder)


def app_nearby(folder: Path) -> str | None:
    """Return in words where an app is that is in no usual file, or what makes one."""
    maker = None
    for file in islice(_sources_below(folder), limits.FOLDER_ENTRIES_MAX):
        text = _text_of(file)
        if found := _find_app(text):
            app = f"{_module(file, folder)}:{found[1]}"
            return f"{file} has one: name its folder as PATH, or --app {app}"
        if maker is None and (found := _find_maker(text)):
            call = f"app = {found[1]}()"
            maker = f"{file} has {found[1]}, which makes one: write a module with {call}, as app.py"
    return maker


def _sources_below(folder: Path) -> Iterator[Path]:
    """Yield the modules of a folder, without those that are installed or hidden."""
    for directory, folders, names in os.walk(folder):
        is_deep = len(Path(directory).relative_to(folder).parts) >= _DEPTH_MAX
        wanted = (name for name in folders if name.isidentifier() and name not in _OTHERS)
        folders[:] = () if is_deep else sorted(wanted)
        yield from (Path(directory, name) for name in sorted(names) if name.endswith(".py"))


def _module(file: Path, folder: Path) -> str:
    return ".".join(file.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")


def _text_of(file: Path) -> str:
    try:
        with file.open("rb") as source:
            return source.read(limits.APP_FILE_BYTES_MAX).decode("utf-8", "replace")
    except OSError:
        return ""
