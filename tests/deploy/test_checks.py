"""Settings that do not agree fail the synth, wherever they were set."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.deploy.assembly import Assembly, run
from tests.deploy.conftest import APPS


@pytest.fixture(scope="module")
def done(
    tmp_path_factory: pytest.TempPathFactory, cache: Path
) -> tuple[subprocess.CompletedProcess[str], Assembly]:
    folder = tmp_path_factory.mktemp("disagreeing") / "cdk.out"
    done = run(APPS / "disagreeing.py", folder, cache=cache)
    return done, Assembly(folder, done.stderr)


def found(assembly: Assembly, stack: str) -> dict[str, tuple[str, str, str]]:
    """Level, text and remedy of what our checks find in a stack, by rule."""
    return {
        each["ruleName"]: (each["severity"], each["description"], each["suggestedFix"])
        for each in assembly.violations
        for construct in each["violatingConstructs"]
        if construct["constructPath"].startswith(f"{stack}/")
    }


Done = tuple[subprocess.CompletedProcess[str], Assembly]


def test_the_synth_fails_and_prints_what_to_set(done: Done) -> None:
    process, _ = done

    assert process.returncode != 0
    assert "function_idle_timeout_s (150 s) is not shorter than CloudFront's read" in process.stderr
    assert "lower function_idle_timeout_s below 120 s" in process.stderr
    assert "Acknowledge with 'tailrace::cloudfront-silence'" in process.stderr


def test_what_is_in_front_follows_from_the_settings_of_the_gateway(done: Done) -> None:
    assert found(done[1], "agreeing") == {}


def test_a_setting_that_does_not_fit_is_named_with_its_place(done: Done) -> None:
    ((rule, (level, text, remedy)),) = found(done[1], "given").items()

    assert (rule, level) == ("cloudfront-silence", "error")
    assert "CloudFront's read time-out (120 s, given/Site/Distribution)" in text
    assert "lower function_idle_timeout_s below 120 s" in remedy


def test_values_that_were_changed_behind_a_construct_count(done: Done) -> None:
    findings = found(done[1], "overridden")

    assert {rule: finding[0] for rule, finding in findings.items()} == {
        "alb-silence": "error",
        "callbacks-reached": "error",
        "cloudfront-attempts": "warning",
        "cloudfront-compression": "warning",
        "cloudfront-keep-alive": "error",
        "function-timeout": "warning",
        "health-path": "error",
        "limit-cloudfront-read-timeout": "error",
        "limit-deregistration-delay": "error",
    }
    assert "(55 s, overridden/Site/Balancer)" in findings["alb-silence"][1]
    assert "the time-out of function overridden/Lines (20 s)" in findings["function-timeout"][1]


def test_a_value_that_was_removed_has_the_default_of_aws(done: Done) -> None:
    findings = found(done[1], "removed")

    assert set(findings) == {"alb-silence", "cloudfront-keep-alive"}
    assert "the ALB's idle time-out (60 s, AWS's default)" in findings["alb-silence"][1]


def test_a_finding_is_acknowledged_by_its_rule(done: Done) -> None:
    assert found(done[1], "accepted") == {}


def test_a_nested_stack_is_checked(done: Done) -> None:
    assert set(found(done[1], "nested")) == {"health-path"}


def test_a_stage_is_checked(tmp_path: Path, cache: Path) -> None:
    process = run(APPS / "disagreeing.py", tmp_path / "cdk.out", "Production", cache=cache)

    assert process.returncode != 0
    assert "the health check's path (/, Production/Lines/Inner/Site/Balancer)" in process.stderr
