"""What servers make of the limits of their process, and of its garbage collector."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


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


CONFIG = """
[functions.hello]
command = ["true"]

[[routes]]
path = "/*"
function = "hello"
"""
SERVERS = {
    "gateway": ("--callback-listen", "127.0.0.1:0", "--endpoint-url", "http://127.0.0.1:9"),
    "emulator": (),
    "dev": (),
}


@pytest.mark.parametrize("command", SERVERS)
def test_what_was_loaded_is_left_out_of_garbage_collections(command: str, tmp_path: Path) -> None:
    """Until then the server takes no signal; it ends in order."""
    (tmp_path / "tailrace.toml").write_text(CONFIG)
    code = """
import gc, os, signal, sys, threading, time
from tailrace.cli import main
def stop_once_frozen():
    while not gc.get_freeze_count():
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=stop_once_frozen, daemon=True).start()
main()
"""
    words = (command, "--config", "tailrace.toml", "--listen", "127.0.0.1:0", *SERVERS[command])
    result = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert result.returncode == 0, result.stderr
