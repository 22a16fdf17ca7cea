"""The `aws` command for pages about AWS: its own parser, and the emulator in the place of AWS.

    python -m tests.aws_command lambda create-function …

Each request is sent to the emulator, which names what has arrived when it refuses what it does not
have. A command is right if the operation that it stands for has arrived, and if each value is one
that the operation's model allows: the `aws` command itself does not compare values. A command that
is right ends well, and prints what AWS would.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from awscli.clidriver import create_clidriver

ACCOUNT = "123456789012"
ANSWERS = {
    "Account": ACCOUNT,
    "FunctionUrl": os.environ.get("FUNCTION_URL", ""),
    "LayerVersionArn": f"arn:aws:lambda:eu-central-1:{ACCOUNT}:layer:tailrace:1",
    "Role.Arn": f"arn:aws:iam::{ACCOUNT}:role/lines",
    "Version": "1",
    "repository.repositoryUri": f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/lines",
}
"""What AWS would print for each `--query`, with `--output text`."""

CHECKED_VARIABLE = "CHECKED_FILE"
"""The environment variable that names the file to which checked operations are added."""

PAIRS = (r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF")
"""Characters above U+FFFF in a form: as models write them, for Java, and as Python does."""


class Called(NamedTuple):
    """A request that the command made."""

    model: Any
    """Of botocore: the operation."""
    parameters: Mapping[str, Any]


def main(arguments: list[str]) -> int:
    """Return the exit code."""
    driver = create_clidriver()
    calls: list[Called] = []

    def on_call(params: Mapping[str, Any], model: Any, **_: Any) -> None:
        calls.append(Called(model, params))

    driver.session.register("before-parameter-build", on_call)
    output, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        try:
            code = driver.main(arguments)
        except SystemExit as error:  # of argparse
            code = int(error.code or 0)
    faults = list(faults_of(calls, code, errors.getvalue()))
    if faults:
        sys.stderr.write("\n".join([*faults, errors.getvalue()]))
        return code or 1
    with Path(os.environ[CHECKED_VARIABLE]).open("a") as file:
        file.write(f"{calls[0].model.name}\n")
    sys.stdout.write(output.getvalue() if code == 0 else answer(arguments))
    return 0


def faults_of(calls: list[Called], code: int, errors: str) -> Iterator[str]:
    """What is wrong with a command that has ended."""
    if not calls:
        yield "no request was made"
    for model, parameters in calls:
        yield from unknown_values(parameters, model.input_shape)
        path = re.sub(r"\\\{\w+\\\}", r"[^/]+", re.escape(model.http["requestUri"]))
        if code and not re.search(
            rf"not emulated: {model.http['method']} {path}/?['\"\n}}]", errors
        ):
            yield f"{model.name} has not arrived at the emulator"


def unknown_values(value: Any, shape: Any) -> Iterator[str]:
    """Texts that a shape does not have among its values, or that do not have its form."""
    if shape is None:
        return
    if shape.type_name == "structure":
        for name, member in value.items():
            yield from unknown_values(member, shape.members[name])
    elif shape.type_name == "list":
        for member in value:
            yield from unknown_values(member, shape.member)
    elif shape.type_name == "map":
        for key, member in value.items():
            yield from unknown_values(key, shape.key)
            yield from unknown_values(member, shape.value)
    elif shape.type_name == "string":
        pattern = shape.metadata.get("pattern", "").replace(*PAIRS)
        if shape.enum and value not in shape.enum:
            yield f"{value} is none of {', '.join(shape.enum)}"
        elif pattern and not re.fullmatch(pattern, value):
            yield f"{value} is not of the form {pattern}"


def answer(arguments: list[str]) -> str:
    """What AWS would print."""
    if "--query" not in arguments:
        return json.dumps({}) + "\n"
    return ANSWERS[arguments[arguments.index("--query") + 1]] + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
