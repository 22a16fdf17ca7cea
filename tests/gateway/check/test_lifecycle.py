"""What `--check` finds out for `--lifecycle-hook`, from a played instance and API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.fleet.instance import DENIED, NO_ACTION, THROTTLED, Error, Instance

from tailrace.config import HookName
from tailrace.errors import ConfigError
from tailrace.gateway.aws.auto_scaling import LifecycleAction
from tailrace.gateway.aws.metadata import InstanceMetadata
from tailrace.gateway.check.finding import Finding
from tailrace.gateway.check.lifecycle import check_lifecycle
from tailrace.net.process.startup import run

SUBJECT = "--lifecycle-hook drain"


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Iterator[Instance]:
    with Instance() as instance:
        for name, value in instance.environ.items():  # of botocore, in this process
            monkeypatch.setenv(name, value)
        yield instance
    assert instance.surprises == []


def found(instance: Instance) -> Finding:
    return run(check_lifecycle(HookName(None, "drain"), instance.environ))


def test_an_instance_that_serves_may_make_the_calls(instance: Instance) -> None:
    assert found(instance) == Finding(
        "ok",
        SUBJECT,
        "InService, and calls for gateways/drain are permitted"
        f" (now: ValidationError: {NO_ACTION})",
    )


def test_an_instance_that_waits_in_the_hook_is_told_so(instance: Instance) -> None:
    instance.terminate()

    text = "Terminated, and calls for gateways/drain are permitted"
    assert found(instance) == Finding("ok", SUBJECT, text)


def test_a_missing_permission_is_a_warning_that_names_it(instance: Instance) -> None:
    instance.every = DENIED

    finding = found(instance)

    assert (finding.level, finding.text) == ("warning", f"AccessDenied: {DENIED.message}")
    assert finding.remedy is not None
    assert "autoscaling:RecordLifecycleActionHeartbeat" in finding.remedy
    assert "autoscaling:CompleteLifecycleAction" in finding.remedy


@pytest.mark.parametrize(
    ("error", "text", "remedy"),
    [
        (THROTTLED, "Throttling: Rate exceeded", "check again later"),
        (
            Error(500, "InternalFailure", "&quot;oh&quot;\r\n"),
            'InternalFailure: "oh"',
            "check again later",
        ),
        (Error(502), "HTTP 502: without a message", "check again later"),
        (Error(403), "HTTP 403: without a message", "check again later"),
        (Error(403, "ExpiredToken", "old"), "ExpiredToken: old", "check the credentials"),
        (
            Error(403, "SignatureDoesNotMatch", "Signature expired"),
            "SignatureDoesNotMatch: Signature expired",
            "this machine's clock",
        ),
        (Error(0), "no answer within 5 s", "VPC endpoint for autoscaling"),
    ],
)
def test_an_api_that_fails_is_a_warning(
    instance: Instance, error: Error, text: str, remedy: str
) -> None:
    """Only an answer that names a permission is a question of permissions."""
    instance.every = error

    finding = found(instance)

    assert (finding.level, finding.text) == ("warning", text)
    assert finding.remedy is not None and remedy in finding.remedy


def test_metadata_without_tags_are_a_warning(instance: Instance) -> None:
    instance.has_tags = False

    finding = found(instance)

    assert finding.level == "warning"
    assert "InstanceMetadataTags=enabled" in finding.text


def test_metadata_that_cannot_be_read_are_a_warning(instance: Instance) -> None:
    instance.metadata_status = 403

    finding = found(instance)

    assert finding.level == "warning"
    assert "it is switched off for this instance" in finding.text
    assert instance.calls == []


def test_metadata_that_are_silent_are_not_called_missing(instance: Instance) -> None:
    async def find() -> None:
        metadata = InstanceMetadata(instance.environ)
        try:
            await LifecycleAction.find(HookName("gateways", "drain"), metadata)
        finally:
            await metadata.close()

    instance.metadata_status = 0
    with pytest.raises(ConfigError, match=r"^instance-id in .* cannot be read: no answer$"):
        run(find())
    instance.metadata_status = 503
    with pytest.raises(ConfigError, match=r"cannot be read: it answers 503$"):
        run(find())


def test_the_group_is_in_the_region_of_the_instance(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Functions may be elsewhere; calls there would find no action, and never complete one."""
    monkeypatch.setenv("AWS_REGION", "us-gov-west-1")

    assert found(instance).level == "ok"
