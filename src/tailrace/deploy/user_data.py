"""The user data of a gateway's machine: the script that installs the gateway at the first boot.

Sources, read 2026-11: Amazon EC2 User Guide, "Run commands when you launch an EC2 instance with
user data input" (16 KB); Amazon Linux 2023 User Guide, "Python in AL2023" (the system's Python is
3.9; 3.11 to 3.14 are packages); CloudWatch User Guide, "Manually create or edit the CloudWatch
agent configuration file".
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tailrace.deploy import limits

LOG_FILES: Final = ("gateway.log", "boot.log", "metrics.emf")
"""The files in /var/log/tailrace: the gateway's log, that of the boot, and the metrics."""

_SCRIPT: Final = Path(__file__).parent / "files" / "user_data.sh"
_TOKEN: Final = re.compile(r"\$\{Token\[[^]]*\]\}")
_WORD: Final = re.compile(r"[^\s\"'\\]+")
_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]*")
_END: Final = "TAILRACE_END_OF_FILE"
_AGENT: Final = "/etc/tailrace/cloudwatch-agent.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """What a machine does at its first boot. Texts may be tokens of the CDK."""

    source: str
    """The s3:// address of the folder that `tailrace package gateway` makes, as a zip archive."""
    region: str
    config: str
    """The text of tailrace.toml."""
    options: Sequence[str]
    """Of `tailrace gateway`, without `--config`."""
    environment: Mapping[str, str]
    """The gateway's variables beside AWS_REGION."""
    log_groups: Mapping[str, str]
    """For some of `LOG_FILES`, the log group to which the CloudWatch agent sends it. Without any,
    no agent is installed."""
    hook: str | None
    """The lifecycle hook that holds a new machine back until the gateway serves."""


def user_data(boot: Boot) -> str:
    """Return the script, which bash runs.

    Raises:
        ValueError: a value cannot be written; the script is longer than EC2 accepts.
    """
    files = {
        "/etc/tailrace/tailrace.toml": boot.config,
        "/etc/tailrace/gateway.env": _environment(boot),
    }
    if boot.log_groups:
        files[_AGENT] = _agent(boot.log_groups)
    values = {
        "SOURCE": shlex.quote(boot.source),
        "REGION": shlex.quote(boot.region),
        "HOOK": shlex.quote(boot.hook or ""),
        "HAS_AGENT": "true" if boot.log_groups else "false",
        "ATTEMPTS": str(limits.BOOT_ATTEMPTS),
        "ATTEMPT_S": str(limits.BOOT_ATTEMPT_TIMEOUT_S),
        "PAUSE_S": str(limits.BOOT_PAUSE_S_MAX),
        "FILES": "\n".join(_command(path, text) for path, text in files.items()),
    }
    script = re.sub("@([A-Z_]+)@", lambda match: values[match[1]], _SCRIPT.read_text("utf-8"))
    _check_size(script)
    return script


def _environment(boot: Boot) -> str:
    """Return gateway.env, as systemd reads it (systemd.exec(5), EnvironmentFile=)."""
    for word in boot.options:
        if not _WORD.fullmatch(word):
            raise ValueError(f"option {word!r} has white space, a quote or a backslash")
    variables = {
        "TAILRACE_OPTIONS": " ".join(boot.options),
        "AWS_REGION": boot.region,
        **boot.environment,
    }
    for name, value in variables.items():
        if not _VARIABLE.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a variable: A-Z, 0-9 and _")
        if re.search(r"[\"\\`\x00-\x1f]", value):
            raise ValueError(f"variable {name} has a quote, a backslash or a control character")
    return "\n".join(f'{name}="{value}"' for name, value in variables.items())


def _agent(log_groups: Mapping[str, str]) -> str:
    """Return the configuration of the CloudWatch agent: a stream for each file and machine."""
    unknown = sorted(log_groups.keys() - set(LOG_FILES))
    if unknown:
        raise ValueError(f"{unknown[0]!r} is none of the files {', '.join(LOG_FILES)}")
    files = [
        {
            "file_path": f"/var/log/tailrace/{name}",
            "log_group_name": group,
            "log_stream_name": f"{{instance_id}}/{name}",
        }
        for name, group in log_groups.items()
    ]
    return json.dumps({"logs": {"logs_collected": {"files": {"collect_list": files}}}}, indent=1)


def _command(path: str, text: str) -> str:
    """Return the command that writes a file; nothing in it is expanded."""
    if _END in text:
        raise ValueError(f"{path} has {_END} in it, which would end it")
    return f"    cat >{path} <<'{_END}' &&\n{text.rstrip()}\n{_END}"


def _check_size(script: str) -> None:
    """Refuse what EC2 would refuse, with room for what replaces tokens."""
    tokens = _TOKEN.findall(script)
    size = len(script.encode()) - sum(map(len, tokens)) + len(tokens) * limits.TOKEN_BYTES
    if size > limits.USER_DATA_BYTES_MAX:
        raise ValueError(
            f"the user data of a machine would have up to {size:,} bytes, and EC2 accepts"
            f" {limits.USER_DATA_BYTES_MAX:,}; combine routes, as in /prefix/*"
        )
