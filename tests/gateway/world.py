"""A real gateway between scripted peers, and the proof that nothing is left behind.

`@played(...)` turns `async def test_…(world)` into a plain test: it starts the endpoint and the
gateway, plays the story under uvloop, and then checks that the gateway holds nothing, that no
task and no socket is left, that nothing was logged as an error, and that no secret was logged.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.clock import ManualClock
from tests.fakes import (
    Client,
    FakeLambda,
    Fields,
    Function,
    Invocation,
    Peer,
    is_writable,
    soon,
    until,
)

from tailrace.config import Address, GatewayConfig
from tailrace.gateway.aws.endpoint import AwsEndpoint
from tailrace.gateway.aws.invoke import LambdaInvoker
from tailrace.gateway.service import Gateway, GatewaySockets
from tailrace.gateway.settings import GatewaySettings
from tailrace.gateway.transports.choice import Transports
from tailrace.gateway.transports.http import HttpInvoker
from tailrace.gateway.transports.response_stream import StreamTransport
from tailrace.net.process.board import Board
from tailrace.net.process.startup import run

LONG_S = 600.0


@dataclass(frozen=True, slots=True)
class FixedRoute:
    """Where a test's requests go."""

    function: str = "stream"
    concurrency: int = 100
    transport: str = "callback"
    invoke_url: str | None = None
    host: str | None = None
    path: str = "/*"


class LogLines(logging.Handler):
    """Keeps every line that anybody logs."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Called by logging."""
        self.records.append(record)

    def text(self) -> str:
        """All lines, with their tracebacks."""
        return "\n".join(map(self.format, self.records))

    def named(self, name: str) -> list[str]:
        """The messages of one logger."""
        return [record.getMessage() for record in self.records if record.name == name]


@dataclass(slots=True)
class World:
    """The peers of one gateway."""

    gateway: Gateway
    endpoint: FakeLambda
    log: LogLines
    clock: ManualClock
    """What the gateway's deadlines count on; it stands still until a test advances it."""
    errors_expected: bool = False
    secrets: set[str] = field(default_factory=set)
    _peers: list[Peer] = field(default_factory=list)

    async def client(self, *, receive_bytes: int | None = None) -> Client:
        """A client that has connected."""
        client = await Client.connect(self.gateway.public_url, receive_bytes=receive_bytes)
        self._peers.append(client)
        return client

    async def invocation(self) -> Invocation:
        """The next invocation that the gateway made."""
        invocation = await self.endpoint.invocation()
        self.secrets.add(invocation.secret)
        return invocation

    async def function(self, url: str) -> Function:
        """A function that has connected to a callback URL."""
        function = await Function.dial(url)
        self._peers.append(function)
        return function

    async def hold(
        self,
        method: str = "GET",
        target: str = "/",
        headers: Fields = (),
        body: bytes = b"",
        *,
        version: str = "1.1",
        receive_bytes: int | None = None,
    ) -> tuple[Client, Invocation]:
        """A client whose response is held, and its invocation."""
        client = await self.client(receive_bytes=receive_bytes)
        await client.request(method, target, headers, body, version=version)
        return client, await self.invocation()

    async def pair(
        self,
        method: str = "GET",
        target: str = "/",
        headers: Fields = (),
        *,
        version: str = "1.1",
        receive_bytes: int | None = None,
    ) -> tuple[Client, Function]:
        """A client, and the function that has its exchange and was told to run."""
        client, invocation = await self.hold(
            method, target, headers, version=version, receive_bytes=receive_bytes
        )
        function = await self.function(invocation.url)
        await function.post()
        assert await function.read_status() == 100
        return client, function

    def summaries(self) -> list[str]:
        """The summary lines of exchanges."""
        return self.log.named("tailrace.gateway.exchange")

    def outcomes(self) -> list[str]:
        """How the exchanges ended, in order."""
        return [line.partition("outcome=")[2].partition(" ")[0] for line in self.summaries()]

    def held_bytes(self) -> int:
        """The most that the gateway holds of any stream now: unsent bytes of a client."""
        # Looked at from inside: no socket tells what an event loop keeps for it.
        connections = self.gateway._public._connections
        return max((connection.unsent_bytes for connection in connections), default=0)

    async def relayed(self, count: int) -> None:
        """Wait until the gateway has relayed so many bytes of the only response."""
        (held,) = self.gateway._registry._held.values()
        await until(lambda: held.bytes_relayed >= count, f"{count} bytes, not {held.bytes_relayed}")

    async def blocked(self) -> None:
        """Wait until a client has bytes to take and the kernel takes no more of them."""

        def is_blocked() -> bool:
            return any(
                connection.unsent_bytes
                and not is_writable(connection._transport.get_extra_info("socket"))
                for connection in self.gateway._public._connections
            )

        await until(is_blocked, "a client that takes nothing")

    async def assert_settled(self) -> None:
        """Every exchange has ended, though the peers are still there."""
        await until(
            lambda: self._counts("held", "invocations") == 0,
            f"the exchanges to end: {self.gateway.statistics()}",
        )

    async def assert_nothing_left(self) -> None:
        """With its peers gone, the gateway holds nothing but tombstones."""
        self.close_peers()
        names = ("held", "clients", "callbacks", "invocations", "streams")
        await until(lambda: self._counts(*names) == 0, f"zeros in {self.gateway.statistics()}")

    def close_peers(self) -> None:
        """Every connection that the test made."""
        for peer in self._peers:
            peer.close()

    def _counts(self, *names: str) -> int:
        statistics = self.gateway.statistics()
        return sum(statistics[name] for name in names)


ANY = Address("127.0.0.1", 0)


def listening() -> socket.socket:
    """A socket as a parent gives it to its workers."""
    return socket.create_server(("127.0.0.1", 0), backlog=100)


Story = Callable[..., Awaitable[None]]


def played(
    *,
    route: Callable[[str, str], Any] | None = None,
    endpoint: Callable[[], FakeLambda] = FakeLambda,
    endpoint_url: str | None = None,
    invoke_timeout_s: float = LONG_S,
    first_byte_s: float = LONG_S,
    idle_s: float = LONG_S,
    stall_s: float = LONG_S,
    total_s: float = LONG_S,
    is_worker: bool = False,
    **settings: Any,
) -> Callable[[Story], Callable[..., None]]:
    """Play a story with a gateway of these settings; deadlines are far away unless given."""
    keys = [name for name in settings if name in GatewayConfig.__dataclass_fields__]
    config = GatewayConfig(
        first_byte_timeout_s=first_byte_s,
        function_idle_timeout_s=idle_s,
        client_stall_timeout_s=stall_s,
        total_timeout_s=total_s,
        **{name: settings.pop(name) for name in keys},
    )
    settings.setdefault("drain_idle_timeout_s", 0.05)
    settings.setdefault("held_max", config.held_max)
    options = GatewaySettings(listen=ANY, callback_listen=ANY, config=config, **settings)
    fixed = FixedRoute()

    async def play(story: Story, args: dict[str, Any]) -> None:
        sockets_before = open_sockets()
        log = LogLines()
        root = logging.getLogger()
        level = root.level
        root.addHandler(log)
        root.setLevel(logging.DEBUG)
        peer = endpoint()
        await peer.start()
        clock = ManualClock()
        at = AwsEndpoint(endpoint_url or peer.url, "us-east-1", is_loopback=True)
        invokers = Transports(
            callback=LambdaInvoker(at, timeout_s=invoke_timeout_s, clock=clock),
            response_stream=StreamTransport(at, clock=clock),
            url=HttpInvoker(timeout_s=invoke_timeout_s, clock=clock),
        )
        board = Board.create() if is_worker else None
        gateway = Gateway(
            options,
            invokers,
            route or (lambda host, path: fixed),
            clock=clock,
            sockets=GatewaySockets([listening()], listening()) if is_worker else None,
            row=board.take_row(1) if board is not None else None,
        )
        await gateway.start()
        world = World(gateway, peer, log, clock)
        try:
            await story(world, **args)
            await world.assert_settled()
            await world.assert_nothing_left()
        finally:
            world.close_peers()
            await soon(gateway.stop(), "the gateway to stop")
            await peer.stop()
            if board is not None:
                board.close()
            root.removeHandler(log)
            root.setLevel(level)
        await assert_alone(sockets_before)
        check_log(world)

    def decorate(story: Story) -> Callable[..., None]:
        @functools.wraps(story)
        def test(**args: Any) -> None:
            run(play(story, args))

        signature = inspect.signature(story)
        arguments = [p for name, p in signature.parameters.items() if name != "world"]
        del test.__wrapped__  # type: ignore[attr-defined]
        test.__signature__ = signature.replace(parameters=arguments)  # type: ignore[attr-defined]
        return test

    return decorate


def check_log(world: World) -> None:
    """No secret in any line, and no error that the test did not expect."""
    text = world.log.text()
    for invocation in world.endpoint.invocations:
        if "callback" in invocation.event["tailrace"]:
            world.secrets.add(invocation.secret)
    assert not [secret for secret in world.secrets if secret in text], text
    if not world.errors_expected:
        errors = [r for r in world.log.records if r.levelno >= logging.ERROR]
        assert not errors, text


async def assert_alone(sockets_before: set[str]) -> None:
    """No task but this one, and no socket that was not there before."""
    await until(
        lambda: asyncio.all_tasks() == {asyncio.current_task()},
        f"tasks to end: {asyncio.all_tasks()}",
    )
    await until(lambda: open_sockets() <= sockets_before, "sockets to be closed")


def open_sockets() -> set[str]:
    """The sockets of this process, by their inode."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            link = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if link.startswith("socket:"):
            found.add(link)
    return found
