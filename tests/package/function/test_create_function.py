"""The command of the report, as the `aws` command itself reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.aws_account import AwsAccount
from tests.aws_command import ACCOUNT, ANSWERS
from tests.command import environ_of
from tests.package.function.project import package, write

HANDLER = {"app.py": "def handler(event, context):\n    return 1\n"}


@pytest.mark.parametrize(
    "options",
    [
        ("--architecture", "arm64", "--python", "3.11"),
        ("--architecture", "x86_64", "--python", "3.14", "--bundle"),
    ],
)
def test_the_aws_command_takes_the_command_of_the_report(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    project = write(tmp_path / "my shop", HANDLER)
    done = package(project, tmp_path / "f.zip", "--app", "app:handler", *options)
    command = done.stdout.partition("make the function:\n")[2]
    command = command.replace("ARN-OF-THE-LAYER-VERSION", ANSWERS["LayerVersionArn"])
    command = command.replace("ACCOUNT:role/ROLE", f"{ACCOUNT}:role/lines")

    account = AwsAccount(tmp_path / "aws", project, "app.handler")
    account.start()
    try:
        account.run(command, environ_of())
    finally:
        account.stop()
