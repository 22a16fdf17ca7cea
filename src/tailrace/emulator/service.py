"""The emulator: Lambda's API and Function URLs in front of the functions of a configuration."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from tailrace import limits
from tailrace.config import Address, Config, EmulatorConfig
from tailrace.emulator.function_url import FunctionUrls
from tailrace.emulator.functions import EmulatedFunction, FunctionStatistics
from tailrace.emulator.lambda_api import LambdaApi
from tailrace.emulator.log import EmulatorLog
from tailrace.emulator.pool import EnvironmentSettings
from tailrace.emulator.queue import OnEventEnded
from tailrace.net.clock import LoopClock, TimerClock
from tailrace.net.server.listener import HttpLimits, HttpServer
from tailrace.net.server.refusals import WebGuard
from tailrace.net.server.web_access import WebAccess
from tailrace.net.tasks import TaskSet


@dataclass(frozen=True, slots=True)
class EmulatorStatistics:
    """Counts at one moment."""

    functions: dict[str, FunctionStatistics]
    removed: int
    """Functions that a reload has removed and that still finish an invocation."""
    connections: int
    """Of callers of the Lambda API and of Function URLs."""
    uploads: int
    """Of their requests those whose bodies are under way."""


class Emulator:
    """Lambda on one machine: `start`, `reload` as often as you like, `stop`.

    `inherited` are the variables of which functions inherit PATH, HOME and the like; the
    process's own unless given. `on_event_ended(event, error)` is called for each attempt of an
    asynchronous event that has ended, with None when it succeeded, and for each event that is
    dropped untried; Lambda tells nothing of the kind. `has_changed(name)` is asked when an
    invocation arrives: with True, the function gets new environments for it. `find_gateway`
    returns HOST:PORT of the gateway that functions may call back, in place of any on this machine.
    Everything runs on the event loop that called `start`.
    """

    def __init__(
        self,
        config: Config,
        *,
        log: EmulatorLog,
        host: str = "127.0.0.1",
        port: int = 9000,
        inherited: Mapping[str, str] | None = None,
        init_timeout_s: float = limits.INIT_TIMEOUT_S,
        client_stall_timeout_s: float = limits.CLIENT_STALL_TIMEOUT_S,
        uploads_max: int = limits.UPLOADS_MAX,
        on_event_ended: OnEventEnded | None = None,
        has_changed: Callable[[str], bool] = lambda name: False,
        clock: TimerClock | None = None,
        find_gateway: Callable[[], str | None] = lambda: None,
    ) -> None:
        clock = clock if clock is not None else LoopClock()
        bounds = HttpLimits(
            drain_idle_timeout_s=limits.LOCAL_DRAIN_IDLE_TIMEOUT_S,
            stall_timeout_s=client_stall_timeout_s,
            body_total_timeout_s=limits.BODY_TOTAL_TIMEOUT_S,
            uploads=uploads_max,
        )
        self._on_event_ended = on_event_ended
        self._has_changed = has_changed
        self._address = Address(host, port)
        self._settings = EnvironmentSettings(
            log,
            os.environ if inherited is None else inherited,
            self._callback_hosts,
            init_timeout_s,
            clock,
        )
        self._find_gateway = find_gateway
        self._functions: dict[str, EmulatedFunction] = {}
        self._removed: set[EmulatedFunction] = set()
        self._tasks = TaskSet()
        self._config = config
        self._set_functions(config, frozenset())
        self._urls = FunctionUrls(bounds)
        self._guard = WebGuard("Lambda API", self._web_access(config), clock)
        self._server = HttpServer(
            LambdaApi(self._functions, self._urls.url_of, self._guard),
            name="emulator",
            bounds=bounds,
            clock=clock,
        )

    async def start(self) -> None:
        """Listen for invocations; environments are started when they are needed.

        Raises:
            OSError: an address cannot be had.
        """
        await self._server.start(*self._address)
        try:
            await self._urls.start(self._functions, self._config.emulator)
        except BaseException:
            await self.stop()
            raise

    @property
    def url(self) -> str:
        """The endpoint URL for clients of Lambda, with the real port; valid after `start`."""
        return f"http://{Address(self._server.host, self._server.port)}"

    @property
    def function_urls(self) -> dict[str, str]:
        """The base of each Function URL by its function's name; valid after `start`."""
        return self._urls.addresses()

    async def reload(self, config: Config, changed: set[str] | None = None) -> None:
        """Serve another configuration; returns at once.

        Functions named in `changed` (None: all), and those whose settings differ, get new
        environments. Old ones finish the invocation that they run. Queued events stay queued.
        Function URLs keep their addresses.
        """
        self._config = config
        self._guard.access = self._web_access(config)
        self._set_functions(config, changed)
        await self._urls.apply(self._functions, config.emulator)

    async def warm(self, names: Iterable[str] | None = None) -> None:
        """Start one environment of each function (of these, or of all), one after the other.

        So the failure of a function that cannot start is in its log ahead of the first request.
        """
        for name in list(self._functions if names is None else names):
            function = self._functions.get(name)
            if function is not None:
                await function.warm()

    async def stop(self) -> None:
        """Cut callers off and end all processes; nothing is left on return.

        Processes get SIGTERM, and SIGKILL half a second later.
        """
        await asyncio.gather(self._server.stop(), self._urls.stop())
        functions = [*self._functions.values(), *self._removed]
        await asyncio.gather(*(function.stop() for function in functions))
        await self._tasks.cancel_all()

    def pids(self) -> list[int]:
        """The processes that lead the environments' process groups."""
        functions = [*self._functions.values(), *self._removed]
        return [pid for function in functions for pid in function.pids()]

    def statistics(self) -> EmulatorStatistics:
        """Counts at this moment."""
        return EmulatorStatistics(
            functions={name: function.statistics() for name, function in self._functions.items()},
            removed=len(self._removed),
            connections=self._server.statistics()["connections"] + self._urls.count("connections"),
            uploads=self._server.statistics()["uploads"] + self._urls.count("uploads"),
        )

    def _set_functions(self, config: Config, changed: set[str] | frozenset[str] | None) -> None:
        for name in [name for name in self._functions if name not in config.functions]:
            self._remove(self._functions.pop(name))
        for name, function_config in config.functions.items():
            self._settings.log.announce(name)
            function = self._functions.get(name)
            if function is None:
                self._functions[name] = EmulatedFunction(
                    function_config,
                    self._settings,
                    emulator=config.emulator,
                    find=self._functions.get,
                    on_event_ended=self._on_event_ended,
                    has_changed=self._has_changed,
                )
            elif (
                changed is None
                or name in changed
                or function.config != function_config
                or _of_process(function.emulator) != _of_process(config.emulator)
            ):
                function.reload(function_config, config.emulator)
            else:
                function.configure(config.emulator)

    def _callback_hosts(self) -> tuple[str, ...]:
        """Where functions may call back; `localhost` is all of loopback."""
        return self._find_gateway() or "localhost", *self._config.emulator.callback_hosts

    def _web_access(self, config: Config) -> WebAccess:
        return WebAccess(
            hosts=(*config.emulator.allowed_hosts, self._address.host),
            origins=config.emulator.allowed_origins,
        )

    def _remove(self, function: EmulatedFunction) -> None:
        self._removed.add(function)
        self._tasks.spawn(self._see_off(function), f"remove {function.config.name}")

    async def _see_off(self, function: EmulatedFunction) -> None:
        await function.remove()
        self._removed.discard(function)


def _of_process(settings: EmulatorConfig) -> tuple[object, ...]:
    """The settings of which processes know: when they change, new ones are needed."""
    return settings.freeze, settings.callback_hosts
