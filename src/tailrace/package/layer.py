"""The Lambda layer with which AWS's managed Python runtime streams."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tailrace.package.archive import Entry
from tailrace.package.own_files import own_entries

WRAPPER: Final = "tailrace-wrapper"
"""The exec wrapper, in the layer's root: Lambda unpacks layers at /opt."""
MODULES: Final = "python/"
"""The folder of a layer that is in `sys.path`."""

VARIABLES: Final = {"AWS_LAMBDA_EXEC_WRAPPER": f"/opt/{WRAPPER}"}
"""The environment variables of a function with the layer."""

_WRAPPER_FILE: Final = Path(__file__).parent / "files" / WRAPPER


def layer_entries() -> list[Entry]:
    """Return the files of the layer: one for each Python from 3.11 on and both architectures."""
    return [Entry(WRAPPER, _WRAPPER_FILE, is_executable=True), *own_entries(MODULES)]
