"""A machine of a test's own: namespaces, a disk that is forgotten, and systemd as PID 1.

Its network is the loopback interface, with the address 10.0.0.7. Folders that are shared with it
have the same paths there.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from subprocess import Popen
from typing import Any, Self

import psutil
from tests.peers import until

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("machine.sh")
PATIENCE_S = 120
"""Of one command."""
OWN = ("--mount", "--net", "--pid", "--ipc", "--uts", "--cgroup")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def why_not() -> str | None:
    """Return why there can be no such machine here; None if there can."""
    if not Path("/lib/systemd/systemd").exists():
        return "systemd is not installed"
    done = subprocess.run(
        ["unshare", *OWN, "--fork", "mount", "-t", "tmpfs", "none", "/mnt"],
        capture_output=True,
        text=True,
        check=False,
    )
    return None if done.returncode == 0 else f"not allowed here: {done.stderr.strip()}"


class Machine:
    """It runs while it is entered. `folder` is empty; `shared` are further folders."""

    def __init__(self, folder: Path, *shared: Path) -> None:
        self._folder = folder
        self._started: list[Popen[Any]] = []
        self._shared = {ROOT, Path(sys.prefix), *shared}

    def __enter__(self) -> Self:
        self._unshare = subprocess.Popen(
            [
                *("unshare", *OWN, "--fork", "--kill-child", "sh", SCRIPT),
                *(self._folder, sys.base_prefix, sys.base_prefix, *self._shared),
            ],
            stdin=subprocess.DEVNULL,
        )
        try:
            until(self._is_up, "systemd to run")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._unshare.kill()  # and with it the machine, as by a power cut
        self._unshare.wait(PATIENCE_S)
        for process in self._started:  # their processes there have ended
            process.communicate(timeout=PATIENCE_S)

    def _is_up(self) -> bool:
        assert self._unshare.poll() is None, "the machine has not begun"
        children = psutil.Process(self._unshare.pid).children()
        if not children or children[0].name() != "systemd":
            return False
        self._pid = children[0].pid
        done = self.run("systemctl", "is-system-running", check=False)
        return done.stdout.strip() in ("running", "degraded")

    def command(self, *words: str | Path, environ: Mapping[str, str] = {}) -> list[str]:
        """Return the command that runs another one there."""
        variables = [f"{name}={text}" for name, text in {"PATH": PATH, **environ}.items()]
        enter = ("nsenter", "--target", str(self._pid), "--all", "--wdns=/")
        return [*enter, "env", "-i", *variables, *map(str, words)]

    def run(
        self, *words: str | Path, check: bool = True, environ: Mapping[str, str] = {}
    ) -> subprocess.CompletedProcess[str]:
        """Run a command there until it ends; it must succeed if `check`."""
        done = subprocess.run(
            self.command(*words, environ=environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert not check or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done

    def write(self, path: str, text: str) -> None:
        """Write a file there."""
        words = ("sh", "-c", 'mkdir -p "$(dirname "$1")" && cat >"$1"', "sh", path)
        subprocess.run(self.command(*words), input=text, text=True, check=True)

    def read(self, path: str) -> str:
        """Return what a file there contains."""
        return self.run("cat", path).stdout

    def start(
        self, *words: str | Path, environ: Mapping[str, str] = {}, **given: Any
    ) -> Popen[Any]:
        """Start a command there, which ends with the machine; `given` is for subprocess.Popen."""
        command = self.command(*words, environ=environ)
        process = Popen(command, stdin=subprocess.DEVNULL, **given)
        self._started.append(process)
        return process
