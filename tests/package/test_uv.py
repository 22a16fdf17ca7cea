"""uv as a process: its steps, its errors, its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailrace.errors import PackageError
from tailrace.package import uv
from tailrace.package.uv import run_uv


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A program in uv's place."""
    path = folder / "uv"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setattr(uv, "uv_program", lambda: str(path))


def test_steps_are_seen_while_uv_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """uv goes on only when its first step has been seen."""
    gate = tmp_path / "gate"
    program(
        tmp_path,
        monkeypatch,
        'printf "Using CPython\\nDownloading numpy (14.6MiB)\\n Downloaded" >&2;'
        f' while ! [ -e "{gate}" ];'
        ' do sleep 0.01; done; printf " numpy\\n" >&2; cat; echo end',
    )
    seen = []

    def on_line(line: str) -> None:
        seen.append(line)
        gate.touch()

    assert run_uv((), "input " * 50_000, on_line=on_line) == "input " * 50_000 + "end\n"
    assert seen[0] == "Downloading numpy (14.6MiB)"
    assert seen[1:] in ([], ["Downloaded numpy"])


def test_the_error_is_what_stands_behind_the_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "Resolved 3 packages\\nerror: no wheel\\n  cause: none\\n"
    program(tmp_path, monkeypatch, f'printf "{told}" >&2; exit 2')

    with pytest.raises(PackageError) as raised:
        run_uv(())

    assert raised.value.args == ("error: no wheel\n  cause: none",)


def test_uv_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uv, "STEP_TIMEOUT_S", 0.3)
    program(tmp_path, monkeypatch, f'echo $$ >"{tmp_path}/pid"; exec sleep 100')

    with pytest.raises(PackageError, match=r"uv did not end within 0\.3 s: try again"):
        run_uv(())

    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()
