"""The boot of a gateway's machine: its user data, the installer and the units, under a systemd.

The machine is of the test's own (see there): systemd is PID 1, and the network is the loopback
interface. The metadata of EC2, S3 and the API of Auto Scaling are played, as is `dnf`, which is not
here. `aws` is AWS's own command.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.command import open_gate
from tests.deploy.ec2 import AWS, GROUP, INSTANCE
from tests.deploy.machine import PATH, ROOT, Machine, why_not
from tests.peers import until

from tailrace.deploy.user_data import Boot, user_data
from tailrace.package.archive import Entry, write_archive
from tailrace.package.gateway import make_gateway_folder
from tailrace.package.wheels import WheelTarget

REASON = why_not()
pytestmark = [
    pytest.mark.skipif(REASON is not None, reason=f"no machine of its own: {REASON}"),
    pytest.mark.timeout(300),
]

FUNCTION = """
import os
from pathlib import Path
from tailrace.function import Head, streamify_response

GATE = Path(os.environ["GATE"])

@streamify_response
def handler(event, context):
    yield Head(headers={"content-type": "text/plain"})
    for text in ("one\\n", "two\\n", "three\\n"):
        yield text
        GATE.read_bytes()
"""
EMULATED = """
[functions.hello]
handler = "app.handler"
timeout_s = 120
concurrency = 4
environment = {{ GATE = "{gate}" }}
[emulator]
callback_hosts = ["10.0.0.7"]
"""
CONFIG = '[[routes]]\npath = "/*"\nfunction = "hello"\n'
OPTIONS = (
    *("--workers", "2", "--callback-listen", "0.0.0.0:8081", "--advertise", "auto"),
    *("--endpoint-url", "http://10.0.0.7:9000"),
)
BOOT = Boot(
    source="s3://assets/gateway.zip",
    region="eu-central-1",
    config=CONFIG,
    options=OPTIONS,
    environment={},
    log_groups={"gateway.log": "logs", "boot.log": "logs", "metrics.emf": "metrics"},
    hook="boot",
)
SLEEP = '#!/bin/sh\necho "$1" >>/run/slept\n'
"""In the place of the pauses between two attempts."""


class GatewayMachine(Machine):
    """A machine with what is around it."""

    def __init__(self, folder: Path, shared: Path) -> None:
        (folder / "disk").mkdir()
        super().__init__(folder / "disk", shared)
        self.shared = shared
        self.gate = shared / "gate"

    def boot(self, boot: Boot = BOOT) -> subprocess.CompletedProcess[str]:
        """Run user data as cloud-init does: by its first line."""
        self.write("/run/user-data", user_data(boot))
        self.write("/run/played/sleep", SLEEP)
        self.run("chmod", "+x", "/run/user-data", "/run/played/sleep")
        path = f"/run/played:{PATH}:{sys.prefix}/bin"
        environ = {"PATH": path, "AWS_ENDPOINT_URL": f"http://{AWS[0]}:{AWS[1]}"}
        return self.run("/run/user-data", check=False, environ=environ)

    def install(self, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run the installer of a folder."""
        return self.run("sh", folder / "install.sh", "--log-files", check=False)

    def ask(self, path: str) -> subprocess.Popen[str]:
        """A client that has sent a request; what it prints is the body, as it arrives."""
        words = ("curl", "--silent", "--show-error", "--no-buffer", "--fail")
        return self.start(*words, f"http://127.0.0.1:8080{path}", stdout=subprocess.PIPE, text=True)

    def statistics(self) -> dict[str, Any]:
        """Of the gateway's admin listener."""
        answer = self.run("curl", "--silent", "--fail", "http://127.0.0.1:8082/statistics")
        return dict(json.loads(answer.stdout))


def line_of(client: subprocess.Popen[str]) -> str:
    """The next line of a client's response."""
    assert client.stdout is not None
    return client.stdout.readline()


def end_of(client: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit code of a client, 0 for a whole response, and the rest of that."""
    rest, _ = client.communicate(timeout=60)
    return client.returncode, rest


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the test and the machine have in common."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    """What `tailrace package gateway` makes for this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_CONSTRAINT", str(ROOT / "constraints.txt"))
        target = WheelTarget("x86_64", f"3.{sys.version_info.minor}")
        make_gateway_folder(shared / "folder", target, lambda step: None)
    return shared / "folder"


@pytest.fixture(scope="module")
def machine(
    shared: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayMachine]:
    """A machine with its surroundings, and an emulator with a function."""
    bucket = shared / "buckets" / "assets"
    bucket.mkdir(parents=True)
    entries = [Entry(path.name, path) for path in folder.iterdir()]
    write_archive(bucket / "gateway.zip", entries)
    subprocess.run(["mkfifo", shared / "gate"], check=True)
    (shared / "app.py").write_text(FUNCTION)
    (shared / "functions.toml").write_text(EMULATED.format(gate=shared / "gate"))
    source = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "AWS_EC2_METADATA_DISABLED": "true"}
    emulator = ("emulator", "--config", shared / "functions.toml", "--listen", "10.0.0.7:9000")
    with GatewayMachine(tmp_path_factory.mktemp("machine"), shared) as machine:
        with (shared / "calls").open("w") as calls:
            ec2 = (sys.executable, "-m", "tests.deploy.ec2", shared / "buckets")
            machine.start(*ec2, environ=source, stdout=calls)
        machine.start(sys.executable, "-m", "tailrace", *emulator, environ=source)
        until(lambda: "ready" in (shared / "calls").read_text(), "EC2 to be there")
        yield machine


def test_the_first_boot_makes_a_gateway_that_serves(machine: GatewayMachine, shared: Path) -> None:
    booted = machine.boot()

    assert booted.returncode == 0, booted.stdout + booted.stderr
    assert "\nboot: the gateway serves at 2" in booted.stdout
    assert booted.stdout == machine.read("/var/log/tailrace/boot.log")
    assert machine.run("systemctl", "is-enabled", "gateway.socket", "gateway.service")
    assert machine.run("systemctl", "is-active", "gateway.socket", "gateway.service")
    health = machine.run("curl", "--silent", "--fail", "http://10.0.0.7:8080/_tailrace/health")
    assert json.loads(health.stdout)["status"] == "ok"
    assert [worker["generation"] for worker in machine.statistics()["workers"]] == [1, 1]
    # The sandbox of the unit lets it reach the metadata, and its output is in the files.
    log = machine.read("/var/log/tailrace/gateway.log")
    assert (
        "2 workers, called back at http://10.0.0.7:8081, http://10.0.0.7:8083 (the address of"
        in log
    )
    completed = {
        "Action": "CompleteLifecycleAction",
        "AutoScalingGroupName": GROUP,
        "InstanceId": INSTANCE,
        "LifecycleActionResult": "CONTINUE",
        "LifecycleHookName": "boot",
    }
    call = json.loads((shared / "calls").read_text().splitlines()[-1])
    assert completed.items() <= call.items()


def test_a_stream_is_relayed_chunk_by_chunk(machine: GatewayMachine) -> None:
    client = machine.ask("/stream")
    for text in ("one\n", "two\n", "three\n"):
        assert line_of(client) == text
        open_gate(machine.gate)
    assert end_of(client) == (0, "")
