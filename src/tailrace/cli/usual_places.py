"""An app in a usual file of a folder: what is meant when none is named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tailrace import limits

_PLACES: Final = ("main.py", "app.py", "asgi.py", "wsgi.py", "*/asgi.py", "*/main.py", "*/app.py")
_find_app: Final = re.compile(
    r"^(\w+)(?: *:[^=\n]+)? *= *(?:\w+\.)*"
    r"(?:FastAPI|Starlette|Litestar|Quart|Flask|get_asgi_application|get_wsgi_application)\(",
    re.MULTILINE,
).search


def app_in(folder: Path) -> str | None:
    """Return an app of a known framework in a usual file, as `module:attribute`."""
    for place in _PLACES:
        for file in sorted(folder.glob(place)):
            try:
                with file.open("rb") as source:
                    text = source.read(limits.APP_FILE_BYTES_MAX).decode("utf-8", "replace")
            except OSError:
                continue
            found = _find_app(text)
            if found is not None:
                module = ".".join(file.relative_to(folder).with_suffix("").parts)
                return f"{module}:{found[1]}"
    return None
