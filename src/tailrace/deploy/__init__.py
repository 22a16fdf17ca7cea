"""Infrastructure on AWS as constructs of the AWS CDK (extra `deploy`)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tailrace.deploy.alarms import Alarms
    from tailrace.deploy.balancer import Balancer
    from tailrace.deploy.distribution import Distribution
    from tailrace.deploy.gateway import Gateway
    from tailrace.deploy.network import Network
    from tailrace.deploy.site import StreamingSite
    from tailrace.deploy.streaming_function import StreamingFunction

__all__ = [
    "Alarms",
    "Balancer",
    "Distribution",
    "Gateway",
    "Network",
    "StreamingFunction",
    "StreamingSite",
]

_HOMES: Final = {
    "Alarms": "alarms",
    "Balancer": "balancer",
    "Distribution": "distribution",
    "Gateway": "gateway",
    "Network": "network",
    "StreamingFunction": "streaming_function",
    "StreamingSite": "site",
}


def __getattr__(name: str) -> Any:
    """Import a construct when it is used: the CDK starts Node.js, and not all here needs it."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"tailrace.deploy.{home}"), name)
