"""The Lambda function behind two custom resources of a stack.

It runs in a managed Python runtime with the standard library and that runtime's boto3, so it
imports nothing of this package.

- `Custom::TailraceInstanceRefresh` (GroupName, LaunchTemplateVersion, Preferences): when the
  version changes, start an instance refresh of the Auto Scaling group and return at once. A refresh
  that is in progress is cancelled first. The refresh has no desired configuration: CloudFormation
  has set the group's version before, and while a refresh with a desired configuration runs, AWS
  refuses every change of the group's launch template (Auto Scaling User Guide, "How an instance
  refresh works", read 2026-11). A roll-back of the stack is an update to the old version.
- `Custom::TailracePrefixListId` (Name): the id of a managed prefix list, which differs by region.

Every request is answered, also after a failure and shortly before the function's time-out:
CloudFormation waits an hour for an answer that does not come.
"""

from __future__ import annotations

import json
import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import boto3  # type: ignore[import-untyped]
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

LOG = logging.getLogger("tailrace.helper")
LOG.setLevel(logging.INFO)

ANSWER_S = 30
"""Kept of the function's time for the answer: all attempts, with their pauses."""
ATTEMPTS = 3
ATTEMPT_TIMEOUT_S = 4
"""One silence of CloudFormation's bucket: while connecting, and before its answer."""
PAUSE_S = 2
"""Between two attempts to answer."""
POLL_S = 5
"""Between two attempts to start a refresh, while another one is being cancelled."""
REASON_CHARS_MAX = 700
"""CloudFormation reads 4,096 bytes of an answer; a character may have four."""
CALLS = Config(
    connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 6}
)
"""Of AWS's APIs; throttled calls are repeated."""

DENIED = (
    "allow it in the role of this function (a launch template: ec2:RunInstances, ec2:CreateTags and"
    " iam:PassRole too), or find the service control policy or permissions boundary that denies it"
)
ADVICE = {"AccessDenied": DENIED, "UnauthorizedOperation": DENIED}
"""What to do, by error code."""

Event = dict[str, Any]


class RequestFailed(Exception):
    """The request fails; the text is for the person who deploys."""


class TimeIsUp(BaseException):
    """The function's time ends soon. No `except Exception` on the way may take it."""


def handler(event: Event, context: Any) -> None:
    """Do what CloudFormation asks, and answer it.

    Raises:
        ConnectionError: the answer could not be delivered. Lambda then repeats the event twice.
    """
    physical_id = event.get("PhysicalResourceId") or event["LogicalResourceId"]
    status, reason = "SUCCESS", ""
    data: dict[str, str] = {}
    try:
        with time_limit(context.get_remaining_time_in_millis() / 1000 - ANSWER_S):
            physical_id, data = resource_of(event)(event, event["ResourceProperties"])
    except BaseException as error:
        status, reason = "FAILED", reason_of(error)
        if event["RequestType"] == "Delete":  # or the stack could not be deleted
            status = "SUCCESS"
    request = f"{event['RequestType']} {event['LogicalResourceId']} ({physical_id})"
    LOG.info("%s: %s %s", request, status, reason)
    echoed = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    outcome = {"Status": status, "Reason": reason, "PhysicalResourceId": physical_id, "Data": data}
    answer(event["ResponseURL"], json.dumps(echoed | outcome, ensure_ascii=False).encode())


def refresh_instances(event: Event, properties: Event) -> tuple[str, dict[str, str]]:
    """The physical id is the group's name: another group is another resource."""
    group = properties["GroupName"]
    before = event.get("OldResourceProperties", {})
    client = boto3.client("autoscaling", config=CALLS)
    if event["RequestType"] == "Delete":
        cancel(client, group)
    elif (
        event["RequestType"] == "Update"
        and before.get("GroupName") == group  # the instances of a new group are new
        and before.get("LaunchTemplateVersion") != properties["LaunchTemplateVersion"]
    ):
        preferences = properties.get("Preferences", {})
        refresh = start(client, group, {name: typed(each) for name, each in preferences.items()})
        LOG.info("%s: instance refresh %s has been started", group, refresh)
    return group, {}


def find_prefix_list(event: Event, properties: Event) -> tuple[str, dict[str, str]]:
    """The physical id is the list's."""
    if event["RequestType"] == "Delete":
        return event["PhysicalResourceId"], {}
    name = properties["Name"]
    client = boto3.client("ec2", config=CALLS)
    wanted = [{"Name": "prefix-list-name", "Values": [name]}]
    found = client.describe_managed_prefix_lists(Filters=wanted)["PrefixLists"]
    if not found:
        raise RequestFailed(
            f"{client.meta.region_name} has no managed prefix list {name}; compare the name with"
            " those in the VPC console, or give the id of the list to the construct"
        )
    return found[0]["PrefixListId"], {"PrefixListId": found[0]["PrefixListId"]}


RESOURCES: dict[str, Callable[[Event, Event], tuple[str, dict[str, str]]]] = {
    "Custom::TailraceInstanceRefresh": refresh_instances,
    "Custom::TailracePrefixListId": find_prefix_list,
}


def resource_of(event: Event) -> Callable[[Event, Event], tuple[str, dict[str, str]]]:
    """Raises RequestFailed if the template and this code are of different versions."""
    kind = event["ResourceType"]
    if kind not in RESOURCES:
        raise RequestFailed(f"this function does not know {kind}; deploy the stack again")
    return RESOURCES[kind]


def start(client: Any, group: str, preferences: Event) -> str:
    """Start a refresh and return its id; cancel the one that is in progress.

    A repeated start replaces nothing twice with SkipMatching, so Lambda may repeat the event.
    """
    last = "AWS did not answer"
    try:
        while True:
            try:
                started = client.start_instance_refresh(
                    AutoScalingGroupName=group, Preferences=preferences
                )
            except ClientError as error:
                if code_of(error) not in ("InstanceRefreshInProgress", "ResourceContention"):
                    raise
                last = str(error)
                if code_of(error) == "InstanceRefreshInProgress":
                    cancel(client, group)
                time.sleep(POLL_S)
            else:
                return str(started["InstanceRefreshId"])
    except TimeIsUp:
        raise RequestFailed(
            f"no instance refresh of {group} could be started in time: {last}; wait until the one"
            " before has ended (EC2 console, Auto Scaling group, Instance refresh), then deploy"
            " again"
        ) from None


def cancel(client: Any, group: str) -> None:
    """Cancel the refresh that is in progress, if any.

    It does not wait for instances that drain: they keep their time.
    """
    try:
        client.cancel_instance_refresh(
            AutoScalingGroupName=group, WaitForTransitioningInstances=False
        )
    except ClientError as error:
        if code_of(error) not in ("ActiveInstanceRefreshNotFound", "ResourceContention"):
            raise


def typed(value: Any) -> Any:
    """CloudFormation passes numbers and truth values as strings."""
    if isinstance(value, list):
        return [typed(each) for each in value]
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises TimeIsUp in the block when its time is over, whatever it waits for."""

    def interrupt(*_: object) -> None:
        raise TimeIsUp

    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def code_of(error: ClientError) -> str:
    """AWS's code of an error."""
    return str(error.response.get("Error", {}).get("Code"))


def reason_of(error: BaseException) -> str:
    """What happened and what to do, for CloudFormation's events."""
    match error:
        case RequestFailed():
            text = str(error)
        case TimeIsUp():
            text = "AWS's API did not answer in time; deploy again"
        case ClientError():
            text = f"{error}; {ADVICE.get(code_of(error), 'correct that, then deploy again')}"
        case BotoCoreError():
            text = f"{error}; deploy again"
        case _:
            LOG.error("unexpected", exc_info=error)
            text = f"{type(error).__name__}: {error}; the log of this function has the place"
    return text[:REASON_CHARS_MAX]


def answer(url: str, body: bytes) -> None:
    """Put the answer into CloudFormation's bucket. The URL is a secret: no message has it."""
    parts = urlsplit(url)
    connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    problem = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_S)
        connection = connect(parts.netloc, timeout=ATTEMPT_TIMEOUT_S)
        try:
            connection.request("PUT", f"{parts.path}?{parts.query}", body)
            status = connection.getresponse().status
        except (OSError, HTTPException) as error:
            problem = type(error).__name__
        else:
            if status < 300:
                return
            problem = f"status {status}"
        finally:
            connection.close()
    raise ConnectionError(f"CloudFormation's bucket did not take the answer: {problem}")
