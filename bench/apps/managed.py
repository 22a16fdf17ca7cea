"""The cold start in AWS's managed Python runtime: the layer, AWS's client, a web server.

The runtime is imitated, as in the tests: its folders in a mount namespace, AWS's awslambdaric, the
documented steps of its boot files. What is started was made by `tailrace package`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.kits.managed.command import managed_command
from tests.kits.ports import free_port

from bench.apps.cold import first_byte_after, runtime_api
from bench.chain import FUNCTIONS
from bench.invoker import variables
from bench.peers import PROGRAMS

REQUIREMENTS = "fastapi\nmangum\nuvicorn\nuvloop\nhttptools\n"
ARCHITECTURE = "x86_64" if os.uname().machine == "x86_64" else "arm64"
WRAPPER = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/tailrace-wrapper"}
WEB_SERVER = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap"}
SOURCES, COMPILED = "sources", "compiled"


@dataclass(frozen=True, slots=True)
class Start:
    """A way to start a function: its handler, its variables, and which archives it has."""

    name: str
    handler: str
    variables: Mapping[str, str] = field(default_factory=dict)
    form: str = SOURCES


PLAIN = (
    Start("the layer", "plain_handler.handler", WRAPPER),
    Start("the layer, compiled", "plain_handler.handler", WRAPPER, COMPILED),
    Start("awslambdaric", "plain_handler.handler"),
)
WEB = (
    Start("the layer", "web.app", WRAPPER),
    Start("the layer, compiled", "web.app", WRAPPER, COMPILED),
    Start("awslambdaric, `asgi(app)`", "web_handlers.ours"),
    Start("awslambdaric, `asgi(app)`, compiled", "web_handlers.ours", form=COMPILED),
    Start("awslambdaric, `Mangum(app)`", "web_handlers.mangum"),
    Start("uvicorn behind a proxy", "web:app", WEB_SERVER),
    Start("uvicorn behind a proxy, compiled", "web:app", WEB_SERVER, COMPILED),
)
"""The last two are as the Lambda Web Adapter does it."""
BASELINES = {"a plain handler": "awslambdaric", "a FastAPI app": "uvicorn behind a proxy"}
STARTS = {"a plain handler": PLAIN, "a FastAPI app": WEB}

MODULES = {
    "plain_handler.py": "def handler(event, context):\n    return 'data: one'\n",
    "web_handlers.py": (
        "from mangum import Mangum\n"
        "from tailrace.function import asgi\n"
        "from web import app\n"
        "ours = asgi(app)\n"
        "mangum = Mangum(app, lifespan='off')\n"
    ),
}
BOOTSTRAP = """\
#!/bin/sh
# As /opt/bootstrap of the Lambda Web Adapter: the adapter runs beside the web server.
"$1" /opt/web_adapter.py {port} &
exec "$1" -m uvicorn "$_HANDLER" --port {port} --log-level warning
"""


class Archives:
    """What is unpacked at /var/task and /opt, in both forms."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        source = folder / "source"
        source.mkdir()
        for name, text in MODULES.items():
            (source / name).write_text(text)
        (source / "web.py").write_bytes((FUNCTIONS / "web.py").read_bytes())
        (source / "requirements.txt").write_text(REQUIREMENTS)
        for form in (SOURCES, COMPILED):
            options = ["--bytecode", sys.executable] if form == COMPILED else []
            self._unpack("opt", form, ["layer", *options])
            version = "{}.{}".format(*sys.version_info)
            platform = ["--architecture", ARCHITECTURE, "--python", version]
            function = ["function", str(source), "--app", "web:app", *platform]
            self._unpack("task", form, [*function, *options])
        self._port = free_port()
        server = self._folder / "server"
        server.mkdir()
        (server / "web_adapter.py").write_bytes((PROGRAMS / "web_adapter.py").read_bytes())
        bootstrap = server / "bootstrap"
        bootstrap.write_text(BOOTSTRAP.format(port=self._port))
        bootstrap.chmod(0o755)

    def command(self, start: Start) -> tuple[str, ...]:
        """Return the words that start a function."""
        task = self._folder / f"task-{start.form}"
        is_server = start.variables == WEB_SERVER
        opt = self._folder / ("server" if is_server else f"opt-{start.form}")
        return managed_command(task, opt, handler=start.handler)

    def _unpack(self, name: str, form: str, arguments: Sequence[str]) -> None:
        archive = self._folder / f"{name}-{form}.zip"
        command = [sys.executable, "-m", "tailrace", "package", *arguments, "-o", str(archive)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=300)
        target = str(self._folder / f"{name}-{form}")
        subprocess.run(["unzip", "-q", str(archive), "-d", target], check=True, timeout=300)


async def first_byte_ms(start: Start, archives: Archives) -> float:
    """Milliseconds from the start of /var/runtime/bootstrap's namespace to the first byte."""
    async with runtime_api() as (port, first_byte_s):
        environment = {"PATH": os.environ["PATH"], "_HANDLER": start.handler}
        environment |= variables(port) | start.variables
        started_s = time.perf_counter()
        process = subprocess.Popen(
            archives.command(start),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        return await first_byte_after(started_s, first_byte_s, [process], start.name)
