"""The layer, made and unpacked as it is for Lambda."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What /opt has: the layer's archive, unpacked with its modes."""
    folder = tmp_path_factory.mktemp("layer")
    command = [sys.executable, "-m", "tailrace", "package", "layer", "-o", "layer.zip"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    subprocess.run(["unzip", "-q", "layer.zip", "-d", "opt"], cwd=folder, check=True, timeout=60)
    return folder / "opt"


@pytest.fixture(scope="session")
def version() -> str:
    """The minor version of the managed runtime's Python."""
    return "{}.{}".format(*sys.version_info)
