"""Serves the app of a framework on every road: a gateway, an emulator, two function processes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from tests.e2e.chain import serving
from tests.kits.apps.frameworks import SOURCES, Framework
from tests.kits.apps.roads import Served
from tests.kits.paths import sdk_of

CONFIGURATION = """
[emulator]
retry_delay_scale = 0

[functions.stream]
@LOADED@
timeout_s = 60
concurrency = 1
[functions.stream.environment]
KIT_INTERFACE = "@INTERFACE@"
[functions.stream.url]
invoke_mode = "RESPONSE_STREAM"
# Lambda ends the response of a failed function cleanly here; its report is to be seen.
abort_on_error = true

[functions.buffer]
@LOADED@
timeout_s = 60
concurrency = 1
[functions.buffer.environment]
KIT_INTERFACE = "@INTERFACE@"
TAILRACE_RESPONSE_MODE = "buffer"
[functions.buffer.url]
invoke_mode = "BUFFERED"

[[routes]]
path = "/*"
function = "stream"
"""


@contextmanager
def serving_app(directory: Path, framework: Framework) -> Iterator[Served]:
    """Serve one app; afterwards nothing may be left."""
    module = framework.module
    is_app = framework.interface != "handler"
    loaded = f'app = "{module}:app"' if is_app else f'handler = "{module}.handler"'
    configuration = CONFIGURATION.replace("@LOADED@", loaded)
    files = {
        "gates.py": (SOURCES / "gates.py").read_text(),
        f"{module}.py": (SOURCES / f"{module}.py").read_text(),
        "tailrace.toml": configuration.replace("@INTERFACE@", framework.interface),
    }
    for name, text in files.items():
        (directory / name).write_text(text)
    with serving(directory / "tailrace.toml") as chain:
        chain.failures_expected = True  # the claims look at the log themselves
        with ThreadPoolExecutor(2) as threads, closing(sdk_of(chain)) as sdk:
            yield Served(chain, threads, sdk)
