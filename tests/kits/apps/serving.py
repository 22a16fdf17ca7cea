"""Serves the app of a framework on every road: a gateway, an emulator, three functions.

The road `server` is none of this project's: the app under uvicorn, or under Werkzeug's server. What
the claims ask holds there, too.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from tests.e2e.chain import serving
from tests.e2e.gate import SOURCE, WAIT_S
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

# AWS's own runtime, which cannot stream and has no init phase for apps.
[functions.managed]
command = @MANAGED@
timeout_s = 60
concurrency = 1
[functions.managed.environment]
KIT_INTERFACE = "@INTERFACE@"

[[routes]]
path = "/*"
function = "stream"

[[routes]]
host = "managed.localhost"
path = "/*"
function = "managed"

[[routes]]
host = "stream.localhost"
path = "/*"
function = "stream"
transport = "response-stream"
"""

HANDLER = """
from @MODULE@ import app
from tailrace.function import @INTERFACE@

handler = @INTERFACE@(app)
"""


LOG = "server.log"
SERVERS = {
    "asgi": """
import uvicorn
uvicorn.run(app, fd=fd, log_level="error")
""",
    "wsgi": """
from werkzeug.serving import WSGIRequestHandler, make_server
WSGIRequestHandler.protocol_version = "HTTP/1.1"  # it sends chunks
make_server("127.0.0.1", 0, app, threaded=True, fd=fd).serve_forever()
""",
}
LOAD = """
import sys
from importlib import import_module
app, fd = import_module(sys.argv[1]).app, int(sys.argv[2])
"""


@contextmanager
def serving_by_server(directory: Path, framework: Framework) -> Iterator[str]:
    """Serve the app without functions; what it prints is in `server.log`. Yield its URL."""
    command = [sys.executable, "-c", LOAD + SERVERS[framework.interface], framework.module]
    environment = {**os.environ, "KIT_INTERFACE": framework.interface}
    with socket.create_server(("127.0.0.1", 0)) as listener, (directory / LOG).open("w") as log:
        server = subprocess.Popen(
            [*command, str(listener.fileno())],
            cwd=directory,
            env=environment,
            pass_fds=[listener.fileno()],
            stdout=log,
            stderr=log,
        )
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.terminate()
            server.wait(WAIT_S)


@contextmanager
def serving_app(
    directory: Path, framework: Framework, *, with_server: bool = False
) -> Iterator[Served]:
    """Serve one app; afterwards nothing may be left."""
    module, interface = framework.module, framework.interface
    is_app = interface in SERVERS
    handler = "served.handler" if is_app else f"{module}.handler"
    marks = {
        "@LOADED@": f'app = "{module}:app"' if is_app else f'handler = "{handler}"',
        "@MANAGED@": json.dumps([sys.executable, "-m", "awslambdaric", handler]),
        "@MODULE@": module,
        "@INTERFACE@": interface,
    }
    files = {
        "gate.py": SOURCE,
        "gates.py": (SOURCES / "gates.py").read_text(),
        f"{module}.py": (SOURCES / f"{module}.py").read_text(),
        "served.py": HANDLER,
        "tailrace.toml": CONFIGURATION,
    }
    for name, text in files.items():
        for mark, value in marks.items():
            text = text.replace(mark, value)
        (directory / name).write_text(text)
    with serving(directory / "tailrace.toml") as chain, ExitStack() as stack:
        chain.failures_expected = True  # the claims look at the log themselves
        threads = stack.enter_context(ThreadPoolExecutor(2))
        sdk = stack.enter_context(closing(sdk_of(chain)))
        server_url = ""
        if with_server:
            server_url = stack.enter_context(serving_by_server(directory, framework))
        yield Served(chain, threads, sdk, server_url, directory / LOG)
