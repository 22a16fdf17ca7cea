"""What a gateway makes of the limits of its process."""

from __future__ import annotations

import subprocess
import sys


def test_a_gateway_takes_no_more_than_its_open_files_allow() -> None:
    code = """
import resource
from tailrace.gateway.transports.choice import Transports
from tailrace.config import GatewayConfig
from tailrace.gateway.service import Gateway
from tailrace.gateway.settings import GatewaySettings
from tailrace.net.process.descriptors import raise_descriptor_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (500, 1024))
raise_descriptor_limit()
few = GatewayConfig(uploads_max=5)
for settings in (GatewaySettings(), GatewaySettings(held_max=100, config=few)):
    found = Gateway(settings, Transports(), lambda host, path: None).settings
    print(found.held_max, found.clients_max, found.callbacks_max, found.config.uploads_max)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert result.stdout.splitlines() == ["312 424 344 106", "100 424 344 5"]
