"""The emulator and a gateway in one process, reloaded when files change.

Concurrency law: the two tasks of the watcher request reloads, which run one at a time; a request
that finds changed files reloads its function in one step. Open responses end on the old process.
"""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tailrace import limits
from tailrace.config import (
    Address,
    Config,
    DevOptions,
    FunctionConfig,
    RouteConfig,
    is_auto,
    parse_advertise,
)
from tailrace.dev.local_config import load
from tailrace.dev.sources import Sources
from tailrace.dev.watcher import Watcher
from tailrace.emulator.log import EmulatorLog
from tailrace.emulator.service import Emulator
from tailrace.errors import ConfigError
from tailrace.gateway.advertised import find_advertised
from tailrace.gateway.aws.endpoint import AwsEndpoint
from tailrace.gateway.routes import Router
from tailrace.gateway.service import Gateway
from tailrace.gateway.settings import local_access, settings_from
from tailrace.gateway.transports.choice import Transports
from tailrace.net.ports import free_port, is_taken, refuse_unusable, taken_error
from tailrace.net.tasks import TaskSet

logger = logging.getLogger(__name__)

_REGION: Final = "us-east-1"
_SILENT: Final = "ended without calling back (no streamify_response, no response-stream route?)"
_CAUSES: Final = {
    "Runtime.ExitError": ": its process ended",
    "Runtime.HandlerNotFound": ": its module has no such handler",
    "Runtime.ImportModuleError": ": its module cannot be imported",
    "Runtime.MarshalError": ": its result is not JSON; a generator needs @streamify_response",
    "Runtime.UserCodeSyntaxError": ": its code has a syntax error",
    "Sandbox.Timedout": ": it took longer than its timeout_s",
}
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}
_FILES_NAMED_MAX: Final = 3
_ROUTES_NAMED_MAX: Final = 10
_STARTS_MAX: Final = 3


class Dev:
    """`start`, then `watch`; `drain` lets open streams end, `stop` ends everything."""

    def __init__(self, options: DevOptions, log: EmulatorLog) -> None:
        self.options = options
        self.moved: list[tuple[Address, Address]] = []
        """Addresses in use, each with its replacement."""
        self.left_out: dict[str, FunctionConfig] = {}
        """Functions whose program is not installed."""
        self._log = log
        self._sources = Sources()
        self._tasks = TaskSet()
        self._is_warming = False
        self._watcher = Watcher(self._reload, self._sources.is_source)
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
        """Open the listeners.

        Raises:
            ConfigError: the configuration is wrong.
            OSError: an address is unavailable.
        """
        self.config, self.left_out = load(self.options)
        if self.options.target is not None and self.config.path.exists():
            logger.info("%s is not read: %s is run", self.config.path.name, self.options.target)
        self._sources.apply(self.config)
        for _ in range(_STARTS_MAX - 1):
            try:
                await self._start()
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                # Another process took an address after our check: choose again.
            else:
                return
        await self._start()

    async def _start(self) -> None:
        self.moved.clear()
        listen, callback_listen, emulator_listen = self._addresses()
        settings = settings_from(
            dataclasses.replace(self.config.gateway, **self.options.gateway),
            listen=listen,
            callback_listen=callback_listen,
            advertise=await self._advertised(callback_listen),
            web_access=local_access(self.config, listen),
        )
        settings = dataclasses.replace(
            settings, drain_idle_timeout_s=limits.LOCAL_DRAIN_IDLE_TIMEOUT_S
        )
        emulator = Emulator(
            self.config,
            log=self._log,
            host=emulator_listen.host,
            port=emulator_listen.port,
            on_event_ended=self._on_event_ended,
            has_changed=self._has_changed,
            find_gateway=self._callback_host,
        )
        await emulator.start()
        self._emulator = emulator
        endpoint = AwsEndpoint(emulator.url, _REGION, is_loopback=True, has_dummy_keys=True)
        gateway = Gateway(settings, Transports.at(endpoint), _finder(self.config))
        try:
            await gateway.start()
        except BaseException:
            await self.stop()
            raise
        self._gateway = gateway

    async def watch(self) -> None:
        """Start to watch: from now on a changed file causes a reload."""
        await self._watcher.start(self.config, has_file=self.options.target is None)

    def warm(self, names: Iterable[str] | None = None) -> None:
        """Start a process of each function, or of these, before the first request."""
        assert self._emulator is not None
        self._is_warming = True
        self._tasks.spawn(self._emulator.warm(names), "warm functions")

    async def drain(self) -> bool:
        """Drain the gateway; return False if responses were still open at the end."""
        return self._gateway is None or await self._gateway.drain()

    async def stop(self) -> None:
        """Stop everything; open responses are aborted."""
        await self._watcher.stop()
        await self._tasks.cancel_all()
        if self._gateway is not None:
            await self._gateway.stop()
        if self._emulator is not None:
            await self._emulator.stop()

    def _on_event_ended(self, event: bytes, error: str | None) -> None:
        """Fail the exchange of an event that ended without a callback, before its deadline."""
        what = _SILENT if error is None else f"failed ({error}{_CAUSES.get(error, '')})"
        if self._gateway is not None:
            self._gateway.fail(event, f"the function {what}: see the log of tailrace dev")

    # --- addresses ----------------------------------------------------------------------------

    def _addresses(self) -> Iterator[Address]:
        """Return the three addresses, with a free port for each one in use."""
        options = self.options
        wanted = (options.listen, options.callback_listen, options.emulator_listen)
        urls = [f.url.listen for f in self.config.functions.values() if f.url and f.url.listen]
        ports = {each.port for each in (*urls, *(one.address for one in wanted))}
        for each in wanted:
            address = each.address
            is_free = address.port == 0 or address not in urls
            if each.is_firm:
                refuse_unusable(each.option, *address)
                if not is_free:
                    raise taken_error(each.option, address)
            if is_free and not is_taken(*address):
                yield address
                continue
            free = Address(address.host, free_port(*address, avoid=ports))
            ports.add(free.port)
            self.moved.append((address, free))
            yield free

    async def _advertised(self, callback_listen: Address) -> str | None:
        """Return the base of callback URLs; functions run here and reach the loopback address."""
        text = self.options.advertise or _LOOPBACK.get(callback_listen.host)
        if text is not None and is_auto(text):
            text = (await find_advertised(text, callback_listen, os.environ)).text
        return None if text is None else parse_advertise(text, callback_listen.port)

    def _callback_host(self) -> str | None:
        """Return HOST:PORT of callback URLs; None before the gateway listens."""
        gateway = self._gateway
        return None if gateway is None else urlsplit(gateway.callback_url).netloc

    # --- reload -------------------------------------------------------------------------------

    def _has_changed(self, name: str) -> bool:
        """Whether files of a function have changed since its processes started."""
        files = self._sources.take_changes(name)
        if files:
            _tell_changed(files, {name})
        return bool(files)

    async def _reload(self, files: set[Path]) -> None:
        """Apply changed files; without files, a changed configuration."""
        async with self._turn:
            assert self._emulator is not None and self._gateway is not None
            if files:
                changes = self._sources.changed_by(files)
                if changes:
                    await self._emulator.reload(self.config, set(changes))
                    _tell_changed(set().union(*changes.values()), set(changes))
                    if self._is_warming:
                        self.warm(changes)
                return
            old, left_out = self.config, set(self.left_out)
            try:
                self.config, self.left_out = load(self.options)
            except ConfigError as error:
                logger.error("%s; the configuration before it stays", error)
                return
            self._sources.apply(self.config)
            is_new_watch = await self._watcher.take_up(self.config)
            # The previous watch may have missed changes.
            changed = self._sources.uncompared if is_new_watch else set()
            await self._emulator.reload(self.config, changed)
            self._gateway.route_by(_finder(self.config))
            self._gateway.admit_by(local_access(self.config, self.options.listen.address))
            self._tell_config(old, left_out)
            if self._is_warming:
                self.warm()

    def _tell_config(self, old: Config, left_out: set[str]) -> None:
        logger.info("%s is taken up", self.config.path.name)
        if self.config.gateway != old.gateway:
            logger.warning("[gateway] has changed: that needs a restart")
        for name in self.left_out.keys() - left_out:
            logger.warning("%s is left out: its program is not installed", name)
        for name, function in self.config.functions.items():
            if name in old.functions and function.python != old.functions[name].python:
                logger.info("%s runs with Python %s", name, function.python)


def _finder(config: Config) -> Callable[[str | None, str], RouteConfig | None]:
    """Return the function that finds routes; it logs a path without one, which is answered 404."""
    match = Router(config.routes).match

    def find(host: str | None, path: str) -> RouteConfig | None:
        route = match(host, path)
        if route is None:
            there = ", ".join(each.path for each in config.routes[:_ROUTES_NAMED_MAX])
            more = ", …" if len(config.routes) > _ROUTES_NAMED_MAX else ""
            logger.info("no route for %s: answered 404; there are: %s%s", path[:200], there, more)
        return route

    return find


def _tell_changed(files: set[Path], names: set[str]) -> None:
    # Editors create and remove files; name those that still exist.
    found = sorted({file.name for file in files if file.exists()} or {file.name for file in files})
    more = f" and {len(found) - _FILES_NAMED_MAX} more" if len(found) > _FILES_NAMED_MAX else ""
    shown = ", ".join(found[:_FILES_NAMED_MAX]) + more
    logger.info("%s changed: the next request to %s runs it", shown, ", ".join(sorted(names)))
