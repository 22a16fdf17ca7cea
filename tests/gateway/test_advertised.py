"""The address for `--advertise auto`, from metadata services on loopback and from this machine."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.command import Command
from tests.kits.ports import free_port

from tailrace.cli.commands import _located
from tailrace.config import Address, GatewayOptions
from tailrace.errors import ConfigError
from tailrace.fleet.handover import ParentState
from tailrace.gateway.advertised import Advertised, find_advertised
from tailrace.net.process.startup import run

EVERYWHERE = Address("0.0.0.0", 8081)
EVERYWHERE_6 = Address("::", 8081)
LOCAL = ("--listen", "127.0.0.1:0", "--endpoint-url", "http://127.0.0.1:1")
NOT_EC2 = {"AWS_EC2_METADATA_DISABLED": "true"}

Answer = tuple[int, str] | None
"""Status and text; None: silence, as a hop limit of the network causes it."""


@contextmanager
def metadata(answer: Callable[[str, str, Mapping[str, str]], Answer], host: str) -> Iterator[str]:
    """A metadata service, which gets method, path and headers; yields its base URL."""
    is_over = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def _serve(self) -> None:
            got = answer(self.command, self.path, {k.lower(): v for k, v in self.headers.items()})
            if got is None:
                is_over.wait(10)
                return
            status, text = got
            self.send_response(status)
            self.send_header("content-length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_PUT = _serve

        def log_message(self, *arguments: Any) -> None: ...

    class Server(http.server.ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    with Server((host, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://{Address(host, server.server_port)}"
        finally:
            is_over.set()
            server.shutdown()
            thread.join(10)


def found(
    environ: Mapping[str, str], listen: Address = EVERYWHERE, text: str = "auto"
) -> Advertised:
    return run(find_advertised(text, listen, environ))


def refused(environ: Mapping[str, str], listen: Address = EVERYWHERE, text: str = "auto") -> str:
    with pytest.raises(ConfigError) as caught:
        found(environ, listen, text)
    return str(caught.value)


# --- Kubernetes ----------------------------------------------------------------------------------


def test_a_pod_says_its_address() -> None:
    environ = {"POD_IP": "10.1.2.3", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}

    assert found(environ) == Advertised("10.1.2.3", "POD_IP", "10.1.2.3")
    assert found({**environ, "POD_IP": "fd00::3"}, EVERYWHERE_6).text == "[fd00::3]"


def test_a_pod_that_says_nothing_is_told_how() -> None:
    """The address of the node would be found otherwise: its metadata answers pods as well."""
    text = refused({"KUBERNETES_SERVICE_HOST": "10.0.0.1"})

    assert text == (
        "--advertise auto: this is a pod of Kubernetes, and POD_IP is not set; add to the"
        " container's env: {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}"
    )


@pytest.mark.parametrize(
    ("pod_ip", "listen", "message"),
    [
        ("$(POD_IP)", EVERYWHERE, "POD_IP has '$(POD_IP)', which is no IP address; add to the"),
        (
            "fd00::3",
            EVERYWHERE,
            "POD_IP has the IPv6 address fd00::3, and the callback listener on 0.0.0.0 takes IPv4"
            " only; give --callback-listen [::]:PORT, or --advertise HOST[:PORT]",
        ),
        ("10.1.2.3", EVERYWHERE_6, "the callback listener on [::] takes IPv6 only; give --callb"),
    ],
)
def test_an_address_that_the_listener_does_not_have_is_refused(
    pod_ip: str, listen: Address, message: str
) -> None:
    assert message in refused({"POD_IP": pod_ip}, listen)


# --- ECS -----------------------------------------------------------------------------------------


def ecs(*networks: Mapping[str, Any]) -> Callable[..., Answer]:
    """The metadata of a container, as the agent's documentation shows it."""
    document = {"DockerId": "ea32192c", "Name": "gateway", "Networks": networks}

    def answer(method: str, path: str, headers: Mapping[str, str]) -> Answer:
        assert (method, path) == ("GET", "/v4/ea32192c")
        return 200, json.dumps(document)

    return answer


AWSVPC = {
    "NetworkMode": "awsvpc",
    "IPv4Addresses": ["10.0.2.100"],
    "IPv6Addresses": ["2600:1f14::64"],
    "AttachmentIndex": 0,
    "PrivateDNSName": "ip-10-0-2-100.us-west-2.compute.internal",
}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_ecs_task_has_an_interface_of_its_own(host: str) -> None:
    source = "the address of this ECS task"
    with metadata(ecs(AWSVPC), host) as base:
        environ = {"ECS_CONTAINER_METADATA_URI_V4": f"{base}/v4/ea32192c"}

        assert found(environ) == Advertised("10.0.2.100", source, "10.0.2.100")
        assert found(environ, text="auto:9000").text == "10.0.2.100:9000"
        six = found(environ, EVERYWHERE_6, "auto:9000")
        assert six == Advertised("2600:1f14::64", source, "[2600:1f14::64]:9000")


@pytest.mark.parametrize(
    ("networks", "message"),
    [
        (
            [{"NetworkMode": "bridge", "IPv4Addresses": ["172.17.0.2"]}],
            "this ECS task is in network mode bridge, where functions cannot reach the container's"
            " address; use awsvpc or host, or give the instance's address and the mapped port",
        ),
        ([{**AWSVPC, "IPv4Addresses": []}], "this ECS task has no IPv4 address, and the callback"),
        ([{**AWSVPC, "IPv4Addresses": [7]}], "this ECS task has no IPv4 address"),
        ([7], "the metadata of this ECS task cannot be read (http://127.0.0.1:"),
    ],
)
def test_an_ecs_task_that_cannot_be_reached_is_told_why(networks: Any, message: str) -> None:
    with metadata(ecs(*networks), "127.0.0.1") as base:
        assert message in refused({"ECS_CONTAINER_METADATA_URI_V4": f"{base}/v4/ea32192c"})


@pytest.mark.parametrize("answer", [(500, ""), (200, "{"), (200, "[]"), (200, '{"Networks": {}}')])
def test_ecs_metadata_that_cannot_be_read_is_an_error(answer: Answer) -> None:
    with metadata(lambda *_: answer, "127.0.0.1") as base:
        environ = {"ECS_CONTAINER_METADATA_URI_V4": f"{base}/v4/x"}
        assert f"cannot be read ({base}/v4/x, ECS_CONTAINER_METADATA_URI_V4)" in refused(environ)

    assert "cannot be read" in refused(environ)  # nobody listens there any more
    assert "cannot be read" in refused({"ECS_CONTAINER_METADATA_URI_V4": "http://x:y/"})


def test_a_task_in_the_hosts_network_has_the_address_of_the_instance() -> None:
    host = {"NetworkMode": "host", "IPv4Addresses": [""]}
    with metadata(ecs(host), "127.0.0.1") as task, metadata(Ec2(), "127.0.0.1") as instance:
        environ = {
            "ECS_CONTAINER_METADATA_URI_V4": f"{task}/v4/ea32192c",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": instance,
        }

        assert found(environ).source == "the address of this EC2 instance"


# --- EC2 -----------------------------------------------------------------------------------------


class Ec2:
    """The metadata service of an instance.

    Without `is_open` it wants a token (IMDSv2 is required); with `is_far` the answer to a token
    request does not reach a container (hop limit 1).
    """

    def __init__(self, *, is_open: bool = False, is_far: bool = False, has_6: bool = True) -> None:
        self.asked: list[tuple[str, str]] = []
        self._is_open = is_open
        self._is_far = is_far
        self._has_6 = has_6

    def __call__(self, method: str, path: str, headers: Mapping[str, str]) -> Answer:
        self.asked.append((method, path))
        if (method, path) == ("PUT", "/latest/api/token"):
            assert 1 <= int(headers["x-aws-ec2-metadata-token-ttl-seconds"]) <= 21_600
            return None if self._is_far else (200, "t0ken==")
        if headers.get("x-aws-ec2-metadata-token") != "t0ken==" and not self._is_open:
            return 401, ""
        if path == "/latest/meta-data/local-ipv4":
            return 200, "10.0.0.7"
        if path == "/latest/meta-data/ipv6" and self._has_6:
            return 200, "2600:1f14::7"
        return 404, "<html>"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_instance_is_asked_with_a_token(host: str) -> None:
    service = Ec2()
    source = "the address of this EC2 instance"
    with metadata(service, host) as base:
        environ = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{base}/"}

        assert found(environ) == Advertised("10.0.0.7", source, "10.0.0.7")
        assert service.asked == [
            ("PUT", "/latest/api/token"),
            ("GET", "/latest/meta-data/local-ipv4"),
        ]
        six = found(environ, EVERYWHERE_6)
        assert six == Advertised("2600:1f14::7", source, "[2600:1f14::7]")


def test_an_instance_that_is_not_to_be_asked_is_not() -> None:
    service = Ec2()
    with metadata(service, "127.0.0.1") as base:
        of_this_machine({"AWS_EC2_METADATA_SERVICE_ENDPOINT": base, **NOT_EC2})

    assert service.asked == []


def test_an_instance_without_that_version_of_ip_is_an_error() -> None:
    with metadata(Ec2(has_6=False), "127.0.0.1") as base:
        text = refused({"AWS_EC2_METADATA_SERVICE_ENDPOINT": base}, EVERYWHERE_6)

    assert "this EC2 instance has no IPv6 address, and the callback listener on [::]" in text


def test_a_container_behind_the_hop_limit_is_told_to_raise_it() -> None:
    """The container's own address, which functions cannot reach, would be taken otherwise."""
    with metadata(Ec2(is_far=True), "127.0.0.1") as base:
        text = refused({"AWS_EC2_METADATA_SERVICE_ENDPOINT": base})

    assert "answers no token request from a container; raise its hop limit (aws ec2 mod" in text


@pytest.mark.parametrize("token", ["a\r\nb: c", "t0ken é", "", 2_000 * "x"])
def test_a_token_that_is_none_is_not_sent(token: str) -> None:
    def answer(method: str, path: str, headers: Mapping[str, str]) -> Answer:
        if method == "PUT":
            return 200, token
        assert "x-aws-ec2-metadata-token" not in headers and "b" not in headers
        return 200, "10.0.0.7\n"

    with metadata(answer, "127.0.0.1") as base:
        assert found({"AWS_EC2_METADATA_SERVICE_ENDPOINT": base}).text == "10.0.0.7"


def test_an_instance_that_wants_no_token_is_asked_without() -> None:
    with metadata(Ec2(is_far=True, is_open=True), "127.0.0.1") as base:
        assert found({"AWS_EC2_METADATA_SERVICE_ENDPOINT": base}).text == "10.0.0.7"


# --- the default route ---------------------------------------------------------------------------


def of_this_machine(environ: Mapping[str, str], listen: Address = EVERYWHERE) -> None:
    """The address is one of this machine, or the error says that there is none."""
    family = socket.AF_INET6 if listen == EVERYWHERE_6 else socket.AF_INET
    try:
        one = found(environ, listen)
    except ConfigError as error:
        assert "by IPv" in error.problem  # a sandbox without a network
        return
    assert one.source == "the address of the default route"
    with socket.socket(family) as sock:
        sock.bind((one.host, 0))


@pytest.mark.parametrize("listen", [EVERYWHERE, EVERYWHERE_6])
def test_elsewhere_it_is_the_address_of_the_default_route(listen: Address) -> None:
    of_this_machine(NOT_EC2, listen)


@pytest.mark.parametrize("answer", [(403, "Forbidden"), (404, ""), (200, "")])
def test_a_service_that_is_off_or_another_one_does_not_matter(answer: Answer) -> None:
    """EC2's own answers 403 when it is switched off."""
    with metadata(lambda *_: answer, "127.0.0.1") as base:
        environ = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": base}
        if answer == (200, ""):
            assert "has '', which is no IP address" in refused(environ)
        else:
            of_this_machine(environ)


# --- a listener on one address -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listen", "text", "expected"),
    [
        (Address("10.0.0.9", 8081), "auto", "10.0.0.9"),
        (Address("10.0.0.9", 8081), "https://auto:8443", "https://10.0.0.9:8443"),
        (Address("fd00::9", 8081), "http://auto", "http://[fd00::9]"),
        (Address("gateway.internal", 8081), "auto", "gateway.internal"),
    ],
)
def test_a_listener_on_one_address_is_reached_there(
    listen: Address, text: str, expected: str
) -> None:
    one = found({"POD_IP": "10.1.2.3"}, listen, text)

    assert (one.text, one.source) == (expected, "the callback listener's own")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_listener_on_loopback_is_reached_by_nobody(host: str) -> None:
    listen = Address(host, 8081)

    assert refused({}, listen) == (
        f"--advertise auto: the callback listener is on {listen}, which only this machine reaches;"
        " give --callback-listen 0.0.0.0:8081"
    )
    assert "behind something that ends TLS; give that one's host" in refused(
        {}, listen, "https://auto"
    )


def test_a_parent_that_becomes_new_code_keeps_its_address() -> None:
    """It asks no metadata: an answer that does not come would end it, and so its workers."""
    options = GatewayOptions(callback_listen=EVERYWHERE, advertise="auto")
    kept = SimpleNamespace(advertise="10.0.0.7", advertise_source="the address of this ECS task")

    found_again, source = _located(options, cast("ParentState", kept))

    assert (found_again.advertise, source) == ("10.0.0.7", "the address of this ECS task")


def test_the_log_says_where_the_address_was_found(tmp_path: Path) -> None:
    port = free_port()
    options = ["--callback-listen", f"0.0.0.0:{port}", "--advertise", "auto"]
    command = ["gateway", *LOCAL, "--function", "f", *options]

    with Command(command, cwd=tmp_path, environ={"POD_IP": "127.0.0.1"}) as gateway:
        gateway.wait_line(rf"gateway on .*, called back at http://127\.0\.0\.1:{port} \(POD_IP\), ")
