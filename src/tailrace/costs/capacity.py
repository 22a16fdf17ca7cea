"""How many streams one machine carries, from what was measured of the gateway.

The figures are of docs/topics/performance.md, measured 2026-11-29 on two virtual cores of an AMD
EPYC with Debian's Python 3.11.2. Where the page has several, the one with two workers is taken,
because that is what a machine runs. A vCPU of EC2 is taken for one of those cores. Nothing was
measured on Graviton.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from tailrace.limits import HELD_MAX

REQUEST_CPU_S: Final = 818e-6
"""CPU time of a request, at 300 a second for each worker: "Workers"."""
CHUNK_CPU_S: Final = 64e-6
"""CPU time of a small chunk, two workers, 3,000 chunks a second in all: "Workers"."""
BODY_BYTES_PER_CPU_S: Final = 1_719e6
"""Large bodies that a CPU-second relays: "The gateway: results"."""
HELD_BYTES: Final = 8_340
"""Resident memory of a held response, of 9,000 with two workers: "Workers"."""
MEMORY_SHARE: Final = 0.5
"""The share of a machine's memory for held responses. It is no measurement: the rest is for the
system, the workers themselves, and the kernel's buffers of two connections for each stream."""


@dataclass(frozen=True, slots=True)
class NodeType:
    """An EC2 instance type, as far as it bounds a gateway."""

    name: str
    vcpus: int
    cores: float
    """vCPUs that it may use all the time: of a burstable type, its baseline."""
    memory_bytes: int
    network_bits_s: float
    """The baseline in each direction."""


NODE_TYPES: Final[Mapping[str, NodeType]] = MappingProxyType(
    {
        each.name: each
        for each in (
            NodeType("t4g.small", 2, 0.4, 2 * 2**30, 128e6),
            NodeType("t4g.medium", 2, 0.4, 4 * 2**30, 256e6),
            NodeType("c7g.large", 2, 2, 4 * 2**30, 937e6),
            NodeType("c7g.xlarge", 4, 4, 8 * 2**30, 1.876e9),
            NodeType("c7g.2xlarge", 8, 8, 16 * 2**30, 3.75e9),
            NodeType("c7g.4xlarge", 16, 16, 32 * 2**30, 7.5e9),
        )
    }
)
"""From the smallest to the largest. Sizes and baselines are AWS's, from memory (2026-11)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """How many streams a machine carries at a time, as far as each of its resources goes."""

    cpu: float
    memory: float
    network: float
    held_max: float

    @property
    def streams(self) -> int:
        """As many as the scarcest resource allows."""
        return math.floor(min(self.cpu, self.memory, self.network, self.held_max))

    @property
    def scarcest(self) -> str:
        """What bounds the machine: `cpu`, `memory`, `network` or `held_max`."""
        return min(("cpu", "memory", "network", "held_max"), key=lambda name: getattr(self, name))


def capacity(
    node: NodeType, *, stream_s: float, chunks_per_s: float, stream_bytes: float, headroom: float
) -> Capacity:
    """Return what a machine carries when it keeps a share of each resource free (`headroom`)."""
    used = 1 - headroom
    bytes_per_s = stream_bytes / stream_s
    cpu_share = (
        chunks_per_s * CHUNK_CPU_S + REQUEST_CPU_S / stream_s + bytes_per_s / BODY_BYTES_PER_CPU_S
    )
    return Capacity(
        cpu=used * node.cores / cpu_share,
        memory=used * MEMORY_SHARE * node.memory_bytes / HELD_BYTES,
        network=used * node.network_bits_s / (8 * bytes_per_s) if bytes_per_s else math.inf,
        held_max=used * HELD_MAX,
    )
