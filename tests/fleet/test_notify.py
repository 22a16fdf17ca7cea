"""What a service manager is told, as datagrams; of a notifier alone, and of a gateway."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.cut_function import CutLambda
from tests.fleet.gateway import STORY, Fleet, rest_of

from tailrace.fleet.notify import Notifier


class Manager:
    """The service manager's end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(20)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def message(self) -> dict[str, str]:
        """The next one."""
        lines = self._socket.recv(4096).decode().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def wait(self, name: str, value: str) -> dict[str, str]:
        """Skip messages until one says this."""
        while (message := self.message()).get(name) != value:
            pass
        return message

    def close(self) -> None:
        """Nobody hears any more."""
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """On a path, and without one."""
    address = str(tmp_path / "notify")
    manager = Manager(address if request.param == "path" else f"@tailrace-test-{os.getpid()}")
    yield manager
    manager.close()


def test_messages_are_lines(manager: Manager) -> None:
    environ = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "4000000", "HOME": "/"}
    notifier = Notifier.from_environ(environ, 1)

    notifier.ready("1 worker, 0 open responses")
    notifier.reloading()
    notifier.tell("1 worker, 0 open responses")
    notifier.tell("1 worker, 1 open response")
    notifier.stopping("draining: 1 worker, 1 open response")
    notifier.tell("draining: 1 worker, 0 open responses")

    assert environ == {"HOME": "/"}, "children do not inherit them"
    assert manager.message() == {"READY": "1", "STATUS": "1 worker, 0 open responses"}
    reloading = manager.message()
    assert (reloading["RELOADING"], reloading["MONOTONIC_USEC"].isdecimal()) == ("1", True)
    assert manager.message() == {"WATCHDOG": "1"}
    assert manager.message() == {"STATUS": "1 worker, 1 open response", "WATCHDOG": "1"}
    stopping = {"STOPPING": "1", "STATUS": "draining: 1 worker, 1 open response"}
    assert manager.message() == stopping
    assert manager.message() == {
        "STATUS": "draining: 1 worker, 0 open responses",
        "WATCHDOG": "1",
        "EXTEND_TIMEOUT_USEC": "30000000",
    }


def test_what_could_not_be_told_is_told_with_the_next_message(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    notifier = Notifier(address)
    notifier.ready("1 worker")
    manager = Manager(address)

    notifier.tell("1 worker")
    notifier.tell("2 workers")

    assert manager.message() == {"READY": "1", "STATUS": "1 worker"}
    assert manager.message() == {"STATUS": "2 workers"}
    manager.close()


@pytest.mark.parametrize(
    ("environ", "watchdog_s"),
    [
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_a_watchdog_is_for_one_process(environ: dict[str, str], watchdog_s: float | None) -> None:
    assert Notifier.from_environ(environ, 7).watchdog_s == watchdog_s


def test_a_manager_that_is_gone_is_one_warning(
    manager: Manager, caplog: pytest.LogCaptureFixture
) -> None:
    notifier = Notifier(manager.address)
    manager.close()
    if not manager.address.startswith("@"):
        Path(manager.address).unlink()

    notifier.ready("1 worker")
    notifier.ready("2 workers")

    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("NOTIFY_SOCKET takes no message now, ")


def test_a_gateway_tells_its_start_a_reload_and_its_end(
    endpoint: CutLambda, tmp_path: Path
) -> None:
    manager = Manager(str(tmp_path / "notify"))
    environ = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "400000"}
    with Fleet(tmp_path, endpoint, environ=environ) as fleet:
        assert manager.message() == {"READY": "1", "STATUS": "1 worker, 0 open responses"}
        (worker,) = fleet.workers()
        assert not worker.environ().keys() & environ.keys()
        stream = fleet.held()
        manager.wait("STATUS", "1 worker, 1 open response")
        manager.wait("WATCHDOG", "1")

        fleet.signal(signal.SIGHUP)

        manager.wait("RELOADING", "1")
        assert manager.wait("READY", "1")["STATUS"] == "2 workers, 1 open response"
        fleet.signal(signal.SIGTERM)
        manager.wait("STOPPING", "1")
        manager.wait("EXTEND_TIMEOUT_USEC", "30000000")
        endpoint.release()
        assert rest_of(stream) == STORY.body[1:]
        assert fleet.wait_exit() == 0
    manager.close()
