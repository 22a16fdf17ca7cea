"""`tailrace check`: its lines, its JSON and its exit codes."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest
from tests.command import run
from tests.walk import block, console_commands, matches

FILE = """
[gateway]
first_byte_timeout_s = 20
function_idle_timeout_s = 25
drain_delay_s = 60
drain_timeout_s = 240
trusted_hops = 2

[[routes]]
path = "/chat/*"
function = "chat"

[[routes]]
path = "/url"
function = "http://10.0.0.9/run?key=secret"
"""
AGREED = (
    *("--behind", "cloudfront", "--behind", "alb", "--cloudfront-attempts", "1"),
    *("--cloudfront-methods", "all", "--health-check-path", "/_tailrace/health"),
)


@pytest.fixture
def check(tmp_path: Path) -> Check:
    (tmp_path / "tailrace.toml").write_text(FILE)
    return Check(tmp_path)


class Check:
    """The command in a directory with a file."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run("check", *arguments, cwd=self.directory)


def test_settings_that_agree_exit_with_0(check: Check) -> None:
    result = check(*AGREED)

    assert (result.returncode, result.stderr) == (0, "")
    first, second, third = result.stdout.splitlines()
    assert (first, second) == ("no error", "25 rules checked")
    assert third.startswith("with these options, more: --heartbeat, --function-timeout, ")
    assert "--proxy-read-timeout" not in third, "there is no such part in front"


def test_an_error_names_both_values_and_where_they_are_set(check: Check) -> None:
    result = check(*AGREED, "--alb-idle-timeout", "25", "--keep-alive-timeout", "20")

    assert result.returncode == 1
    silence, keep_alive, *_ = result.stdout.splitlines()
    assert silence == (
        "error    alb-silence: function_idle_timeout_s (25 s, tailrace.toml) is not shorter than "
        "the ALB's idle time-out (25 s, --alb-idle-timeout): the ALB aborts a response that is "
        "silent for 25 s, and the gateway's log says that the client left; raise the ALB's idle "
        "time-out above 25 s, or lower function_idle_timeout_s below 25 s and send heartbeats more "
        "often"
    )
    assert keep_alive.startswith(
        "error    alb-keep-alive: keep_alive_timeout_s (20 s, --keep-alive-timeout) is not longer "
        "than the ALB's idle time-out (25 s, --alb-idle-timeout)"
    )
    assert result.stdout.splitlines()[2:4] == ["2 errors", "25 rules checked"]


def test_warnings_alone_exit_with_0(check: Check) -> None:
    result = check("--function-timeout", "300")

    assert result.returncode == 0
    first, second, third, *_ = result.stdout.splitlines()
    assert first.startswith(
        "warning  function-timeout: the time-out of function chat (300 s, --function-timeout) is "
        "shorter than total_timeout_s (900 s, the default)"
    )
    assert second.startswith("warning  drain-timeout: drain_timeout_s (240 s, tailrace.toml) is")
    assert third == "no error, 2 warnings"


def test_the_defaults_of_aws_do_not_suit_a_stream(check: Check) -> None:
    """What a distribution and a load balancer do that nobody has configured."""
    result = check("--behind", "cloudfront", "--behind", "alb", "--first-byte-timeout", "30")

    found = [line.split(": ")[0] for line in result.stdout.splitlines() if ": " in line]
    assert found[:-1] == [
        "error    cloudfront-first-byte",
        "error    cloudfront-methods",
        "warning  cloudfront-attempts",
        "error    health-path",
    ]
    assert (
        "first_byte_timeout_s (30 s, --first-byte-timeout) is not shorter than CloudFront's read "
        "time-out (30 s, AWS's default): when a function is slow to begin, clients get 504 from "
        "CloudFront after 30 s, and CloudFront sends a GET 3 times: the function runs as often"
    ) in result.stdout


def test_functions_of_lambda_are_checked(check: Check) -> None:
    """A route's URL is another's function; a path and a query may be secret."""
    result = check("--function-timeout", "3", "--async-retries", "2")

    assert "the time-out of function chat (3 s, --function-timeout) is shorter" in result.stdout
    assert "the retries of function chat (2, --async-retries) begin after" in result.stdout
    assert "secret" not in result.stdout


def test_json_has_the_rules(check: Check) -> None:
    result = check("--proxy-read-timeout", "20", "--heartbeat", "5", "--json")

    document = json.loads(result.stdout)
    assert (result.returncode, document["version"]) == (1, 1)
    assert (document["errors"], document["warnings"]) == (2, 0)
    assert [each["subject"] for each in document["findings"]] == [
        "proxy-first-byte",
        "proxy-silence",
    ]
    assert document["checked"] == ["proxy-first-byte", "proxy-silence", "heartbeat"]
    assert document["unchecked"]["alb-keep-alive"] == ["alb_idle_timeout_s"]


def test_a_gateway_with_a_lifecycle_hook_sends_heartbeats(check: Check) -> None:
    hook = ("--hook-heartbeat", "60")

    assert "error    hook-heartbeat: drain_delay_s (60 s, tailrace.toml)" in check(*hook).stdout
    assert check(*hook, "--lifecycle-hook", "drain").stdout.startswith("no error\n3 rules checked")
    assert (
        "hook-interval: the gateway's lifecycle heartbeat (50 s, --lifecycle-heartbeat) is more"
    ) in check(*hook, "--lifecycle-hook", "drain", "--lifecycle-heartbeat", "50").stdout


def test_a_rule_that_is_allowed_is_not_checked(check: Check) -> None:
    options = ("--proxy-read-timeout", "25")

    assert check(*options).returncode == 1
    result = check(*options, "--allow", "proxy-silence")
    assert (result.returncode, result.stdout.splitlines()[:2]) == (
        0,
        ["no error", "1 rule checked"],
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--allow", "proxy-silent"], "--allow: there is no rule 'proxy-silent'; did you mean "),
        (["--allow", "x"], "--allow: there is no rule 'x'; allowed: alb-first-byte, alb-silence, "),
        ([], "there is nothing to compare; describe what is around: --behind alb"),
        (["--config", "none.toml"], "none.toml: cannot be read"),
        (["--behind", "nginx"], "'nginx' is not one of 'alb', 'cloudfront', 'proxy'"),
        (["--alb-idle-timeout", "1m"], "'1m' is not a valid"),
    ],
)
def test_a_mistake_exits_with_2(check: Check, arguments: list[str], message: str) -> None:
    result = check(*arguments)

    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr


@pytest.mark.parametrize(
    ("page", "code"), [("docs/how-to/behind-a-proxy.md", 1), ("docs/reference/agreement.md", 0)]
)
def test_the_pages_show_the_command(check: Check, page: str, code: int) -> None:
    ((command, shown),) = console_commands(block(page, "console").text)

    (check.directory / "tailrace.toml").write_text('routes = [{path="/*", function="chat"}]')
    result = check(*shlex.split(command)[2:])

    assert result.returncode == code
    assert matches(shown, result.stdout), result.stdout


def test_a_function_needs_no_file(tmp_path: Path) -> None:
    result = run("check", "--function", "chat", "--reserved-concurrency", "999", cwd=tmp_path)

    assert result.returncode == 1
    assert "concurrency of its routes (1000) is more than the reserved" in result.stdout
