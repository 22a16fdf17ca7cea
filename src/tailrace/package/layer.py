"""The Lambda layer with which AWS's managed Python runtime streams."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tailrace.package.archive import Entry
from tailrace.package.bytecode import compiled_entries
from tailrace.package.function.target import MANAGED
from tailrace.package.own_files import own_entries

WRAPPER: Final = "tailrace-wrapper"
"""The exec wrapper, in the layer's root."""
MODULES: Final = "python/"
"""The folder of a layer that is in `sys.path`."""

_ROOT: Final = "/opt"
"""Where Lambda unpacks layers."""
VARIABLES: Final = {"AWS_LAMBDA_EXEC_WRAPPER": f"{_ROOT}/{WRAPPER}"}
"""The environment variables of a function with the layer."""

_WRAPPER_FILE: Final = Path(__file__).parent / "files" / WRAPPER


def layer_entries(pythons: Iterable[str] = ()) -> list[Entry]:
    """Return the files of the layer: one for each Python from 3.11 on and both architectures.

    The versions of `pythons`, which are programs, find compiled modules as well.

    Raises:
        ConfigError: one of them does not run.
        PackageError: it does not compile.
    """
    modules = own_entries(MODULES)
    compiled = {
        entry.name: entry for each in pythons for entry in compiled_entries(modules, each, _ROOT)
    }
    wrapper = Entry(WRAPPER, _WRAPPER_FILE, is_executable=True)
    return [wrapper, *modules, *compiled.values()]


def publish_command(archive: Path) -> list[str]:
    """Return the words of the `aws` command that publishes the layer."""
    words = ["aws", "lambda", "publish-layer-version", "--layer-name", "tailrace"]
    words += ["--zip-file", f"fileb://{archive}", "--license-info", "Apache-2.0"]
    words += ["--compatible-runtimes", *MANAGED, "--compatible-architectures", "arm64", "x86_64"]
    return words
