"""The boot of a gateway's machine: its user data, the installer and the units, under a systemd.

The machine is of the test's own (see there): systemd is PID 1, and the network is the loopback
interface. The metadata of EC2, S3 and the API of Auto Scaling are played, as are `dnf`, which is
not here, and `sleep`. `aws` is AWS's own command, of version 1.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
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
SOURCE = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "AWS_EC2_METADATA_DISABLED": "true"}
SECOND_SOCKET = "[Socket]\nListenStream=8080\nBacklog=4096\nNoDelay=yes\n"
TAKE_PORTS = """
import os, socket, time
taken = []
for port in range(8081, 8091):
    try:
        taken.append(socket.create_server(("", port)))
    except OSError:
        pass  # of a worker
print(os.getpid(), flush=True)
time.sleep(600)
"""
SLEEP = '#!/bin/sh\necho "$1" >>/run/slept\n'
"""In the place of the pauses between two attempts."""


class GatewayMachine(Machine):
    """A machine with what is around it."""

    def __init__(self, folder: Path, shared: Path) -> None:
        (folder / "disk").mkdir()
        super().__init__(folder / "disk", shared)
        self.shared = shared
        self.gate = shared / "gate"
        self.booted: subprocess.CompletedProcess[str]
        """The first boot, if there was one."""

    def surround(self, calls: Path) -> None:
        """Start what EC2 has around a machine; calls of Auto Scaling are added to a file."""
        count = calls.read_text().count("ready") if calls.exists() else 0
        with calls.open("a") as file:
            ec2 = (sys.executable, "-m", "tests.deploy.ec2", self.shared / "buckets")
            self.start(*ec2, environ=SOURCE, stdout=file)
        until(lambda: calls.read_text().count("ready") > count, "EC2 to be there")

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

    def state(self) -> dict[str, str]:
        """Of the service, as systemd has it."""
        words = ("systemctl", "show", "--property=ActiveState,Result", "gateway.service")
        lines = self.run(*words).stdout.splitlines()
        return dict(sorted(line.split("=", 1) for line in lines))

    def main_pid(self) -> int:
        """The number of the gateway's parent."""
        words = ("systemctl", "show", "--property=MainPID", "--value", "gateway.service")
        return int(self.run(*words).stdout)

    def processes_of(self, environment: str) -> list[int]:
        """The processes that run code of an environment."""
        search = f'grep -ls "{environment}/" /proc/[0-9]*/maps'
        files = self.run("sh", "-c", search, check=False).stdout.split()
        return [int(file.split("/")[2]) for file in files]

    def read_link(self, path: str) -> str:
        """Where a link leads."""
        return self.run("readlink", path).stdout.strip()

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


def rest_of(client: subprocess.Popen[str], gate: Path) -> tuple[int, str]:
    """The exit code of a client that has the first line, and the other lines."""
    lines = ""
    for _ in range(2):
        open_gate(gate)
        lines += line_of(client)
    open_gate(gate)
    code, rest = end_of(client)
    return code, lines + rest


def variant(folder: Path, name: str, **changed: str) -> Path:
    """A folder that differs in some files, which its list of hashes knows."""
    other = folder.with_name(name)
    shutil.copytree(folder, other)
    for file, text in changed.items():
        (other / file.replace("_", ".")).write_text(text)
    sums = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(other.iterdir())
        if path.name != "SHA256SUMS"
    ]
    (other / "SHA256SUMS").write_text("".join(sums))
    return other


@pytest.fixture(scope="module")
def calls(shared: Path, folder: Path) -> Path:
    """What machines have asked of Auto Scaling. The folder is in S3."""
    bucket = shared / "buckets" / "assets"
    bucket.mkdir(parents=True)
    entries = [Entry(path.name, path) for path in folder.iterdir()]
    write_archive(bucket / "gateway.zip", entries)
    return shared / "calls"


@pytest.fixture
def empty(shared: Path, calls: Path, tmp_path: Path) -> Iterator[GatewayMachine]:
    """A machine on which nothing is installed."""
    with GatewayMachine(tmp_path, shared) as machine:
        machine.surround(calls)
        yield machine


@pytest.fixture(scope="module")
def machine(
    shared: Path, calls: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayMachine]:
    """A machine that has booted, and an emulator with a function that waits at the gate."""
    subprocess.run(["mkfifo", shared / "gate"], check=True)
    (shared / "app.py").write_text(FUNCTION)
    (shared / "functions.toml").write_text(EMULATED.format(gate=shared / "gate"))
    emulator = ("emulator", "--config", shared / "functions.toml", "--listen", "10.0.0.7:9000")
    with GatewayMachine(tmp_path_factory.mktemp("machine"), shared) as machine:
        machine.surround(calls)
        machine.start(sys.executable, "-m", "tailrace", *emulator, environ=SOURCE)
        machine.booted = machine.boot()
        assert machine.booted.returncode == 0, machine.booted.stdout
        yield machine


def test_the_first_boot_makes_a_gateway_that_serves(machine: GatewayMachine, calls: Path) -> None:
    booted = machine.booted

    assert "\nboot: the gateway serves at 2" in booted.stdout
    # There is no dnf here.
    assert booted.stdout.endswith("without its agent, CloudWatch has no logs and no metrics\n")
    assert booted.stdout == machine.read("/var/log/tailrace/boot.log")
    assert machine.run("systemctl", "is-enabled", "gateway.socket", "gateway.service")
    assert machine.run(
        "systemctl", "is-active", "gateway.socket", "gateway.service", "gateway-logs.timer"
    )
    health = machine.run("curl", "--silent", "--fail", "http://10.0.0.7:8080/_tailrace/health")
    assert json.loads(health.stdout)["status"] == "ok"
    assert len(machine.statistics()["workers"]) == 2
    # The sandbox of the unit lets it reach the metadata, and its output is in the files.
    log = machine.read("/var/log/tailrace/gateway.log")
    assert (
        "2 workers, called back at http://10.0.0.7:8081, http://10.0.0.7:8083 (the address" in log
    )
    completed = {
        "Action": "CompleteLifecycleAction",
        "AutoScalingGroupName": GROUP,
        "InstanceId": INSTANCE,
        "LifecycleActionResult": "CONTINUE",
        "LifecycleHookName": "boot",
    }
    asked = [json.loads(line) for line in calls.read_text().splitlines() if line != "ready"]
    assert [call for call in asked if completed.items() <= call.items()] == asked[:1]


def test_systemd_finds_no_mistake_in_the_installed_units(machine: GatewayMachine) -> None:
    names = ("gateway.service", "gateway.socket", "gateway-logs.service", "gateway-logs.timer")
    verified = machine.run("systemd-analyze", "verify", "--man=no", *names)

    assert verified.stderr == ""


def test_a_stream_is_relayed_chunk_by_chunk(machine: GatewayMachine) -> None:
    client = machine.ask("/stream")

    for text in ("one\n", "two\n", "three\n"):
        assert line_of(client) == text
        open_gate(machine.gate)
    assert end_of(client) == (0, "")


def test_an_upgrade_ends_no_stream(machine: GatewayMachine, folder: Path) -> None:
    before = machine.read_link("/opt/tailrace")
    generation = machine.statistics()["node"]["generation"]
    client = machine.ask("/stream")
    assert line_of(client) == "one\n"

    upgraded = machine.install(variant(folder, "second", gateway_socket=SECOND_SOCKET))

    after = machine.read_link("/opt/tailrace")
    assert upgraded.returncode == 0, upgraded.stdout + upgraded.stderr
    assert f"install.sh: the gateway runs from {after}\n" in upgraded.stdout
    assert after != before
    statistics = machine.statistics()
    assert statistics["node"]["generation"] == generation + 1
    # The parent and the new workers run the new code, and what holds the stream the old one.
    of_new = set(machine.processes_of(after))
    new = {worker["pid"] for worker in statistics["workers"] if worker["generation"] > generation}
    assert len(new) == 2
    assert of_new == new | {machine.main_pid()}
    assert len(machine.processes_of(before)) == 1
    assert rest_of(client, machine.gate) == (0, "two\nthree\n")

    until(lambda: not machine.processes_of(before), "the last worker before to end")
    third = machine.install(variant(folder, "third", gateway_socket=SECOND_SOCKET * 2))

    assert third.returncode == 0, third.stdout + third.stderr
    names = machine.run("sh", "-c", "ls -d /opt/tailrace-*").stdout.split()
    assert sorted(names) == sorted([after, machine.read_link("/opt/tailrace")])


def test_an_upgrade_that_does_not_start_changes_nothing(
    machine: GatewayMachine, folder: Path
) -> None:
    """Here all callback ports are taken."""
    before = machine.read_link("/opt/tailrace")
    taken = machine.start(sys.executable, "-c", TAKE_PORTS, stdout=subprocess.PIPE, text=True)
    assert taken.stdout is not None
    pid = taken.stdout.readline().strip()

    failed = machine.install(variant(folder, "fourth", gateway_socket=SECOND_SOCKET * 3))
    machine.run("kill", pid)

    assert failed.returncode == 1
    assert "the gateway has not reloaded, and goes on as before; its log has" in failed.stderr
    assert "warning: reload failed" in machine.read("/var/log/tailrace/gateway.log")
    assert machine.read_link("/opt/tailrace") == before
    assert machine.statistics()["node"]["held"] == 0


def test_a_mistake_in_the_file_changes_nothing(machine: GatewayMachine, folder: Path) -> None:
    before = machine.statistics()["node"]["generation"]
    machine.write("/etc/tailrace/tailrace.toml", CONFIG.replace("path", "paht"))

    failed = machine.install(folder)
    machine.write("/etc/tailrace/tailrace.toml", CONFIG)

    assert failed.returncode == 1
    assert "routes[0].paht: unknown key; did you mean path?" in failed.stderr
    assert failed.stderr.endswith("tailrace.toml has a mistake; correct it, then run this again\n")
    assert machine.statistics()["node"]["generation"] == before


def test_a_log_file_is_cut_when_it_is_long(machine: GatewayMachine) -> None:
    log = "/var/log/tailrace/gateway.log"
    machine.run("truncate", "--size", "65M", log)

    machine.run("systemctl", "start", "gateway-logs.service")
    machine.run("systemctl", "reload", "gateway")

    until(lambda: "reloaded: " in machine.read(log), "a line after the cut")
    assert not machine.read(log).startswith("\0")
    assert machine.run("stat", "--format=%s", f"{log}.1").stdout == f"{65 * 1024**2}\n"


def test_stopping_the_service_ends_no_stream(machine: GatewayMachine) -> None:
    client = machine.ask("/stream")
    assert line_of(client) == "one\n"
    stopping = machine.start("systemctl", "stop", "gateway.service")
    until(lambda: machine.state()["ActiveState"] == "deactivating", "the drain")

    assert rest_of(client, machine.gate) == (0, "two\nthree\n")
    assert stopping.wait(60) == 0
    assert machine.state() == {"ActiveState": "inactive", "Result": "success"}
    # The socket is still there: what connects is served by the next start.
    machine.run("curl", "--silent", "--fail", "http://127.0.0.1:8080/_tailrace/health")
    until(lambda: machine.state()["ActiveState"] == "active", "the next start")


# --- what fails before there is a gateway --------------------------------------------------------


def assert_nothing_is_installed(machine: GatewayMachine) -> None:
    assert machine.run("ls", "/opt", "/etc/systemd/system").stdout.count("gateway") == 0
    assert "tailrace" not in machine.run("ls", "/opt").stdout


def test_a_damaged_wheel_is_named(empty: GatewayMachine, folder: Path) -> None:
    damaged = variant(folder, "damaged")
    (wheel,) = damaged.glob("httptools-*.whl")
    data = bytearray(wheel.read_bytes())
    data[len(data) // 2] ^= 1
    wheel.write_bytes(data)
    empty.write("/etc/tailrace/tailrace.toml", CONFIG)

    failed = empty.install(damaged)

    assert failed.returncode == 1
    assert f"{wheel.name}: FAILED" in failed.stdout
    assert failed.stderr.endswith("are damaged or missing; copy the folder again\n")
    assert_nothing_is_installed(empty)


def test_a_wheel_with_another_hash_is_refused_by_pip(empty: GatewayMachine, folder: Path) -> None:
    """Also if somebody has made a new list of hashes."""
    other = variant(folder, "other")
    (wheel,) = other.glob("six-*.whl")
    with wheel.open("ab") as file:
        file.write(b"more")
    empty.write("/etc/tailrace/tailrace.toml", CONFIG)

    failed = empty.install(variant(other, "other-listed"))

    assert failed.returncode == 1
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in failed.stderr
    assert failed.stderr.endswith(
        "the wheels cannot be installed; the lines above have the reason\n"
    )
    assert_nothing_is_installed(empty)


def test_a_missing_python_is_installed_by_dnf(empty: GatewayMachine, folder: Path) -> None:
    """dnf is played: it is not here. It fails first, as in a VPC that has no way to S3."""
    text = (folder / "install.sh").read_text()
    python = f"python3.{sys.version_info.minor}"
    folder = variant(folder, "missing", install_sh=text.replace(python, "python3.99"))
    empty.write("/etc/tailrace/tailrace.toml", CONFIG)
    without_dnf = empty.install(folder)
    empty.write("/usr/bin/dnf", '#!/bin/sh\necho "$*" >/run/dnf\nexit 1\n')
    empty.run("chmod", "+x", "/usr/bin/dnf")
    failed = empty.install(folder)
    assert_nothing_is_installed(empty)

    wrapper = f'echo "#!/bin/sh\nexec {python} \\"\\$@\\"" >/usr/bin/python3.99'
    empty.write("/usr/bin/dnf", f"#!/bin/sh\n{wrapper}\nchmod +x /usr/bin/python3.99\n")
    empty.run("systemctl", "mask", "gateway-logs.timer")
    done = empty.install(folder)

    assert without_dnf.returncode == 1
    assert "there is no python3.99 with the module venv, and no dnf" in without_dnf.stderr
    assert failed.returncode == 1
    assert failed.stderr.endswith("without internet access it needs a gateway endpoint for S3\n")
    assert empty.read("/run/dnf") == "install --assumeyes --quiet python3.99\n"
    assert "installing python3.99 by dnf" in done.stdout
    assert "/bin/python" in empty.run("readlink", "-f", "/opt/tailrace/bin/python").stdout


def test_a_boot_that_fails_says_why_and_completes_nothing(
    empty: GatewayMachine, calls: Path
) -> None:
    calls_before = calls.read_text()
    booted = empty.boot(replace(BOOT, source="s3://assets/another.zip"))

    lines = booted.stdout.splitlines()
    assert booted.returncode == 1
    assert lines.count("boot: attempt 8 of 8 failed: aws s3 cp") == 1
    assert (
        "boot: failed: s3://assets/another.zip cannot be read; check the role, and the gateway"
        " endpoint for S3"
    ) in lines
    assert lines[-1] == "boot: warning: without its agent, CloudWatch has no logs and no metrics"
    assert empty.read("/run/slept").split()[:7] == ["1", "2", "4", "8", "16", "30", "30"]
    assert booted.stdout == empty.read("/var/log/tailrace/boot.log")
    assert calls.read_text().count("Action") == calls_before.count("Action")
    assert_nothing_is_installed(empty)
