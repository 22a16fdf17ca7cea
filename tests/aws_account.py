"""The AWS of pages: the emulator with one function, and an `aws` command that talks to it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.aws_command import CHECKED_VARIABLE
from tests.command import AWS_FREE, Command

ROOT = Path(__file__).parents[1]
TIMEOUT_S = 60.0
"""For the commands of one block."""

CONFIGURATION = """
[functions.lines]
path = "{project}"
handler = "{handler}"

[functions.lines.url]
invoke_mode = "RESPONSE_STREAM"
"""
VARIABLES = {
    "AWS_ACCESS_KEY_ID": "dummy",
    "AWS_SECRET_ACCESS_KEY": "dummy",
    "AWS_DEFAULT_REGION": "eu-central-1",
}
OF_THE_SHELL = ("PWD", "OLDPWD", "SHLVL", "_")


class AwsAccount:
    """The function `lines` is there from the start, with the code of a project and a URL."""

    def __init__(self, folder: Path, project: Path, handler: str) -> None:
        folder.mkdir()
        self._project = project
        self._checked = folder / "checked"
        self._variables_file = folder / "variables"
        self._variables = {**VARIABLES, CHECKED_VARIABLE: str(self._checked)}
        command = folder / "aws"
        command.write_text(
            f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m tests.aws_command "$@"\n'
        )
        command.chmod(0o755)
        self._commands = folder
        config = folder / "tailrace.toml"
        config.write_text(CONFIGURATION.format(project=project, handler=handler))
        self._emulator = Command(["emulator", "--config", str(config), "--listen", "127.0.0.1:0"])

    def start(self) -> None:
        """Start the emulator."""
        self._emulator.__enter__()
        try:
            endpoint = self._emulator.wait_line(r"emulator on (http://[\d.]+:\d+)")[1]
            url = self._emulator.wait_line(r"Function URL (http://\S+) +lines, RESPONSE_STREAM")[1]
        except BaseException:
            self.stop()
            raise
        self._variables |= {"AWS_ENDPOINT_URL": endpoint, "FUNCTION_URL": url}

    def run(self, script: str, environment: Mapping[str, str]) -> dict[str, str]:
        """Run a script of `aws` commands, each of which must pass; return the variables it sets."""
        before = self._operations()
        given = {name: text for name, text in environment.items() if not name.startswith("AWS_")}
        given |= {**AWS_FREE, **self._variables}
        given["PATH"] = f"{self._commands}:{environment['PATH']}"
        done = subprocess.run(
            ["sh", "-eac", f'{script}\nenv -0 >"{self._variables_file}"'],
            cwd=self._project,
            env=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout.decode()}"
        assert len(self._operations()) - len(before) == script.count("aws "), done.stdout.decode()
        return self._set_by_script(given)

    def _operations(self) -> list[str]:
        """The operations that have arrived and were checked."""
        return self._checked.read_text().splitlines() if self._checked.exists() else []

    def _set_by_script(self, given: Mapping[str, str]) -> dict[str, str]:
        lines = self._variables_file.read_text().rstrip("\0").split("\0")
        variables = dict(line.split("=", 1) for line in lines)
        return {
            name: text
            for name, text in variables.items()
            if name not in OF_THE_SHELL and given.get(name) != text
        }

    def stop(self) -> None:
        """End the emulator."""
        self._emulator.__exit__()
