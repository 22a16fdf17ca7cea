"""Programs that stand between a client and a function on the web: nginx, HAProxy, Caddy, Envoy.

Each runs as a single process in the foreground, with its files in a directory of the test, on ports
of loopback, and is ended by its id. One process serves several settings, each on a port of its own.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.kits.ports import free_ports

PATIENCE_S = 30.0
"""When a program does not come up, or does not go."""

Urls = Mapping[str, str]
"""Where clients connect, by the setting's name."""


@contextmanager
def nginx(
    directory: Path, upstream: str, settings: Mapping[str, str], *, http: str = ""
) -> Iterator[Urls]:
    """nginx before an `upstream`; each of the settings is what its `location` says besides.

    `http` is what the block around all of them says.
    """
    listening = free_ports(settings)
    servers = "\n".join(
        f"server {{ listen 127.0.0.1:{listening[name]};"
        f" location / {{ proxy_pass http://{upstream}; {text} }} }}"
        for name, text in settings.items()
    )
    block = f"{http or 'access_log off;'}\n{servers}"
    with nginx_of(directory, block, listening) as urls:
        yield urls


@contextmanager
def nginx_of(directory: Path, http: str, listening: Mapping[str, int]) -> Iterator[Urls]:
    """nginx with this in its section `http`, in which it listens on these ports."""
    temporary = "\n".join(
        f"{name}_temp_path {directory}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = _written(
        directory / "nginx.conf",
        f"daemon off; master_process off; pid {directory}/nginx.pid; events {{}}\n"
        f"http {{ {temporary}\n{http} }}\n",
    )
    command = [_found("nginx"), "-p", str(directory), "-e", f"{directory}/error.log", "-c", config]
    with _running(command, directory, listening) as urls:
        yield urls


@contextmanager
def haproxy(
    directory: Path, upstream: str, settings: Mapping[str, str], *, backend: str = ""
) -> Iterator[Urls]:
    """HAProxy before an `upstream`; each of the settings is what its `frontend` says besides.

    `backend` is what their common backend says; what is logged stands in `output.log`.
    """
    listening = free_ports(settings)
    frontends = "\n".join(
        f"frontend f{port}\n  bind 127.0.0.1:{port}\n  {settings[name]}\n  default_backend b"
        for name, port in listening.items()
    )
    times = "\n  ".join(f"timeout {name} 30s" for name in ("client", "server", "connect"))
    config = _written(
        directory / "haproxy.cfg",
        f"global\n  nbthread 1\ndefaults\n  mode http\n  {times}\n"
        f"{frontends}\nbackend b\n  {backend}\n  server s {upstream}\n",
    )
    with _running([_found("haproxy"), "-db", "-f", config], directory, listening) as urls:
        yield urls


@contextmanager
def haproxy_of(directory: Path, config: str, listening: Mapping[str, int]) -> Iterator[Urls]:
    """HAProxy with this configuration, in which it listens on these ports."""
    path = _written(directory / "haproxy.cfg", config)
    with _running([_found("haproxy"), "-db", "-f", path], directory, listening) as urls:
        yield urls


@contextmanager
def caddy(directory: Path, upstream: str, settings: Mapping[str, str]) -> Iterator[Urls]:
    """Caddy before an `upstream`; each of the settings is what its `reverse_proxy` says besides."""
    listening = free_ports(settings)
    sites = "\n".join(
        f"http://:{port} {{\n bind 127.0.0.1\n reverse_proxy {upstream} {{\n"
        f"  {settings[name]}\n }}\n}}"
        for name, port in listening.items()
    )
    config = _written(directory / "Caddyfile", f"{{\n admin off\n auto_https off\n}}\n{sites}\n")
    command = [_found("caddy"), "run", "--adapter", "caddyfile", "--config", config]
    with _running(command, directory, listening) as urls:
        yield urls


@contextmanager
def envoy(directory: Path, upstream: str, settings: Mapping[str, str]) -> Iterator[Urls]:
    """Envoy before an `upstream`; each of the settings is a filter before its router, or none."""
    listening = free_ports(settings)
    host, _, port = upstream.rpartition(":")
    config = _written(
        directory / "envoy.yaml",
        "static_resources:\n  listeners:\n"
        + "".join(_listener(settings[name], each) for name, each in listening.items())
        + "  clusters:\n  - name: function\n    load_assignment:\n      cluster_name: function\n"
        f"      endpoints: [{{lb_endpoints: [{{endpoint: {_address(host, int(port))}}}]}}]\n",
    )
    program = Path(sys.executable).with_name("envoy")
    command = [str(program), "-c", config, "--concurrency", "1", "--disable-hot-restart"]
    with _running([*command, "--log-level", "error"], directory, listening) as urls:
        yield urls


def _listener(a_filter: str, port: int) -> str:
    """One listener of Envoy, in YAML whose inner parts are JSON."""
    network, http = "envoy.filters.network.http_connection_manager", "envoy.filters.http"
    types = "type.googleapis.com/envoy.extensions.filters"
    filters = [a_filter] if a_filter else []
    filters.append(
        f'{{"name": "{http}.router", "typed_config": {{"@type": "{types}.http.router.v3.Router"}}}}'
    )
    route = '{"match": {"prefix": "/"}, "route": {"cluster": "function"}}'
    return (
        f"  - address: {_address('127.0.0.1', port)['address']}\n"
        f"    filter_chains:\n    - filters:\n      - name: {network}\n        typed_config:\n"
        f'          "@type": {types}.network.http_connection_manager.v3.HttpConnectionManager\n'
        f"          stat_prefix: p{port}\n          http_filters: [{', '.join(filters)}]\n"
        f"          route_config: {{virtual_hosts: [{{name: v, domains: ['*'],"
        f" routes: [{route}]}}]}}\n"
    )


def _address(host: str, port: int) -> dict[str, dict[str, dict[str, str | int]]]:
    return {"address": {"socket_address": {"address": host, "port_value": port}}}


# --- processes ---------------------------------------------------------------------------------


@contextmanager
def _running(
    command: Sequence[str], directory: Path, listening: Mapping[str, int]
) -> Iterator[Urls]:
    """Run a program until it listens everywhere, and end it afterwards."""
    log = directory / "output.log"
    homes = {name: str(directory) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env={**os.environ, **homes},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        for port in listening.values():
            _wait_listening(port, process, log)
        yield {name: f"http://127.0.0.1:{port}" for name, port in listening.items()}
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(PATIENCE_S)


def _wait_listening(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except ConnectionRefusedError:
            assert process.poll() is None and time.monotonic() < end_s, log.read_text()
            time.sleep(0.02)
        else:
            return


def _found(program: str) -> str:
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert path is not None, f"{program} is not installed: make test installs it"
    return path


def _written(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)
