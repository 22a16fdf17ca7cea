"""AWS's own runtimes for Node.js on the whole chain, with the handlers of this folder.

They are installed by scripts/install-npm.sh. A function's name is that of its kind and its
runtime, as in "stream-nodejs20x".
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.chain import Chain, serving, until
from tests.e2e.client import Client
from tests.e2e.gate import Gate

NPM = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tailrace" / "npm"
RUNTIMES = ("nodejs20.x", "nodejs22.x")
"""aws-lambda-ric 3 on Node.js 20, and 4 on Node.js 22."""

PRELUDE = (
    b'{"statusCode":201,"headers":{"Content-Type":"text/plain; charset=utf-8","X-Shape":"yes"},'
    b'"cookies":["a=1; Path=/","b=2; HttpOnly"]}' + bytes(8)
)
"""What shapes.mjs begins a response with."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A function that each runtime gets."""

    handler: str
    invoke_mode: str = "RESPONSE_STREAM"
    transport: str = "response-stream"
    timeout_s: float = 120.0
    environment: Mapping[str, str] = field(default_factory=dict)


def command(runtime: str, handler: str) -> list[str]:
    """Runs a handler; the working directory is where its file is."""
    packages = NPM / runtime / "node_modules"
    return [str(packages / "node" / "bin" / "node"), str(packages / ".bin/aws-lambda-ric"), handler]


def name_of(kind: str, runtime: str) -> str:
    """The name of a function."""
    return f"{kind}-{runtime.replace('.', '')}"


def query(shape: str, **asked: object) -> str:
    """The query that asks shapes.mjs for a response."""
    return "&".join(f"{name}={value}" for name, value in {"shape": shape, **asked}.items())


def assert_slows_its_function(chain: Chain, name: str, client: Client, gate: Gate) -> None:
    """A client of the shape `blocks` that does not read holds its function back, until it reads."""
    seen = ""

    def is_blocked() -> bool:
        nonlocal seen
        before, is_stuck = seen, chain.is_stuck(name)
        seen = gate.latest(before)
        return is_stuck and before == seen != ""

    assert client.head().status == 201
    until(is_blocked, "the function to be blocked")
    assert 0 < int(seen) < 1023
    for number in range(1024):
        assert client.body(65_536) == bytes([number % 251]) * 65_536
    assert client.rest() == b""


@contextmanager
def serving_kinds(directory: Path, kinds: Mapping[str, Kind]) -> Iterator[Chain]:
    """Serve all kinds on both runtimes; a function's route is the path of its name."""
    for path in Path(__file__).parent.glob("*.[cm]js"):
        shutil.copy(path, directory)
    (directory / "node_modules").symlink_to(NPM / "node_modules")
    lines = ["[emulator]", "retry_delay_scale = 0"]
    for runtime in RUNTIMES:
        for kind, what in kinds.items():
            lines += _lines(name_of(kind, runtime), what, command(runtime, what.handler))
    path = directory / "tailrace.toml"
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    with serving(path) as chain:
        yield chain


def _lines(name: str, kind: Kind, arguments: list[str]) -> Iterator[str]:
    yield f"[functions.{name}]"
    yield f"command = {json.dumps(arguments)}"
    yield f"timeout_s = {kind.timeout_s}"
    variables = ", ".join(f'{name} = "{value}"' for name, value in kind.environment.items())
    yield f"environment = {{ {variables} }}"
    yield "url = " + f'{{ invoke_mode = "{kind.invoke_mode}" }}'
    yield "[[routes]]"
    yield f'path = "/{name}/*"'
    yield f'function = "{name}"'
    yield f'transport = "{kind.transport}"'
