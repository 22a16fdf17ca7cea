"""The environment variables of a function's process, as on Lambda.

Source: Lambda Developer Guide, "configuration-envvars". Of the user's own environment a function
sees only what programs cannot run without: PATH, HOME, TMPDIR and LD_LIBRARY_PATH. So what works
here does not work because of a variable that the cloud will not have.
"""

from __future__ import annotations

import secrets
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from tailrace.config import FunctionConfig
from tailrace.config.environment import CREDENTIALS
from tailrace.emulator.names import REGION, VERSION

MakeVariables: TypeAlias = Callable[[FunctionConfig, str, Mapping[str, str]], dict[str, str]]
"""Makes all variables of one process: `function_variables` without what all functions share."""

_INHERITED: Final = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")
_PACKAGE_PATH: Final = Path(__file__).resolve().parents[1]
_DAEMON: Final = ("127.0.0.1", "2000")  # where an X-Ray daemon would listen


def function_variables(
    function: FunctionConfig,
    runtime_api: str,
    keys: Mapping[str, str],
    *,
    inherited: Mapping[str, str],
    callback_hosts: Sequence[str],
) -> dict[str, str]:
    """All variables of one process; `callback_hosts` are where it may call back.

    The function's own `environment` may replace credentials, region, time zone and the like, but
    not what identifies the function and its Runtime API (reserved on Lambda as well). `keys` are
    the credentials and the region of its AWS profile.
    """
    variables = {name: inherited[name] for name in _INHERITED if name in inherited}
    variables.update(_defaults(function))
    variables["TAILRACE_CALLBACK_HOSTS"] = ",".join(callback_hosts)
    for own in (keys, function.environment):
        if CREDENTIALS[0] in own:  # a dummy token beside real keys would spoil them
            variables.pop(CREDENTIALS[2], None)
        variables.update(own)
    if function.command is not None:
        _add_package_path(variables)
    variables.update(_reserved(function, runtime_api))
    return variables


def handler_of(function: FunctionConfig) -> str:
    """What `_HANDLER` says.

    Of a command it is the last argument: AWS's runtime clients for Node.js and others are given
    their handler there, and insist on the variable as well.
    """
    return function.loaded or (function.command or ("",))[-1]


def _defaults(function: FunctionConfig) -> dict[str, str]:
    host, port = _DAEMON
    variables = {
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        # Dummies: a function must not reach a real account with the credentials of whoever
        # runs the emulator. Real ones come with `aws_profile` or `env_file`.
        "AWS_ACCESS_KEY_ID": "tailrace",
        "AWS_SECRET_ACCESS_KEY": "tailrace",
        "AWS_SESSION_TOKEN": "tailrace",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": f"{host}:{port}",
        "_AWS_XRAY_DAEMON_ADDRESS": host,
        "_AWS_XRAY_DAEMON_PORT": port,
        "TZ": ":UTC",
        "LANG": "en_US.UTF-8",
    }
    if function.handler is not None or function.app is not None:
        major, minor = function.python.version
        variables["AWS_EXECUTION_ENV"] = f"AWS_Lambda_python{major}.{minor}"
    return variables


def _reserved(function: FunctionConfig, runtime_api: str) -> dict[str, str]:
    day = time.strftime("%Y/%m/%d", time.gmtime())
    return {
        "_HANDLER": handler_of(function),
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": VERSION,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"{day}/[{VERSION}]{secrets.token_hex(16)}",
        "AWS_LAMBDA_LOG_FORMAT": "Text",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "LAMBDA_TASK_ROOT": str(function.path),
        "LAMBDA_RUNTIME_DIR": str(_PACKAGE_PATH),
    }


def _add_package_path(variables: dict[str, str]) -> None:
    """Let a command in Python find this package where it runs from a checkout.

    An installed package is found anyway, and its site-packages must not come to stand before
    the standard library. What is loaded by its name needs no variable: see `runtime/boot.py`.
    """
    root = str(_PACKAGE_PATH.parent)
    if root in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        return
    own = variables.get("PYTHONPATH")
    variables["PYTHONPATH"] = f"{own}:{root}" if own else root
