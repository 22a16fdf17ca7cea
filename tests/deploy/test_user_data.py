"""The text of the user data: what is in it, and what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tailrace.config import load
from tailrace.deploy import limits
from tailrace.deploy.user_data import Boot, user_data
from tailrace.package.gateway import FILES

TOKEN = "${Token[TOKEN.123]}"
BOOT = Boot(
    source="s3://assets/gateway.zip",
    region="eu-central-1",
    config='[[routes]]\npath = "/*"\nfunction = "hello"\n',
    options=("--workers", "auto"),
    environment={},
    log_groups={},
    hook=None,
)


def file_in(script: str, path: str) -> str:
    """The text of a file that a script writes."""
    return script.partition(f"cat >{path} <<'TAILRACE_END_OF_FILE' &&\n")[2].partition(
        "\nTAILRACE_END_OF_FILE\n"
    )[0]


def test_configuration_and_environment_are_written_as_they_are() -> None:
    config = '[[routes]]\npath = "/*"\nfunction = "$(x)`y`$HOME\\\\"\nhost = "example.test"\n'
    script = user_data(replace(BOOT, config=config, environment={"NAME": "a $b; c"}))

    assert file_in(script, "/etc/tailrace/tailrace.toml") + "\n" == config
    assert load("tailrace.toml", text=config, runs_functions=False).routes[0].host == "example.test"
    assert file_in(script, "/etc/tailrace/gateway.env").splitlines() == [
        'TAILRACE_OPTIONS="--workers auto"',
        'AWS_REGION="eu-central-1"',
        'NAME="a $b; c"',
    ]


def test_each_file_has_its_log_group() -> None:
    script = user_data(replace(BOOT, log_groups={"boot.log": "one", "metrics.emf": TOKEN}))

    written = json.loads(file_in(script, "/etc/tailrace/cloudwatch-agent.json"))
    assert written["logs"]["logs_collected"]["files"]["collect_list"] == [
        {
            "file_path": "/var/log/tailrace/boot.log",
            "log_group_name": "one",
            "log_stream_name": "{instance_id}/boot.log",
        },
        {
            "file_path": "/var/log/tailrace/metrics.emf",
            "log_group_name": TOKEN,
            "log_stream_name": "{instance_id}/metrics.emf",
        },
    ]
    assert "\nhas_agent=true\n" in script
    assert "\nhas_agent=false\n" in user_data(BOOT)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"options": ["--workers 2"]}, "option '--workers 2' has white space"),
        ({"environment": {"A-B": "1"}}, "'A-B' is no name of a variable"),
        ({"environment": {"A": 'a"'}}, "variable A has a quote"),
        ({"environment": {"A": "a\nB=1"}}, "variable A has a quote, a backslash or a control"),
        ({"config": "# TAILRACE_END_OF_FILE"}, "tailrace.toml has TAILRACE_END_OF_FILE in it"),
        ({"log_groups": {"other.log": "g"}}, "'other.log' is none of the files gateway.log"),
    ],
)
def test_what_cannot_be_written_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        user_data(replace(BOOT, **changes))


def test_no_more_is_written_than_ec2_accepts() -> None:
    """A token counts for as much as may replace it."""
    room = limits.USER_DATA_BYTES_MAX - len(user_data(replace(BOOT, config="#")).encode())
    assert len(user_data(replace(BOOT, config="#" * (room + 1))).encode()) == 16_384

    with pytest.raises(ValueError, match=r"up to 16,385 bytes, and EC2 accepts 16,384; combine"):
        user_data(replace(BOOT, config="#" * (room + 2)))
    with pytest.raises(ValueError, match=r"up to 16,385 bytes"):
        user_data(replace(BOOT, config="#" * (room + 2 - limits.TOKEN_BYTES) + TOKEN))


def test_shellcheck_has_no_objection(tmp_path: Path) -> None:
    program = shutil.which("shellcheck", path=str(Path(sys.prefix) / "bin"))
    assert program is not None, "shellcheck is not installed: it is in the group test"
    (tmp_path / "user-data.sh").write_text(
        user_data(replace(BOOT, log_groups={"boot.log": "logs"}, hook="boot"))
    )
    scripts = [tmp_path / "user-data.sh", FILES / "install.sh"]

    checked = subprocess.run([program, *scripts], capture_output=True, text=True, check=False)

    assert checked.stdout == ""
    assert checked.returncode == 0
