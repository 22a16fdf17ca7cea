"""The helper's function, run as Lambda runs it, between played APIs and a played bucket."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.command import environ_of
from tests.deploy.played_aws import PlayedAws

from tailrace.deploy.helper import resources

DRIVER = Path(__file__).with_name("lambda_driver.py")
CODE = resources.CODE / "index.py"
STACK = {
    "StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/site/8e0c",
    "RequestId": "5d478078-13e9-baf0-464a-7ef285ecc786",
    "LogicalResourceId": "GatewayRefresh1A2B",
}
PREFERENCES = {
    "MinHealthyPercentage": "100",
    "MaxHealthyPercentage": "200",
    "InstanceWarmup": "0",
    "SkipMatching": "true",
    "ScaleInProtectedInstances": "Ignore",
    "StandbyInstances": "Ignore",
}
"""As CloudFormation passes them: all of them are strings."""


class RunningHelper:
    """The function in a process of its own, and what it has logged."""

    def __init__(self, aws: PlayedAws) -> None:
        self.aws = aws
        self.log = ""
        self._process = subprocess.Popen(
            [sys.executable, str(DRIVER), str(CODE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environ_of(
                {
                    "AWS_ENDPOINT_URL": aws.url,
                    "AWS_REGION": "us-east-1",
                    "AWS_DEFAULT_REGION": "us-east-1",
                    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
                    "AWS_SECRET_ACCESS_KEY": "hidden",
                }
            ),
        )

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=20)

    def run(self, event: Mapping[str, Any], timeout_s: float = resources.TIMEOUT_S) -> str:
        """Handle one event; return "RETURNED" or "RAISED"."""
        whole = {**STACK, "ResponseURL": self.aws.response_url, **event}
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([whole, timeout_s]) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.rstrip() in ("RETURNED", "RAISED"):
                return line.rstrip()
            self.log += line
        raise AssertionError(self.log)

    def ask(self, event: Mapping[str, Any], **more: float) -> dict[str, Any]:
        """Handle one event, and return the answer to CloudFormation."""
        before = len(self.aws.answers)
        assert self.run(event, **more) == "RETURNED", self.log
        (answer,) = self.aws.answers[before:]
        assert {name: answer[name] for name in STACK} == STACK
        assert answer["Status"] == "SUCCESS" or answer["Reason"]
        return answer


@pytest.fixture(scope="module")
def running() -> Iterator[RunningHelper]:
    """As on Lambda one process handles many events."""
    with PlayedAws() as aws:
        helper = RunningHelper(aws)
        yield helper
        helper.close()


@pytest.fixture
def helper(running: RunningHelper) -> Iterator[RunningHelper]:
    running.aws.reset()
    running.log = ""
    yield running
    assert "secret" not in running.log
    assert "hidden" not in running.log


def refresh(
    kind: str, version: str = "2", old: str = "", group: str = "gateways"
) -> dict[str, Any]:
    """A request about the refresh of a group; `old` is the version before."""
    event: dict[str, Any] = {
        "RequestType": kind,
        "ResourceType": resources.INSTANCE_REFRESH,
        "ResourceProperties": {
            "ServiceToken": "arn:aws:lambda:us-east-1:123456789012:function:helper",
            "GroupName": group,
            "LaunchTemplateVersion": version,
            "Preferences": PREFERENCES,
        },
    }
    if kind != "Create":
        event["PhysicalResourceId"] = "gateways"
    if old:
        properties = {**event["ResourceProperties"], "LaunchTemplateVersion": old}
        event["OldResourceProperties"] = {**properties, "GroupName": "gateways"}
    return event


def prefix_list(kind: str, name: str = resources.CLOUDFRONT_PREFIX_LIST) -> dict[str, Any]:
    """A request about the id of a prefix list."""
    event = {
        "RequestType": kind,
        "ResourceType": resources.PREFIX_LIST_ID,
        "ResourceProperties": {"Name": name},
    }
    return event if kind == "Create" else {**event, "PhysicalResourceId": "pl-3b927c52"}


def test_a_new_group_is_not_refreshed(helper: RunningHelper) -> None:
    answer = helper.ask(refresh("Create", "1"))

    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "gateways")
    assert helper.aws.calls == []


def test_a_new_launch_template_starts_a_refresh(helper: RunningHelper) -> None:
    answer = helper.ask(refresh("Update", "2", old="1"))

    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "gateways")
    ((action, fields),) = helper.aws.calls
    del fields["Version"]
    assert action == "StartInstanceRefresh"
    assert fields == {
        "Action": "StartInstanceRefresh",
        "AutoScalingGroupName": "gateways",
        **{f"Preferences.{name}": text for name, text in PREFERENCES.items()},
    }
    assert "instance refresh refresh-1 has been started" in helper.log


def test_other_changes_do_not_refresh(helper: RunningHelper) -> None:
    """The preferences or the function change; the instances are those of the template."""
    answer = helper.ask(refresh("Update", "2", old="2"))

    assert answer["Status"] == "SUCCESS"
    assert helper.aws.calls == []


def test_a_replaced_group_is_not_refreshed_and_the_old_one_is_left(helper: RunningHelper) -> None:
    """Its instances are new. CloudFormation then deletes the resource of the old name."""
    answer = helper.ask(refresh("Update", "2", old="1", group="others"))

    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "others")
    assert helper.aws.calls == []


def test_a_refresh_in_progress_is_cancelled_first(helper: RunningHelper) -> None:
    """A deploy behind a deploy. The cancellation ends after three more attempts."""
    helper.aws.refreshing, helper.aws.cancelling = "refresh-0", 3

    answer = helper.ask(refresh("Update", "3", old="2"))

    assert answer["Status"] == "SUCCESS"
    start, cancel = "StartInstanceRefresh", "CancelInstanceRefresh"
    assert helper.aws.actions() == [start, cancel, start, cancel, start]
    waits = [fields["WaitForTransitioningInstances"] for name, fields in helper.aws.calls[1::2]]
    assert waits == ["false", "false"]  # draining gateways would hold the deploy for as long
    assert helper.aws.refreshing == "refresh-1"


def test_a_roll_back_refreshes_to_the_old_version(helper: RunningHelper) -> None:
    """CloudFormation updates to the properties of before, while the refresh still runs."""
    helper.ask(refresh("Update", "2", old="1"))

    answer = helper.ask(refresh("Update", "1", old="2"))

    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "gateways")
    assert helper.aws.refreshing == "refresh-2"
    assert "CancelInstanceRefresh" in helper.aws.actions()


def test_a_cancellation_that_does_not_end_fails_in_time(helper: RunningHelper) -> None:
    helper.aws.refreshing, helper.aws.cancelling = "refresh-0", 1_000_000

    answer = helper.ask(refresh("Update", "3", old="2"), timeout_s=30.5)  # 30 s are for the answer

    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("no instance refresh of gateways could be started in time: ")
    assert "InstanceRefreshInProgress" in answer["Reason"]
    assert answer["Reason"].endswith("then deploy again")


def test_a_silent_api_is_answered_in_time(helper: RunningHelper) -> None:
    """CloudFormation would wait for an hour."""
    helper.aws.is_silent.set()

    answers = [
        helper.ask(event, timeout_s=30.2)
        for event in (refresh("Update", "3", old="2"), prefix_list("Create"), refresh("Delete"))
    ]

    assert [each["Status"] for each in answers] == ["FAILED", "FAILED", "SUCCESS"]
    assert "AWS did not answer" in answers[0]["Reason"]
    assert answers[1]["Reason"] == "AWS's API did not answer in time; deploy again"
    assert answers[1]["PhysicalResourceId"] == STACK["LogicalResourceId"]


@pytest.mark.parametrize("code", ["Throttling", "ResourceContention"])
def test_throttled_calls_are_repeated(helper: RunningHelper, code: str) -> None:
    helper.aws.errors = [("StartInstanceRefresh", 400, code, "Rate exceeded")] * 2

    answer = helper.ask(refresh("Update", "2", old="1"))

    assert answer["Status"] == "SUCCESS"
    assert helper.aws.actions() == ["StartInstanceRefresh"] * 3


def test_a_denied_call_fails_with_what_to_allow(helper: RunningHelper) -> None:
    text = "User: arn is not authorized to perform: autoscaling:StartInstanceRefresh on resource: g"
    helper.aws.errors = [("StartInstanceRefresh", 403, "AccessDenied", text)]

    answer = helper.ask(refresh("Update", "2", old="1"))

    assert (answer["Status"], answer["PhysicalResourceId"]) == ("FAILED", "gateways")
    assert text in answer["Reason"]
    assert "allow it in the role of this function" in answer["Reason"]
    assert helper.aws.actions() == ["StartInstanceRefresh"]


def test_a_long_reason_fits_the_answer(helper: RunningHelper) -> None:
    """4,096 bytes; the played bucket counts them."""
    helper.aws.errors = [("StartInstanceRefresh", 400, "ValidationError", "\N{SNAKE}" * 5_000)]

    answer = helper.ask(refresh("Update", "2", old="1"))

    assert answer["Status"] == "FAILED"
    assert "ValidationError" in answer["Reason"]


def test_a_deletion_cancels_the_refresh(helper: RunningHelper) -> None:
    helper.aws.refreshing = "refresh-0"

    answer = helper.ask(refresh("Delete"))

    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "gateways")
    assert helper.aws.actions() == ["CancelInstanceRefresh"]


@pytest.mark.parametrize(
    "error",
    [
        ("ActiveInstanceRefreshNotFound", "No in progress or pending Instance Refresh found"),
        (
            "ValidationError",
            "AutoScalingGroup name not found - AutoScalingGroup gateways not found",
        ),
        ("AccessDenied", "not authorized"),
    ],
)
def test_a_deletion_never_fails(helper: RunningHelper, error: tuple[str, str]) -> None:
    helper.aws.errors = [("CancelInstanceRefresh", 400, *error)]

    answer = helper.ask(refresh("Delete"))

    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "gateways")


def test_the_id_of_a_prefix_list_is_found(helper: RunningHelper) -> None:
    for kind in ("Create", "Update", "Delete"):
        answer = helper.ask(prefix_list(kind))

        assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "pl-3b927c52")
        assert answer["Data"] == ({} if kind == "Delete" else {"PrefixListId": "pl-3b927c52"})
    assert helper.aws.actions() == ["DescribeManagedPrefixLists"] * 2


def test_an_unknown_prefix_list_fails_with_its_name(helper: RunningHelper) -> None:
    answer = helper.ask(prefix_list("Create", "com.example.none"))

    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("us-east-1 has no managed prefix list com.example.none; ")


def test_a_denied_look_up_fails_with_what_to_allow(helper: RunningHelper) -> None:
    error = ("DescribeManagedPrefixLists", 403, "UnauthorizedOperation", "You are not authorized")
    helper.aws.errors = [error]

    answer = helper.ask(prefix_list("Create"))

    assert answer["Status"] == "FAILED"
    assert "allow it in the role of this function" in answer["Reason"]


def test_what_nobody_has_thought_of_is_answered(helper: RunningHelper) -> None:
    broken = refresh("Update", "2", old="1")
    del broken["ResourceProperties"]["GroupName"]

    unknown = helper.ask({**prefix_list("Create"), "ResourceType": "Custom::TailraceOther"})
    missing = helper.ask(broken)

    assert unknown["Reason"] == (
        "this function does not know Custom::TailraceOther; deploy the stack again"
    )
    assert missing["Status"] == "FAILED"
    assert missing["Reason"].startswith("KeyError: 'GroupName'; ")
    assert "Traceback" in helper.log


def test_an_answer_is_repeated_until_it_is_taken(helper: RunningHelper) -> None:
    helper.aws.statuses = [503, 0]

    answer = helper.ask(prefix_list("Create"))

    assert answer["Status"] == "SUCCESS"
    assert len(helper.aws.puts) == 3
    for headers in helper.aws.puts:
        assert set(headers) == {"host", "accept-encoding", "content-length"}


def test_an_answer_that_nobody_takes_ends_the_invocation_with_an_error(
    helper: RunningHelper,
) -> None:
    """Lambda repeats the event, which is harmless: the refresh that runs is begun again."""
    helper.aws.statuses = [403] * 3

    assert helper.run(refresh("Update", "2", old="1")) == "RAISED"
    assert "CloudFormation's bucket did not take the answer: status 403" in helper.log
    assert helper.ask(refresh("Update", "2", old="1"))["Status"] == "SUCCESS"
    assert helper.aws.refreshing == "refresh-2"
