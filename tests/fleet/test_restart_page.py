"""The page "Restart without losing a request": its commands are run, its times fit together."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import yaml
from tests.command import environ_of
from tests.e2e.cut_function import CutLambda
from tests.fleet.node import Node
from tests.walk import block, console_commands, matches

from tailrace.cli.entry import whole_command_line
from tailrace.gateway.aws.auto_scaling import COMPLETE, HEARTBEAT

COMMANDS = whole_command_line()
PAGE = "docs/how-to/restart-without-losing-a-request.md"


def test_a_drain_by_hand_shows_what_the_page_shows(endpoint: CutLambda, tmp_path: Path) -> None:
    with Node(tmp_path, endpoint, "--workers", "1") as node:
        for command, shown in console_commands(block(PAGE, "console").text):
            here = command.replace("127.0.0.1:8082", node.admin).replace("curl ", "curl -sS ")
            words = shlex.split(here)
            if words[0] == "tailrace":
                words = [sys.executable, "-m", *words, "--admin", node.admin]
            done = subprocess.run(
                words, capture_output=True, text=True, timeout=20, check=True, env=environ_of()
            )

            assert matches(shown, done.stdout), done.stdout


def test_the_grace_period_of_the_pod_is_longer_than_its_drain() -> None:
    pod = yaml.safe_load(block(PAGE, "yaml").text)["spec"]
    (container,) = pod["containers"]

    name, *arguments = container["args"]
    command = COMMANDS.commands[name]
    values = command.make_context(name, ["--function", "f", *arguments]).params
    probe = container["readinessProbe"]

    drain_s = values["drain_delay_s"] + values["drain_timeout_s"]
    assert pod["terminationGracePeriodSeconds"] >= drain_s + 10
    assert values["drain_delay_s"] >= probe["periodSeconds"] * probe["failureThreshold"]
    hook = container["lifecycle"]["preStop"]["exec"]["command"]
    assert hook[0] == "tailrace"
    COMMANDS.commands[hook[1]].make_context(hook[1], hook[2:])


def test_the_permissions_on_ec2_are_those_of_the_calls_and_the_command_is_accepted() -> None:
    (statement,) = json.loads(block(f"{PAGE}#EC2", "json").text)["Statement"]
    _, name, *arguments = shlex.split(block(f"{PAGE}#EC2", "sh").text)
    values = COMMANDS.commands[name].make_context(name, arguments).params

    assert statement["Action"] == [f"autoscaling:{call}" for call in (HEARTBEAT, COMPLETE)]
    assert str(values["lifecycle_hook"]) == "drain"
    assert values["drain_delay_s"] + values["drain_timeout_s"] == 925
