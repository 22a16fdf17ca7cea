"""Carry out a Dockerfile without Docker: in a folder, with a virtual environment for its Python.

What a file has of `FROM`, `USER` and `EXPOSE` is left out. Absolute paths lie in the folder.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

TIMEOUT_S = 100.0
BIND = re.compile(r"--mount=type=bind,source=(\S+),target=(\S+)\s+")
PATHS = re.compile(r"(?<![\w/.:])/(?:etc|var|wheels|function\.zip)\b")
"""The beginnings of absolute paths that a file uses."""


class Instruction(NamedTuple):
    """A line of the file, its continuation lines joined."""

    name: str
    text: str


def instructions(text: str) -> list[Instruction]:
    """Those of a file, in order."""
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", "").splitlines()
    return [Instruction(*line.split(None, 1)) for line in lines if line]


class Image:
    """What a Dockerfile makes of a context."""

    def __init__(self, text: str, context: Path, folder: Path) -> None:
        self._context = context
        self._folder = folder
        self.directory = folder
        """The working directory of its process."""
        self.commands: dict[str, list[str]] = {}
        """The words of ENTRYPOINT, CMD and HEALTHCHECK."""
        environment = folder / "environment"
        options = [] if "pip install" in text else ["--without-pip"]
        subprocess.run([sys.executable, "-m", "venv", *options, str(environment)], check=True)
        kept = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
        self.environ = {**kept, "PATH": f"{environment / 'bin'}:{os.environ['PATH']}"}
        for each in instructions(text):
            self._carry_out(each)

    def _carry_out(self, instruction: Instruction) -> None:
        name, text = instruction
        if name == "WORKDIR":
            self.directory = Path(self._real(text))
            self.directory.mkdir(parents=True)
        elif name == "COPY":
            self._copy(*text.split())
        elif name == "RUN":
            self._run(text)
        elif name in ("ENTRYPOINT", "CMD", "HEALTHCHECK"):
            words = json.loads(text.removeprefix("CMD "))
            self.commands[name] = [self._real(word) for word in words]
        else:
            assert name in ("FROM", "USER", "EXPOSE"), name

    def _copy(self, source: str, target: str) -> None:
        path = self.directory / self._real(target)
        assert target.endswith("/")
        path.mkdir(parents=True, exist_ok=True)
        if source.endswith("/"):
            shutil.copytree(self._context / source, path, dirs_exist_ok=True)
        else:
            shutil.copy(self._context / source, path)

    def _run(self, text: str) -> None:
        bound = []
        while match := BIND.match(text):
            bound.append(Path(self._real(match[2])))
            bound[-1].symlink_to(self._context / match[1])
            text = text[match.end() :]
        done = subprocess.run(
            ["sh", "-ec", self._real(text)],
            cwd=self.directory,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout.decode()
        for path in bound:
            path.unlink()

    def _real(self, text: str) -> str:
        return PATHS.sub(lambda match: f"{self._folder}{match[0]}", text)
