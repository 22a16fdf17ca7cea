"""Function URLs: a listener for each function that has one, kept over reloads.

Concurrency law: `apply` calls do not overlap. A URL that is removed, or listens elsewhere from now
on, takes no new connections; what is open on it ends on its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Final

from tailrace import limits
from tailrace.config import Address, EmulatorConfig, UrlConfig
from tailrace.emulator.functions import EmulatedFunction
from tailrace.emulator.signature import KeyPair, SignatureFault, find_fault
from tailrace.emulator.url_request import FindFault, UrlService
from tailrace.net.ports import is_taken, refuse_unusable
from tailrace.net.server.listener import Connection, HttpLimits, HttpServer, Receiver, RequestHead
from tailrace.net.server.refusals import WebGuard
from tailrace.net.server.web_access import WebAccess
from tailrace.net.tasks import TaskSet

_ANY: Final = Address("127.0.0.1", 0)


class FunctionUrl:
    """One address of one function."""

    def __init__(self, function: EmulatedFunction, config: UrlConfig, bounds: HttpLimits) -> None:
        self.function = function
        self.config = config
        self._service: UrlService | None = None
        name = f"Function URL of {function.config.name}"
        self._guard = WebGuard(name, WebAccess(), function.clock)
        self._server = HttpServer(self._serve, name=name, bounds=bounds, clock=function.clock)

    async def start(self, address: Address, settings: EmulatorConfig) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be had.
        """
        await self._server.start(*address)
        self.configure(self.config, settings)

    @property
    def address(self) -> Address:
        """Where it listens, with the real port; valid after `start`."""
        return Address(self._server.host, self._server.port)

    @property
    def url(self) -> str:
        """Its base, without a path; valid after `start`."""
        return f"http://{self.address}"

    def configure(self, config: UrlConfig, settings: EmulatorConfig) -> None:
        """Serve requests in this way from now on."""
        self.config = config
        self._guard.access = _web_access(self.function.config.name, config, settings)
        self._service = UrlService(
            function=self.function,
            config=config,
            port=self.address.port,
            access_key_id=settings.access_key_id,
            guard=self._guard,
            find_fault=_fault_finder(settings) if config.auth == "AWS_IAM" else None,
            cors=config.cors,
        )

    def stop_accepting(self) -> None:
        """Take no new connections; the address is free at once."""
        self._server.stop_accepting()

    async def retire(self) -> None:
        """Take no new connections, wait for those that are open, and end."""
        await self._server.drain(limits.TOTAL_TIMEOUT_S)
        await self._server.stop()

    async def stop(self) -> None:
        """Cut every client off; nothing is left on return."""
        await self._server.stop()

    def count(self, name: str) -> int:
        """One of the counts of its listener: see `HttpServer.statistics`."""
        return self._server.statistics()[name]

    def _serve(self, head: RequestHead, connection: Connection) -> Receiver:
        assert self._service is not None
        return self._service(head, connection)


class FunctionUrls:
    """The URLs of all functions; `bounds` are those of each one's connections."""

    def __init__(self, bounds: HttpLimits) -> None:
        self._bounds = bounds
        self._urls: dict[str, FunctionUrl] = {}
        self._retiring: set[FunctionUrl] = set()
        self._ports: dict[str, int] = {}  # of URLs without an address of their own
        self._tasks = TaskSet()

    def addresses(self) -> dict[str, str]:
        """The base of each function's URL."""
        return {name: url.url for name, url in self._urls.items()}

    def url_of(self, name: str) -> str | None:
        """The base of a function's URL; None when it has none."""
        url = self._urls.get(name)
        return None if url is None else url.url

    def count(self, name: str) -> int:
        """The sum of one of their listeners' counts: see `HttpServer.statistics`."""
        return sum(url.count(name) for url in (*self._urls.values(), *self._retiring))

    async def start(
        self, functions: Mapping[str, EmulatedFunction], settings: EmulatorConfig
    ) -> None:
        """Listen.

        Raises:
            OSError: an address cannot be had; those before it are to be stopped.
        """
        for name, function in functions.items():
            config = function.config.url
            if config is not None:
                await self._open(name, function, config, settings)

    async def apply(
        self, functions: Mapping[str, EmulatedFunction], settings: EmulatorConfig
    ) -> None:
        """Serve what the configuration says now. An address that is taken is left, and logged."""
        for name, url in list(self._urls.items()):
            function = functions.get(name)
            config = None if function is None else function.config.url
            if function is url.function and config is not None and _stays(url, config):
                url.configure(config, settings)
            else:
                self._retire(name)
        for name, function in functions.items():
            config = function.config.url
            if config is None or name in self._urls:
                continue
            try:
                url = await self._open(name, function, config, settings)
            except OSError as error:
                function.note(f"no Function URL: {error}")
            else:
                signed = ", AWS_IAM" if config.auth == "AWS_IAM" else ""
                function.note(f"Function URL {url.url}/  {config.invoke_mode}{signed}")

    async def stop(self) -> None:
        """Cut every client off; nothing is left on return."""
        await self._tasks.cancel_all()
        await asyncio.gather(*(url.stop() for url in (*self._urls.values(), *self._retiring)))
        self._urls.clear()
        self._retiring.clear()

    async def _open(
        self,
        name: str,
        function: EmulatedFunction,
        config: UrlConfig,
        settings: EmulatorConfig,
    ) -> FunctionUrl:
        url = FunctionUrl(function, config, self._bounds)
        if config.listen is not None:
            refuse_unusable(f"functions.{name}.url.listen", *config.listen)
            await url.start(config.listen, settings)
        else:
            port = self._ports.get(name, 0)
            address = _ANY if is_taken(_ANY.host, port) else Address(_ANY.host, port)
            await url.start(address, settings)
            self._ports[name] = url.address.port
        self._urls[name] = url
        return url

    def _retire(self, name: str) -> None:
        url = self._urls.pop(name)
        url.stop_accepting()  # now: the next URL may be to listen there
        self._retiring.add(url)
        self._tasks.spawn(self._see_off(url), f"retire the URL of {name}")

    async def _see_off(self, url: FunctionUrl) -> None:
        await url.retire()
        self._retiring.discard(url)


def _stays(url: FunctionUrl, config: UrlConfig) -> bool:
    """Whether a URL goes on to listen where it does."""
    return config.listen == url.config.listen


def _web_access(name: str, config: UrlConfig, settings: EmulatorConfig) -> WebAccess:
    """Which pages may call a URL: as on Lambda its CORS configuration names them."""
    cors = config.cors
    return WebAccess(
        hosts=(*settings.allowed_hosts, *((config.listen.host,) if config.listen else ())),
        origins=(*settings.allowed_origins, *(cors.allow_origins if cors is not None else ())),
        serves_links=True,
        origins_setting=f"allow_origins in [functions.{name}.url.cors] of tailrace.toml",
    )


def _fault_finder(settings: EmulatorConfig) -> FindFault:
    keys = KeyPair(settings.access_key_id, settings.secret_access_key)

    def find(head: RequestHead, body: bytes) -> SignatureFault | None:
        return find_fault(keys, head, body, now_s=time.time())

    return find
