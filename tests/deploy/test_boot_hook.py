"""The boot script completes its lifecycle hook, unless nothing waits for that."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tailrace.deploy import limits
from tailrace.deploy.user_data import Boot, user_data

BOOT = Boot(
    source="s3://assets/gateway.zip",
    region="eu-central-1",
    config="",
    options=[],
    environment={},
    log_groups={},
    hook="boot",
)

FUNCTIONS = ("fail", "retry", "metadata", "complete_hook")
PLAYED = {
    # The metadata service, and Auto Scaling, which answers ANSWER; no error if that is empty.
    "curl": '#!/bin/sh\nfor last; do :; done\nbasename "$last"\n',
    "aws": '#!/bin/sh\necho "$*" >>calls\n[ -z "$ANSWER" ] && exit\necho "$ANSWER" >&2\nexit 254\n',
    "sleep": "#!/bin/sh\n",
}
DENIED = (
    "An error occurred (AccessDenied) when calling the CompleteLifecycleAction operation: User is"
    " not authorized to perform: autoscaling:CompleteLifecycleAction"
)
NOTHING = (
    "An error occurred (ValidationError) when calling the CompleteLifecycleAction operation: No"
    " active Lifecycle Action found with instance ID i-1"
)


def complete(folder: Path, answer: str) -> subprocess.CompletedProcess[str]:
    """Run that part of the script."""
    for name, text in PLAYED.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    script = user_data(BOOT)
    found = [re.search(rf"^{name}\(\) {{\n.*?^}}\n", script, re.M | re.S) for name in FUNCTIONS]
    parts = [match[0] for match in found if match is not None]
    assert len(parts) == len(FUNCTIONS)
    program = "\n".join(["set -u", "region=eu-central-1", "hook=boot", *parts, "complete_hook"])
    return subprocess.run(
        ["bash", "-c", program],
        cwd=folder,
        env={"PATH": f"{folder}:{os.environ['PATH']}", "ANSWER": answer},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_hook_of_its_own_group_is_completed(tmp_path: Path) -> None:
    done = complete(tmp_path, "")

    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "calls").read_text() == (
        "autoscaling complete-lifecycle-action --region eu-central-1 --lifecycle-hook-name boot"
        " --lifecycle-action-result CONTINUE --auto-scaling-group-name aws:autoscaling:groupName"
        " --instance-id instance-id\n"
    )


@pytest.mark.parametrize(
    ("answer", "code", "last_line"),
    [
        (NOTHING, 0, "boot: nothing waits for the hook boot of aws:autoscaling:groupName"),
        (
            DENIED,
            1,
            "boot: failed: the hook boot of aws:autoscaling:groupName cannot be completed; check"
            " the role, and the endpoint for autoscaling",
        ),
    ],
    ids=["the first machine of a stack", "no right"],
)
def test_a_hook_that_cannot_be_completed_is_a_failure_if_something_waits(
    tmp_path: Path, answer: str, code: int, last_line: str
) -> None:
    """The first machines of a stack are launched before their group has the hook."""
    done = complete(tmp_path, answer)

    assert done.returncode == code
    assert done.stdout.splitlines()[-1] == last_line
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) == limits.BOOT_ATTEMPTS + 1
