"""The units of the gateway's folder, as systemd reads them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tailrace.package.gateway import FILES


def test_systemd_has_nothing_to_say_about_the_units(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    assert program is not None, "systemd-analyze is not installed: make test installs it"
    units = {path.name: path.read_text() for path in FILES.glob("gateway*.*")}
    command = "/opt/tailrace/bin/python"
    assert units["gateway.service"].count(command) == 1
    # The program must be there for systemd to be content.
    units["gateway.service"] = units["gateway.service"].replace(command, "/bin/true")
    drop_in = tmp_path / "gateway.service.d"
    drop_in.mkdir()
    (drop_in / "10-files.conf").write_text(units.pop("gateway-files.conf"))
    for name, text in units.items():
        (tmp_path / name).write_text(text)

    paths = [str(tmp_path / name) for name in units]
    # As in an installation of its own, whose other units do not matter here.
    ran = subprocess.run(
        [program, "verify", "--man=no", *paths],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    said = [line for line in ran.stderr.splitlines() if str(tmp_path) in line or "gateway" in line]
    assert sorted(units) == [
        "gateway-logs.service",
        "gateway-logs.timer",
        "gateway.service",
        "gateway.socket",
    ]
    assert (ran.returncode, said) == (0, []), ran.stderr
