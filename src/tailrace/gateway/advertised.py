"""Finds the address for `--advertise auto`: where functions reach this machine.

The first of these that applies: POD_IP; the metadata of the ECS task; the metadata of the EC2
instance; the address from which the default route is used. Nothing is cached: it is called once, by
the process that starts the gateway.

Facts: Kubernetes, "Downward API"; read 2026-11. Those of the metadata are in `aws.metadata`.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from tailrace.config import Address, with_host
from tailrace.errors import ConfigError
from tailrace.gateway.aws.metadata import InstanceMetadata, MetadataService, is_disabled

_OPTION: Final = "--advertise auto"
_IMDS_ITEMS: Final = {4: "local-ipv4", 6: "ipv6"}
_ANYWHERE: Final = {4: ("192.0.2.1", 9), 6: ("2001:db8::1", 9)}
"""Addresses for documentation (RFC 5737, RFC 3849). Nothing is sent to them."""
_NAME_IT: Final = "give the address that functions can reach: --advertise HOST[:PORT]"
_POD_IP: Final = (
    "add to the container's env: {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}"
)


@dataclass(frozen=True, slots=True)
class Advertised:
    """The address that was found, and where."""

    host: str
    """An IP address, without brackets."""
    source: str
    """For people, such as "the address of this ECS task"."""
    text: str
    """The option's value with the address in place of `auto`: [https://]HOST[:PORT]."""


async def find_advertised(
    text: str, callback_listen: Address, environ: Mapping[str, str]
) -> Advertised:
    """Find the address that stands for `auto` in the value of `--advertise`.

    A callback listener on one address is reached at that address, so nothing is looked for. On
    0.0.0.0 it takes connections by IPv4 alone, on :: by IPv6 alone; the address is one of those.

    Takes at most 3 × METADATA_TIMEOUT_S. Cancelling is safe.

    Raises:
        ConfigError: there is no address that functions can reach; the message has the next step.
    """
    host, source = await _find(text, callback_listen, environ)
    return Advertised(host, source, with_host(text, host))


async def _find(text: str, callback_listen: Address, environ: Mapping[str, str]) -> tuple[str, str]:
    listening = _version_of(callback_listen.host)
    if listening is None or not ip_address(callback_listen.host).is_unspecified:
        return _of_listener(text, callback_listen), "the callback listener's own"
    if pod_ip := environ.get("POD_IP"):
        return _checked(pod_ip, listening, "POD_IP", _POD_IP), "POD_IP"
    if base := environ.get("ECS_CONTAINER_METADATA_URI_V4"):
        found = await _of_ecs_task(base, listening)
        if found is not None:
            return found, "the address of this ECS task"
    if environ.get("KUBERNETES_SERVICE_HOST"):
        raise _failure("this is a pod of Kubernetes, and POD_IP is not set", _POD_IP)
    if not is_disabled(environ):
        found = await _of_ec2_instance(environ, listening)
        if found is not None:
            return found, "the address of this EC2 instance"
    return _of_default_route(listening), "the address of the default route"


def _of_listener(text: str, listen: Address) -> str:
    """Return the address of a listener on one address; TLS may end in front of a loopback one."""
    is_loopback = listen.host == "localhost" or (
        _version_of(listen.host) is not None and ip_address(listen.host).is_loopback
    )
    if not is_loopback:
        return listen.host
    if text.startswith("https:"):
        raise _failure(
            f"the callback listener is on {listen}, behind something that ends TLS",
            "give that one's host: --advertise https://HOST[:PORT]",
        )
    raise _failure(
        f"the callback listener is on {listen}, which only this machine reaches",
        f"give --callback-listen 0.0.0.0:{listen.port}",
    )


# --- ECS -----------------------------------------------------------------------------------------


async def _of_ecs_task(base: str, version: int) -> str | None:
    """Return the address of the task's network interface; None if the task has the host's."""
    service = MetadataService(base)
    try:
        answer = await service.ask("GET", "")
    finally:
        await service.close()
    networks = None if answer is None or answer.status != 200 else _networks_in(answer.body)
    if networks is None:
        raise _failure(
            f"the metadata of this ECS task cannot be read ({base}, ECS_CONTAINER_METADATA_URI_V4)",
            _NAME_IT,
        )
    modes = {str(network.get("NetworkMode", "")) for network in networks}
    if modes <= {"host"}:
        return None
    if "awsvpc" not in modes:
        raise _failure(
            f"this ECS task is in network mode {', '.join(sorted(modes))}, where functions cannot"
            " reach the container's address",
            "use awsvpc or host, or give the instance's address and the mapped port: --advertise"
            " HOST:PORT",
        )
    key = f"IPv{version}Addresses"
    found = [each for network in networks for each in _texts(network.get(key))]
    if not found:
        raise _no_address(f"this ECS task has no IPv{version} address", version)
    return _checked(found[0], version, "the metadata of this ECS task", _NAME_IT)


def _networks_in(body: bytes) -> list[dict[str, object]] | None:
    """Return the networks of a container's metadata; None if the document is malformed."""
    try:
        document = json.loads(body)
    except ValueError:
        return None
    networks = document.get("Networks") if isinstance(document, dict) else None
    if not isinstance(networks, list) or not all(isinstance(each, dict) for each in networks):
        return None
    return networks


def _texts(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str) and each]


# --- EC2 -----------------------------------------------------------------------------------------


async def _of_ec2_instance(environ: Mapping[str, str], version: int) -> str | None:
    """Return the instance's private address; None if no metadata service answers."""
    metadata = InstanceMetadata(environ)
    try:
        # Also without a token: the metadata may be open, and a refusal shows that this is EC2.
        answer = await metadata.get(_IMDS_ITEMS[version])
    finally:
        await metadata.close()
    if answer is None:
        return None
    if answer.status == 200:
        host = answer.body.decode("ascii", "replace")
        return _checked(host, version, "the metadata of this EC2 instance", _NAME_IT)
    if answer.status == 401 and not metadata.has_token:
        raise _failure(
            "the metadata service of this EC2 instance answers no token request from a container",
            "raise its hop limit (aws ec2 modify-instance-metadata-options"
            " --http-put-response-hop-limit 2), or give --advertise HOST[:PORT]",
        )
    if answer.status == 404 and metadata.has_token:
        raise _no_address(f"this EC2 instance has no IPv{version} address", version)
    return None  # disabled, or something else that listens there


# --- the default route -------------------------------------------------------------------------


def _of_default_route(version: int) -> str:
    """Return the address from which this machine sends to other networks."""
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(_ANYWHERE[version])  # chooses a route; a datagram socket sends nothing
            host = str(probe.getsockname()[0])
    except OSError as error:
        raise _no_address(f"there is no default route by IPv{version}", version) from error
    if ip_address(host).is_loopback:
        raise _no_address(f"the default route by IPv{version} is this machine's own", version)
    return host


# --- for all of them ---------------------------------------------------------------------------


def _version_of(host: str) -> int | None:
    """Return 4 or 6; None for a name."""
    try:
        return ip_address(host).version
    except ValueError:
        return None


def _checked(text: str, version: int, where: str, remedy: str) -> str:
    """Return an address that someone else wrote, if it is one that the listener has."""
    try:
        found = ip_address(text.strip())
    except ValueError:
        raise _failure(f"{where} has {text[:80]!a}, which is no IP address", remedy) from None
    if found.version != version:
        raise _no_address(f"{where} has the IPv{found.version} address {found}", version)
    return str(found)


def _no_address(problem: str, version: int) -> ConfigError:
    """Return the error of a listener whose version of IP the machine does not have."""
    here, other = ("0.0.0.0", "[::]") if version == 4 else ("[::]", "0.0.0.0")
    return _failure(
        f"{problem}, and the callback listener on {here} takes IPv{version} only",
        f"give --callback-listen {other}:PORT, or --advertise HOST[:PORT]",
    )


def _failure(problem: str, remedy: str) -> ConfigError:
    return ConfigError(f"{problem}; {remedy}", where=_OPTION)
