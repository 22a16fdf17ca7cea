"""Emulator and gateway in one process, reloaded when files change.

Concurrency law: two tasks watch files, one the configuration and one the functions' directories;
reloads take turns. What is open when a function changes ends on its old process.
"""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import logging
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from watchfiles import Change, DefaultFilter, awatch

from tailrace import config as configuration
from tailrace.config import Address, Config, FunctionConfig, RouteConfig, parse_advertise
from tailrace.emulator.log import EmulatorLog
from tailrace.emulator.service import Emulator
from tailrace.errors import ConfigError
from tailrace.gateway.invoke import LambdaEndpoint
from tailrace.gateway.invokers import Invokers
from tailrace.gateway.service import Gateway
from tailrace.gateway.settings import settings_from
from tailrace.net.ports import free_port, is_taken, taken_error
from tailrace.net.tasks import TaskSet
from tailrace.wire.routes import Router

logger = logging.getLogger(__name__)

Transport = Literal["callback", "response-stream"]

_REGION: Final = "us-east-1"
_SILENT: Final = "ended without calling back (no streamify_response, no response-stream route?)"
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}
_FILES_NAMED_MAX: Final = 3
_STARTS_MAX: Final = 3
_LOOK_AGAIN_MS: Final = 1000
"""How often it is looked whether the watched directories are still those that they were."""


class _SourceFilter(DefaultFilter):
    """Leaves out logs, above all our own: each line about a change would be a change."""

    ignore_entity_patterns = (*DefaultFilter.ignore_entity_patterns, r"\.log$")

    def __call__(self, change: Change, path: str) -> bool:
        """Whether a change counts."""
        return super().__call__(change, path) and not _is_own_output(path)


@dataclass(frozen=True, slots=True)
class Wanted:
    """An address to listen on. One that is not firm may be replaced when its port is taken."""

    address: Address
    is_firm: bool
    option: str
    """What chooses another, for messages."""


@dataclass(frozen=True, slots=True)
class DevSettings:
    """What to run, and where.

    `function` gets every path when given, by `transport`; otherwise the routes of the file count.
    `advertise` is where functions call back, [https://]HOST[:PORT]; without it, it is the
    listener's own address. `gateway` and `hold_back` go before what the file says.
    """

    config_path: Path
    listen: Wanted
    callback_listen: Wanted
    emulator_listen: Wanted
    function: str | None = None
    transport: Transport = "callback"
    advertise: str | None = None
    gateway: Mapping[str, Any] = field(default_factory=dict)
    hold_back: configuration.HoldBackName | None = None


class Dev:
    """`start`, then `watch`; `drain` lets open streams end, `stop` ends everything."""

    def __init__(self, settings: DevSettings, log: EmulatorLog) -> None:
        self.settings = settings
        self.moved: list[tuple[Address, Address]] = []
        """Addresses that were taken, and what is used instead."""
        self.left_out: dict[str, FunctionConfig] = {}
        """Functions whose program is not installed here."""
        self._log = log
        self._tasks = TaskSet()
        self._watcher: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._emulator: Emulator | None = None
        self._gateway: Gateway | None = None

    @property
    def public_url(self) -> str:
        """Where clients reach the functions."""
        assert self._gateway is not None
        return self._gateway.public_url

    @property
    def emulator_url(self) -> str:
        """The Lambda API, for SDKs and the `aws` command."""
        assert self._emulator is not None
        return self._emulator.url

    @property
    def function_urls(self) -> dict[str, str]:
        """The base of each Function URL, by its function's name."""
        assert self._emulator is not None
        return self._emulator.function_urls

    @property
    def held(self) -> int:
        """How many responses are open."""
        return self._gateway.statistics()["held"] if self._gateway is not None else 0

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: the configuration is wrong.
            OSError: an address cannot be had.
        """
        self.config = self._load()
        for _ in range(_STARTS_MAX - 1):
            try:
                await self._start()
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                # Somebody took an address between our look and our listening: look again.
            else:
                return
        await self._start()

    async def _start(self) -> None:
        self.moved.clear()
        listen, callback_listen, emulator_listen = self._addresses()
        settings = settings_from(
            dataclasses.replace(self.config.gateway, **self.settings.gateway),
            listen=listen,
            callback_listen=callback_listen,
            advertise=self._advertised(callback_listen),
        )
        emulator = Emulator(
            self.config,
            log=self._log,
            host=emulator_listen.host,
            port=emulator_listen.port,
            on_event_ended=self._on_event_ended,
        )
        await emulator.start()
        self._emulator = emulator
        endpoint = LambdaEndpoint(emulator.url, _REGION, is_loopback=True, has_dummy_keys=True)
        gateway = Gateway(settings, Invokers.at(endpoint), Router(self.config.routes).match)
        try:
            await gateway.start()
        except BaseException:
            await self.stop()
            raise
        self._gateway = gateway

    async def watch(self) -> None:
        """Reload when a file changes, from the return on."""
        self._tasks.spawn(self._watch_config(), "watch configuration")
        await self._watch_functions()

    async def drain(self) -> bool:
        """Take no more requests and let open streams end; False when some would not in time."""
        return self._gateway is None or await self._gateway.drain()

    async def stop(self) -> None:
        """End everything; what is open is cut off, visibly."""
        await self._tasks.cancel_all()
        if self._gateway is not None:
            await self._gateway.stop()
        if self._emulator is not None:
            await self._emulator.stop()

    def _on_event_ended(self, event: bytes, error: str | None) -> None:
        """Tell a client what it would otherwise learn from the first-byte deadline."""
        what = _SILENT if error is None else f"failed ({error})"
        if self._gateway is not None:
            self._gateway.fail(event, f"the function {what}: see the log of tailrace dev")

    # --- configuration ------------------------------------------------------------------------

    def _load(self) -> Config:
        """The configuration, without the functions that cannot run here."""
        config = configuration.load(self.settings.config_path, hold_back=self.settings.hold_back)
        if self.settings.function is not None:
            config = _only(self.settings.function, self.settings.transport, config)
        functions = {
            name: _without_cache(function)
            for name, function in config.functions.items()
            if _is_installed(function)
        }
        self.left_out = {n: f for n, f in config.functions.items() if n not in functions}
        routes = tuple(
            route
            for route in config.routes
            if route.invoke_url is not None or route.function in functions
        )
        return dataclasses.replace(config, functions=functions, routes=routes)

    def _addresses(self) -> Iterator[Address]:
        """The three addresses, moved where they are taken."""
        settings = self.settings
        wanted = (settings.listen, settings.callback_listen, settings.emulator_listen)
        urls = [f.url.listen for f in self.config.functions.values() if f.url and f.url.listen]
        ports = {each.port for each in (*urls, *(one.address for one in wanted))}
        for each in wanted:
            address = each.address
            if not is_taken(*address) and (address.port == 0 or address not in urls):
                yield address
                continue
            if each.is_firm:
                raise taken_error(each.option, address)
            free = Address(address.host, free_port(*address, avoid=ports))
            ports.add(free.port)
            self.moved.append((address, free))
            yield free

    def _advertised(self, callback_listen: Address) -> str | None:
        """The base of callback URLs; functions run here, so of all addresses loopback is one."""
        text = self.settings.advertise or _LOOPBACK.get(callback_listen.host)
        return None if text is None else parse_advertise(text, callback_listen.port)

    # --- reload -------------------------------------------------------------------------------

    async def _watch_config(self) -> None:
        path = self.config.path

        def is_config(change: Change, changed: str) -> bool:
            return Path(changed) == path

        # The directory, not the file: editors replace a file by another one of its name.
        async for _ in awatch(path.parent, watch_filter=is_config, recursive=False):
            await self._reload(set())

    async def _watch_functions(self) -> None:
        """Watch the directories of the functions that there are now."""
        before = self._watcher
        self._watcher = self._tasks.spawn(self._watch_directories(), "watch functions")
        await asyncio.sleep(0)  # in its first step a task begins to watch
        if before is not None:
            before.cancel()

    async def _watch_directories(self) -> None:
        """Watch, and begin again whenever a directory has gone, is back or is another one.

        What the system watches is the directory that was there, not its name.
        """
        paths = _paths(self.config)
        before = found = _identities(paths)
        while True:
            for path in before.keys() - found.keys():
                logger.warning("%s is gone: its functions change when it is back", path)
            back = {path for path in found if before.get(path) != found[path]}
            try:
                async for changes in awatch(
                    *found,
                    watch_filter=_SourceFilter(),
                    rust_timeout=_LOOK_AGAIN_MS,
                    yield_on_timeout=True,
                ):
                    files = {Path(path) for _, path in changes} | back
                    files -= {self.config.path} | _records(self.config)
                    back = set()
                    if files:
                        await self._reload(files)
                    lost = {Path(path) for change, path in changes if change is Change.deleted}
                    if lost & found.keys() or _identities(paths) != found:
                        break
            except FileNotFoundError:  # gone since we looked
                lost = set()
            before = {path: found[path] for path in found.keys() - lost}
            found = _identities(paths)

    async def _reload(self, files: set[Path]) -> None:
        """Take up changed files; without any, a changed configuration."""
        async with self._turn:
            old, left_out = self.config, set(self.left_out)
            if not files:
                try:
                    self.config = self._load()
                except ConfigError as error:
                    logger.error("%s; the configuration before it stays", error)
                    return
            assert self._emulator is not None and self._gateway is not None
            changed = _changed(self.config.functions.values(), files)
            if files and not changed:
                return
            if _paths(self.config) != _paths(old):
                await self._watch_functions()
                changed = set(self.config.functions)  # the watch before may not have told all
            await self._emulator.reload(self.config, changed)
            self._gateway.route_by(Router(self.config.routes).match)
            if files:
                _tell_changed(files, changed)
                return
            self._tell_config(old, left_out)

    def _tell_config(self, old: Config, left_out: set[str]) -> None:
        logger.info("%s is taken up", self.config.path.name)
        if self.config.gateway != old.gateway:
            logger.warning("[gateway] has changed: that needs a restart")
        for name in self.left_out.keys() - left_out:
            logger.warning("%s is left out: its program is not installed", name)


def _only(name: str, transport: Transport, config: Config) -> Config:
    """The configuration with one route: everything to one function."""
    if name not in config.functions:
        known = ", ".join(config.functions) or "there are none"
        raise ConfigError(f"--function: there is no function {name!r}; allowed: {known}")
    route = RouteConfig(path="/*", function=name, transport=transport)
    return dataclasses.replace(config, routes=(route,))


def _is_installed(function: FunctionConfig) -> bool:
    """Whether the program of a function is here; it is looked for as the function would."""
    if function.command is None:
        return True
    program = function.command[0]
    if os.sep in program:
        return shutil.which(function.path / program) is not None
    return shutil.which(program, path=function.environment.get("PATH")) is not None


def _is_own_output(path: str) -> bool:
    """Whether our standard output or error goes to this file."""
    try:
        found = os.stat(path)
        return any(os.path.samestat(found, os.fstat(number)) for number in (1, 2))
    except OSError:  # the file is gone, or there is no output
        return False


def _without_cache(function: FunctionConfig) -> FunctionConfig:
    """The function, told not to keep compiled code.

    Python takes a file for unchanged when size and second of change are the same: a quick second
    edit would run the first one. On Lambda there is no cache either, the directory is read-only.
    """
    environment = {"PYTHONDONTWRITEBYTECODE": "1", **function.environment}
    return dataclasses.replace(function, environment=environment)


def _changed(functions: Iterable[FunctionConfig], files: set[Path]) -> set[str]:
    """The names of the functions to which any of the files belongs."""
    return {
        function.name
        for function in functions
        if any(file.is_relative_to(function.path) for file in files)
    }


def _paths(config: Config) -> set[Path]:
    return {function.path for function in config.functions.values()}


def _records(config: Config) -> set[Path]:
    """The files that the functions' destinations write, which may be in their directories."""
    return {
        Path(place.removeprefix("file:"))
        for function in config.functions.values()
        for place in (function.destinations.on_success, function.destinations.on_failure)
        if place is not None and place.startswith("file:")
    }


def _identities(paths: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    """The directories that are there; another one of the same name is not the same."""
    found = {}
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        found[path] = (status.st_dev, status.st_ino)
    return found


def _tell_changed(files: set[Path], names: set[str]) -> None:
    # Editors leave traces of files that they have used and removed; name what is still there.
    found = sorted({file.name for file in files if file.exists()} or {file.name for file in files})
    more = f" and {len(found) - _FILES_NAMED_MAX} more" if len(found) > _FILES_NAMED_MAX else ""
    shown = ", ".join(found[:_FILES_NAMED_MAX]) + more
    logger.info("%s changed: the next request to %s runs it", shown, ", ".join(sorted(names)))
