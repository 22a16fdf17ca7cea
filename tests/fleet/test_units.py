"""The units of the page about servers, as systemd reads them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "run-the-gateway.md"


def test_systemd_has_nothing_to_say_about_the_units(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    assert program is not None, "systemd-analyze is not installed: make test installs it"
    blocks = re.findall(
        r"^```ini\n# /etc/systemd/system/(\S+)\n(.*?)^```$", PAGE.read_text(), re.M | re.DOTALL
    )
    units = dict(blocks)
    assert units.keys() == {"gateway.service", "gateway.socket"}
    command = "/opt/tailrace/bin/tailrace"
    assert units["gateway.service"].count(command) == 1
    # The program must be there for systemd to be content.
    units["gateway.service"] = units["gateway.service"].replace(command, "/bin/true")
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
    assert (ran.returncode, said) == (0, []), ran.stderr
