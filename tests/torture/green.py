"""Deploys under load: each brings a gateway that invokes the next version, beside the old one.

HAProxy is the load balancer. A gateway leaves in one of the two orders in which an Auto Scaling
group may replace an instance: deregistered first, or drained first, when the balancer learns from
its health.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.command import fetch
from tests.kits.ports import free_ports
from tests.kits.proxy_page import GATEWAYS, Balancer, balancer
from tests.torture.clients import Visit
from tests.torture.fleet import Fleet, until
from tests.torture.functions import MARK
from tests.torture.load import Load, Mix
from tests.torture.restarts import RestartResult, result_of

ORDERS = ("deregistered", "drained")
MORE = 40
"""Requests that follow each step."""


@dataclass(slots=True)
class Versions:
    """Which version has answered which request; called for each in the loop of the load."""

    answered: Counter[str] = field(default_factory=Counter)
    strangers: list[str] = field(default_factory=list)
    """Requests that began after their version had gone, or before it had come."""
    _came_s: dict[int, float] = field(default_factory=dict)
    _gone_s: dict[int, float] = field(default_factory=dict)

    def come(self, version: int) -> None:
        """A gateway of this version starts now."""
        self._came_s[version] = time.monotonic()

    def go(self, version: int) -> None:
        """By now the balancer sends this version no more requests."""
        self._gone_s[version] = time.monotonic()

    def __call__(self, visit: Visit) -> None:
        version = visit.fields.get(MARK, "")
        self.answered[version] += 1
        if not version:
            return  # no head: the load counts it as lost
        gone_s = self._gone_s.get(int(version), float("inf"))
        if not self._came_s[int(version)] < visit.head_s or visit.asked_s > gone_s:
            self.strangers.append(f"{visit.kind} {visit.target} of version {version}")


@dataclass(slots=True)
class GreenResult:
    """What the clients have counted over some deploys."""

    load: RestartResult
    versions: Versions
    streams: list[int]
    """How many streams of the old version were open when it had got its last request."""


def deploys(directory: Path, count: int, mix: Mix) -> GreenResult:
    """Deploy versions 2, 3 and so on, so many. Raises AssertionError if a drain breaks anything."""
    versions = Versions()
    streams: list[int] = []
    with ExitStack() as running:
        load = running.enter_context(Load(mix))
        load.on_end = versions
        fleets = {name: _fleet(directory / name, load) for name in GATEWAYS}
        for fleet in fleets.values():
            running.callback(fleet.close)
        ports = {name: fleet.port for name, fleet in fleets.items()} | free_ports(("front",))
        front = running.enter_context(balancer(directory / "haproxy", ports))
        _bring(fleets["one"], "one", 1, front, versions)
        load.aim("127.0.0.1", front.port)
        load.wait_live(mix.streams * 9 // 10)
        old, new = GATEWAYS
        for version in range(2, count + 2):
            _bring(fleets[new], new, version, front, versions)
            load.wait_more(MORE)
            order = ORDERS[version % len(ORDERS)]
            streams.append(_leave(fleets[old], old, version - 1, order, front, versions, load))
            old, new = new, old
        tally = load.settle()
        assert fleets[old].end() == 0, fleets[old].words()
        return GreenResult(result_of(load, count, tally, []), versions, streams)


def _fleet(directory: Path, load: Load) -> Fleet:
    directory.mkdir()
    return Fleet(directory, load.side.url, more=("--drain-delay", "3"))


def _bring(fleet: Fleet, name: str, version: int, front: Balancer, versions: Versions) -> None:
    """Start a gateway of this version, and wait until it gets requests."""
    starts = fleet.text().count("gateway on http")
    fleet.configure(f"storm:{version}")
    versions.come(version)
    fleet.start()
    fleet.wait_ready(starts + 1)
    front.register(name)
    front.wait_in(name)


def _leave(
    fleet: Fleet,
    name: str,
    version: int,
    order: str,
    front: Balancer,
    versions: Versions,
    load: Load,
) -> int:
    """Take a gateway out, and end it when it holds nothing; return how many streams it held."""
    admin = f"http://127.0.0.1:{fleet.admin_port}"
    if order == "deregistered":
        front.deregister(name)
        front.wait_out(name)
    assert fetch(f"{admin}/drain", "POST")[0] == 202
    front.wait_out(name)
    versions.go(version)
    held = int(json.loads(fetch(f"{admin}/health")[1])["held"])
    load.wait_more(MORE)
    until(lambda: json.loads(fetch(f"{admin}/health")[1])["status"] == "drained", "the end", fleet)
    assert fleet.end() == 0, fleet.words()
    return held
