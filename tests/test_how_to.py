"""How-tos for AWS: what can be run here is run, the rest is checked or marked."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest
from tests.aws_account import AwsAccount

# --- the check of `aws` commands ---------------------------------------------------------------


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsAccount]:
    folder = tmp_path_factory.mktemp("account")
    account = AwsAccount(folder / "aws", folder, "main.app")
    account.start()
    yield account
    account.stop()


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("lambda get-function --name lines", "arguments are required: --function-name"),
        ("lambda create-function-url --function-name lines", "Invalid choice"),
        (
            "lambda create-function-url-config --function-name lines --auth-type NONE"
            " --invoke-mode STREAM",
            "STREAM is none of BUFFERED, RESPONSE_STREAM",
        ),
        ("lambda delete-function --function-name 'two words'", "two words is not of the form"),
        ("lambda get-function --function-name nobody", "GetFunction has not arrived"),
        ("--version", "no request was made"),
    ],
)
def test_a_mistake_in_a_command_is_found(account: AwsAccount, command: str, fault: str) -> None:
    """The emulator has a function `lines` alone."""
    with pytest.raises(AssertionError, match=re.escape(fault)):
        account.run(f"aws {command}", dict(os.environ))
