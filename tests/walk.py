"""Follow a page of the documentation as its reader does, and compare what the reader is shown."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from tests.aws_account import AwsAccount
from tests.deploy.moto_cloud import moto_cloud
from tests.kits.ports import free_port

ROOT = Path(__file__).parent.parent
TIMEOUT_S = 20
PACKAGE_TIMEOUT_S = 100
"""Wheels may have to be fetched, by `tailrace package` and by `cdk synth`."""
AWS = ("sh", "aws")
"""The words of a block with commands that are for AWS: they are checked, see `aws_command`."""
UNTRIED = ("sh", "untried")
"""The words of a block with commands for which there is nothing here. Its page says so."""
OF_A_SHELL = re.compile(r" [|>] |\$|\*")


class Block(NamedTuple):
    """A fenced block: the words behind its fence, and its text."""

    info: tuple[str, ...]
    text: str
    line: int


def blocks(name: str) -> list[Block]:
    """The fenced blocks of a document, or of one section (`PAGE#HEADING`), in order."""
    page, _, heading = name.partition("#")
    text = (ROOT / page).read_text()
    if heading:
        begin = text.index(f"\n## {heading}\n") + 1
        end = text.find("\n## ", begin)
        lines_before = text.count("\n", 0, begin)
        text = "\n" * lines_before + text[begin : None if end < 0 else end + 1]
    found = re.finditer(r"^```([\w -]+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [
        Block(tuple(each[1].split()), each[2], text.count("\n", 0, each.start()) + 1)
        for each in found
    ]


def block(name: str, language: str) -> Block:
    """The first block of a language in a document."""
    return next(each for each in blocks(name) if each.info[0] == language)


TITLE = re.compile(r"(?:#|//) ([\w./]+\.(?:py|sh|toml|mjs|txt|yaml)|[\w./]*Dockerfile)\n")
"""The first line of a block that is a file."""
WATCHED = (".py", ".toml", ".mjs", ".sh")
"""Files that `tailrace dev` looks at while it runs."""
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tailrace"
NODE_MODULES = CACHE / "npm"
SAM = CACHE / "sam" / "bin"
CDK = NODE_MODULES / "cdk" / "node_modules" / ".bin"
PATH = os.pathsep.join([str(Path(sys.executable).parent), str(CDK), os.environ["PATH"], str(SAM)])


class Walk:
    """Does what a page tells its reader to do, and compares what the reader is shown."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.project = directory / "hello"
        self.project.mkdir()
        self._account: AwsAccount | None = None
        self._clouds = ExitStack()
        self._has_cloud = False
        self._handler = "main.app"  # of the function that was packaged
        self._log_path = directory / "dev.log"
        self._seen = 0  # lines of the log that were there before the last command
        self._dev: subprocess.Popen[bytes] | None = None
        self._addresses: dict[str, str] = {}  # those of the page, and those that are used here
        self._environment = {
            **os.environ,
            "PATH": PATH,
            "NODE_NO_WARNINGS": "1",  # of its age
            "SAM_CLI_TELEMETRY": "0",
        }

    def _install_npm_packages(self) -> None:
        runtime = NODE_MODULES / "nodejs20.x" / "node_modules"
        modules = self.project / "node_modules"
        if modules.exists():
            return
        modules.mkdir()
        for package in (NODE_MODULES / "node_modules").iterdir():
            if not package.name.startswith("."):
                (modules / package.name).symlink_to(package)
        (modules / ".bin").symlink_to(runtime / ".bin")

    @property
    def public_url(self) -> str:
        """Where clients find the gateway, once it was started."""
        return f"http://{self._addresses['127.0.0.1:8080']}"

    def do(self, step: Block) -> None:
        """Follow one block."""
        title = TITLE.match(step.text)
        if title is not None:
            self._save(title[1], step.text)
        elif step.info == AWS:
            self._call_aws(step.text)
        elif step.info == ("sh", "export"):
            self._environment |= re.findall(r"^export (\w+)=(\S+)$", self._real(step.text), re.M)
        elif step.info == ("text", "log"):
            self._compare_log(step.text)
        elif step.info == ("console",):
            for command, shown in console_commands(step.text):
                output = self._run(command)
                assert matches(shown, output), f"line {step.line}: {command}\n{output}"

    def _save(self, name: str, text: str) -> None:
        begin = len(self._log())
        for address in re.findall(r'^listen = "(.*)"$', text, re.MULTILINE):
            self._addresses.setdefault(address, f"127.0.0.1:{free_port()}")
        if name.endswith(".mjs"):
            self._install_npm_packages()
        path = self.project / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(self._real(text))
        if self._dev is not None and path.suffix in WATCHED:
            told = (f"{name} changed", f"{name} is taken up")
            self._wait_for(lambda log: any(t in line for line in log[begin:] for t in told))

    def _call_aws(self, script: str) -> None:
        if self._account is None:
            account = AwsAccount(self._directory / "aws", self.project, self._handler)
            account.start()
            self._account = account
        self._environment |= self._account.run(script, self._environment)

    def _start_cloud(self) -> None:
        """Let `cdk` deploy to moto, without an account and whatever the machine's settings are."""
        if self._has_cloud:
            return
        cloud = self._clouds.enter_context(moto_cloud(self._directory / "moto.log"))
        self._environment |= cloud.variables
        self._has_cloud = True

    def _run(self, command: str) -> str:
        if command.startswith("tailrace dev"):
            self._stop_dev()
            return self._start(command.split()[2:])
        if packaged := re.match(r"tailrace package function .*--app ([\w.:]+)", command):
            self._handler = packaged[1].replace(":", ".")
        if command.startswith("curl ") and not command.startswith("curl -s"):
            command = command.replace("curl ", "curl -sS ", 1)
        self._seen = len(self._log())
        command = self._real(command)
        makes_packages = command.startswith(("tailrace package", "cdk "))
        if command.startswith("cdk "):
            self._start_cloud()
        done = subprocess.run(
            ["sh", "-c", command] if OF_A_SHELL.search(command) else shlex.split(command),
            cwd=self.project, env=self._environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
            timeout=PACKAGE_TIMEOUT_S if makes_packages else TIMEOUT_S,
        )  # fmt: skip
        output = done.stdout.decode().replace("\r\n", "\n")
        assert done.returncode == 0 or not makes_packages, output
        return output if output.endswith("\n") else output + "\n"

    def _real(self, text: str) -> str:
        """With the addresses that are used here."""
        for address, real in self._addresses.items():
            text = text.replace(address, real)
        return text

    def _start(self, targets: list[str]) -> str:
        any_port = "127.0.0.1:0"
        arguments = [*targets, "--listen", any_port, "--callback-listen", any_port]
        self._seen = 0
        with self._log_path.open("wb") as log:
            self._dev = subprocess.Popen(
                ["tailrace", "dev", *arguments, "--emulator-listen", any_port],
                cwd=self.project, env=self._environment, stderr=log,
            )  # fmt: skip
        self._wait_for(lambda log: any("Ctrl-C stops" in line for line in log))
        banner = self._log_path.read_text()
        named = (("Open|Gateway", "127.0.0.1:8080"), ("Lambda", "127.0.0.1:9000"))
        for name, address in named:
            (real,) = re.findall(rf"^ +(?:{name}) +http://([\d.:]+)", banner, re.MULTILINE)
            self._addresses[address] = real
        for address, real in self._addresses.items():
            banner = banner.replace(real, address)
        return banner

    def _compare_log(self, shown: str) -> None:
        """All of these lines come, in any order: several processes write to the log."""
        missing = [line + "\n" for line in shown.splitlines()]

        def are_there(log: list[str]) -> bool:
            nonlocal missing
            lines = [re.sub(r"\s+", " ", line).strip() for line in log[self._seen :]]
            missing = [
                each
                for each in missing
                if not any(matches(re.sub(r" +", " ", each), line + "\n") for line in lines)
            ]
            return not missing

        self._wait_for(are_there, lambda: f"not in the log: {missing}")

    def _log(self) -> list[str]:
        if not self._log_path.exists():
            return []
        return [line for line in self._log_path.read_text().splitlines(True) if line[-1] == "\n"]

    def _wait_for(
        self, condition: Callable[[list[str]], bool], failure: Callable[[], str] = str
    ) -> None:
        deadline_s = time.monotonic() + TIMEOUT_S
        while not condition(self._log()):
            assert self._dev is not None and self._dev.poll() is None, "".join(self._log())
            assert time.monotonic() < deadline_s, failure() + "\n" + "".join(self._log())
            time.sleep(0.01)

    def stop(self) -> None:
        """End what was started; it must end well."""
        if self._account is not None:
            self._account.stop()
            self._account = None
        self._clouds.close()
        self._stop_dev()

    def _stop_dev(self) -> None:
        if self._dev is not None:
            self._dev.send_signal(signal.SIGINT)
            assert self._dev.wait(TIMEOUT_S) == 0
            self._dev = None


def console_commands(text: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block, and what is shown of its output."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, shown = part.replace("\\\n", "").partition("\n")
        yield command, shown


def matches(shown: str, real: str) -> bool:
    """Whether a text is what a page shows; `…` stands for anything, on its own line for lines."""
    pattern = re.escape(shown).replace(r"…\n", "…\n")
    pattern = re.sub(r"^…\n", "(?:.*\n)*?", pattern.replace("\\\n", "\n"), flags=re.MULTILINE)
    return re.fullmatch(pattern.replace("…", ".*") + r"\s*", real) is not None


def walk_through(name: str, directory: Path, changes: Mapping[str, str] = {}) -> Path:
    """Do all that a page, or one section of it, tells its reader to do; return the project.

    `changes` of the page's text are what is done another way here.
    """
    walk = Walk(directory)
    try:
        for step in blocks(name):
            text = step.text
            for old, new in changes.items():
                text = text.replace(old, new)
            walk.do(step._replace(text=text))
    finally:
        walk.stop()
    return walk.project
