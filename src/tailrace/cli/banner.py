"""The text that a server shows at its start: addresses, functions, a command to try."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tailrace import __version__
from tailrace.cli.terminal import BOLD, CYAN, DIM, YELLOW, Terminal
from tailrace.config import Address, FunctionConfig, Interpreter, RouteConfig
from tailrace.gateway.routes import Router

if TYPE_CHECKING:  # the emulator's extra is enough for its Function URLs
    from tailrace.dev import Dev


def dev_banner(dev: Dev, terminal: Terminal) -> str:
    """Return the text that `tailrace dev` shows at its start."""
    return "\n".join(("", *_lines(dev, terminal), ""))


def url_lines(urls: Mapping[str, str], functions: Mapping[str, FunctionConfig]) -> Iterator[str]:
    """Return a line for each Function URL: its address, function, mode and authentication."""
    for name, url in urls.items():
        config = functions[name].url
        assert config is not None
        signed = ", AWS_IAM" if config.auth == "AWS_IAM" else ""
        # The delay is configured: without this note it would look like a fault.
        is_late = functions[name].hold_back is not None and config.invoke_mode == "RESPONSE_STREAM"
        late = ", late on purpose (hold_back)" if is_late else ""
        yield f"{_callable_url(url)}/  {name}, {config.invoke_mode}{signed}{late}"


def python_lines(functions: Mapping[str, FunctionConfig]) -> Iterator[str]:
    """Return a line for each Python: which it is, and its functions unless it is that of all."""
    names: dict[Interpreter, list[str]] = {}
    for name, function in functions.items():
        if function.loaded is not None:
            names.setdefault(function.python, []).append(name)
    for python, its in names.items():
        yield f"{python}" if len(names) == 1 else f"{python}: {', '.join(its)}"


def _lines(dev: Dev, terminal: Terminal) -> Iterator[str]:
    base = _callable_url(dev.public_url)
    name = terminal.paint("tailrace", BOLD)
    source = dev.options.target or str(dev.options.config_path)
    yield f"  {name} {__version__}  {terminal.paint(source, DIM)}"
    yield ""
    for taken, instead in dev.moved:
        where = f"port {instead.port}" if instead.port else "a free port"
        yield terminal.paint(f"  {taken} is in use: {where} instead", YELLOW)
    if dev.moved:
        yield ""
    if Router(dev.config.routes).match(urlsplit(base).netloc, "/") is not None:
        yield f"  Open    {terminal.paint(base + '/', CYAN)}"
    else:
        yield f"  Gateway {terminal.paint(base, CYAN)} (no route serves /)"
    yield f"  Try     {terminal.paint(_try(base, dev), CYAN)}"
    yield f"  Lambda  {_callable_url(dev.emulator_url)}"
    for line in python_lines(dev.config.functions):
        yield f"  Python  {line}"
    for line in url_lines(dev.function_urls, dev.config.functions):
        yield f"  URL     {line}"
    yield ""
    yield from _table(dev, terminal)
    if dev.config.functions or dev.left_out:
        yield ""
    yield terminal.paint("  Changed files are taken up as you save them. Ctrl-C stops.", DIM)


def _table(dev: Dev, terminal: Terminal) -> Iterator[str]:
    """List the routes, then the functions without a route."""
    functions, directory = dev.config.functions, dev.config.path.parent
    runs_by_name = {name: _runs(function, directory) for name, function in functions.items()}
    rows = [
        (f"{route.host or ''}{route.path}", *_target(route, runs_by_name))
        for route in dev.config.routes
    ]
    routed = {route.function_name for route in dev.config.routes}
    rows += [("no route", name, runs) for name, runs in runs_by_name.items() if name not in routed]
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    for path, name, runs in rows:
        yield f"  {path:<{widths[0]}}  {name:<{widths[1]}}  {terminal.paint(runs, DIM)}"
    for name, function in dev.left_out.items():
        assert function.command is not None
        yield terminal.paint(
            f"  {name} is left out: {function.command[0]} is not installed", YELLOW
        )


def _target(route: RouteConfig, runs_by_name: Mapping[str, str]) -> tuple[str, str]:
    """Return the target of a route, and how it runs."""
    if route.invoke_url is not None:  # its path and query may be secret
        return urlsplit(route.invoke_url).netloc.rpartition("@")[2], "invoked by its URL"
    name = route.function_name
    runs = runs_by_name[name]
    return name, runs if route.transport == "callback" else f"{runs}, {route.transport}"


def _runs(function: FunctionConfig, directory: Path) -> str:
    """Return the handler, app or command of a function, with its directory."""
    what = shlex.join(function.command) if function.command else function.loaded
    return f"{what} in {os.path.relpath(function.path, directory)}{os.sep}"


def _try(base: str, dev: Dev) -> str:
    """Return a command for the first route that is not the start page."""
    config = dev.config
    if not config.routes and dev.left_out:
        return "install what is missing, and start again: now every path is answered 404"
    if not config.routes:
        functions = next(iter(config.functions), None)
        what = "add [functions.NAME] and" if functions is None else "add"
        more = "" if functions is None else f", or start with --function {functions}"
        name = config.path.name
        return f"{what} [[routes]] to {name}{more}: without a route, every path is answered 404"
    route = next((r for r in config.routes if r.path not in ("/", "/*")), config.routes[0])
    host = f"-H 'Host: {route.host}' " if route.host else ""
    return f"curl -N {host}{base}{route.path.removesuffix('*')}"


def _callable_url(url: str) -> str:
    """Replace a wildcard address by the loopback address, so that the URL can be opened."""
    parts = urlsplit(url)
    if parts.hostname not in ("0.0.0.0", "::"):
        return url
    return f"{parts.scheme}://{Address('127.0.0.1', parts.port or 80)}"
