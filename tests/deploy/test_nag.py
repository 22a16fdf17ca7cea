"""cfn-lint and cdk-nag find nothing in our templates but what is accepted, with a reason."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.deploy.assembly import Assembly, synthesize
from tests.deploy.conftest import APPS

IGNORED = {"W3005": "CDK names a dependency that a reference has already"}
"""Rules of cfn-lint."""


@pytest.fixture(scope="module")
def nagged(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Assembly:
    """Packs AwsSolutions and Serverless; a finding fails the synthesis."""
    folder = tmp_path_factory.mktemp("nagged") / "cdk.out"
    return synthesize(APPS / "nagged.py", folder, cache=cache)


def accepted(assembly: Assembly, stack: str) -> dict[tuple[str, str], str]:
    """The reason for each rule that is accepted at a construct."""
    entries = json.loads((assembly.folder / f"{stack}.metadata.json").read_text())
    return {
        (path.removeprefix(f"/{stack}/"), rule.removeprefix("Annotation::")): reason
        for path, found in entries.items()
        for entry in found
        if entry["type"] == "aws:cdk:acknowledged-rules"
        for rule, reason in entry["data"].items()
    }


def test_cdk_nag_finds_nothing_else(nagged: Assembly) -> None:
    assert nagged.violations == []
    assert nagged.stacks == ["Internal", "Public"]


def test_each_exception_has_its_place_and_its_reason(nagged: Assembly) -> None:
    """The whole list: a further exception is a decision."""
    found = accepted(nagged, "Public")
    short = {(path, re.sub(r"\[.*", "", rule)) for path, rule in found}
    function = {
        ("Lines/Function", rule)
        for rule in (
            "AwsSolutions-L1",
            "Serverless-LambdaAsyncFailureDestination",
            "Serverless-LambdaDLQ",
            "Serverless-LambdaLatestVersion",
            "Serverless-LambdaTracing",
        )
    }
    helpers = {
        (f"{path}/{name}", rule)
        for path in ("Site/Balancer/CloudFront", "Site/Gateway/Refresh")
        for name, rule in (
            ("Function", "Serverless-LambdaDLQ"),
            ("Function", "Serverless-LambdaTracing"),
            ("Role", "AwsSolutions-IAM5"),
        )
    }

    assert short == function | helpers | {
        ("Lines/NotForTheCode", "AwsSolutions-IAM5"),
        ("Lines/Role/DefaultPolicy", "AwsSolutions-IAM5"),
        ("Site/Balancer/PublicLoadBalancer", "AwsSolutions-ELB2"),
        ("Site/Balancer/OriginSecret", "AwsSolutions-SMG4"),
        ("Site/Distribution/Distribution", "AwsSolutions-CFR1"),
        ("Site/Distribution/Distribution", "AwsSolutions-CFR2"),
        ("Site/Distribution/Distribution", "AwsSolutions-CFR3"),
        ("Site/Distribution/Distribution", "AwsSolutions-CFR4"),
        ("Site/Distribution/Distribution", "AwsSolutions-CFR5"),
        ("Site/Gateway/Group", "AwsSolutions-AS3"),
        ("Site/Gateway/Role/Lifecycle", "AwsSolutions-IAM5"),
        ("Site/Gateway/Role/Policy", "AwsSolutions-IAM5"),
        ("Site/Network/Vpc", "AwsSolutions-VPC7"),
    }
    assert all(len(reason) > 8 for reason in found.values())
    for (path, rule), reason in sorted(found.items()):
        print(f"{rule} at {path}: {reason}")


def test_cfn_lint_finds_nothing(nagged: Assembly, example: Assembly, front: Assembly) -> None:
    assemblies = (nagged, example, front)
    templates = [str(a.template(stack).path) for a in assemblies for stack in a.stacks]
    ignored = [word for rule in IGNORED for word in ("--ignore-checks", rule)]

    done = subprocess.run(
        [str(Path(sys.executable).with_name("cfn-lint")), *ignored, "--", *templates],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "")
    assert len(templates) == 5
