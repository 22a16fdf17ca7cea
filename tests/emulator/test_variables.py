"""The environment variables of a function's process."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import uvloop
from tests.emulator.harness import playing, running

from tailrace.config import FunctionConfig
from tailrace.emulator.variables import function_variables

FULL = {
    "_HANDLER": "app.handler",
    "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
    "AWS_LAMBDA_FUNCTION_NAME": "f",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
    "AWS_LAMBDA_LOG_FORMAT": "Text",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info[0]}.{sys.version_info[1]}",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "tailrace",
    "AWS_SECRET_ACCESS_KEY": "tailrace",
    "AWS_SESSION_TOKEN": "tailrace",
    "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
    "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
    "_AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1",
    "_AWS_XRAY_DAEMON_PORT": "2000",
    "TZ": ":UTC",
    "LANG": "en_US.UTF-8",
    "TAILRACE_CALLBACK_HOSTS": "127.0.0.1:8081,.example.com",
    "PATH": "/usr/bin",
    "HOME": "/home/me",
}
CHANGING = {"AWS_LAMBDA_LOG_STREAM_NAME", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "PYTHONPATH"}
USER = {"PATH": "/usr/bin", "HOME": "/home/me", "AWS_PROFILE": "work", "EDITOR": "vi"}


def variables(path: Path, **settings: object) -> dict[str, str]:
    base = {"name": "f", "handler": "app.handler", "path": path, "memory_mb": 256}
    function = FunctionConfig(**{**base, **settings})  # type: ignore[arg-type]
    return function_variables(
        function,
        runtime_api="127.0.0.1:9001",
        keys={},
        inherited=USER,
        callback_hosts=("127.0.0.1:8081", ".example.com"),
    )


def test_a_function_has_lambdas_variables_and_nothing_of_the_users(tmp_path: Path) -> None:
    result = variables(tmp_path)

    assert {name: result[name] for name in FULL} == FULL
    assert set(result) - set(FULL) == CHANGING - {"PYTHONPATH"}
    assert result["LAMBDA_TASK_ROOT"] == str(tmp_path)
    assert re.fullmatch(
        r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", result["AWS_LAMBDA_LOG_STREAM_NAME"]
    )


def test_a_command_has_no_execution_environment_and_its_last_argument_as_handler(
    tmp_path: Path,
) -> None:
    result = variables(tmp_path, handler=None, command=("node", "ric.mjs", "index.handler"))

    assert "AWS_EXECUTION_ENV" not in result
    assert result["_HANDLER"] == "index.handler"


def test_the_functions_own_variables_win_but_not_over_what_identifies_it(tmp_path: Path) -> None:
    own = {"TABLE": "t", "AWS_REGION": "eu-west-1", "AWS_LAMBDA_FUNCTION_NAME": "other"}

    result = variables(tmp_path, environment=own)

    assert (result["TABLE"], result["AWS_REGION"]) == ("t", "eu-west-1")
    assert result["AWS_LAMBDA_FUNCTION_NAME"] == "f"


def test_a_command_finds_this_package_behind_its_own_python_path(tmp_path: Path) -> None:
    """What is loaded by its name needs no variable for that."""
    source = str(Path(sys.modules["tailrace"].__file__ or "").parents[1])
    own = {"PYTHONPATH": "lib"}

    assert variables(tmp_path, command=("x",))["PYTHONPATH"] == source
    assert variables(tmp_path, command=("x",), environment=own)["PYTHONPATH"] == f"lib:{source}"
    assert variables(tmp_path, environment=own)["PYTHONPATH"] == "lib"


def test_a_real_process_sees_just_these(tmp_path: Path) -> None:
    async def run() -> None:
        seen = tmp_path / "environ"
        function = playing(path=tmp_path, environment={"TABLE": "t"})
        async with running(function, inherited=USER) as emulator:
            await emulator.play({"environ": str(seen)}, {"return": 1})

        names = set(json.loads(seen.read_text()))
        assert names - {"LC_CTYPE"} == (set(FULL) | CHANGING | {"TABLE"}) - {"AWS_EXECUTION_ENV"}

    uvloop.run(run())
