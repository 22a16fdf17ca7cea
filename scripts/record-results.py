"""Record what AWS's Python runtime (awslambdaric) makes of results and errors.

Usage: PYTHONPATH=. PYTHON scripts/record-results.py [FILE]

PYTHON has awslambdaric, of the version in constraints.txt. Without FILE the JSON goes to stdout.
"""

from __future__ import annotations

import base64
import importlib.metadata
import json
import os
import platform
import sys
from typing import Any

from tests.kits.json_results import cases, namespace

os.environ["AWS_EXECUTION_ENV"] = "AWS_Lambda_python{}.{}".format(*sys.version_info)

from awslambdaric import bootstrap  # it reads the variable when it is imported
from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller


class Client:
    """Takes the report of one invocation, as the client of the Runtime API would post it."""

    marshaller = LambdaMarshaller()

    def __init__(self) -> None:
        self.outcome: dict[str, str] = {}

    def post_invocation_result(
        self, invoke_id: str, result: str | bytes, media_type: str, invocation_id: None
    ) -> None:
        body = result if isinstance(result, bytes) else result.encode("utf-8")
        self._keep("response", body, media_type=media_type)

    def post_invocation_error(
        self, invoke_id: str, error: str, cause: str, invocation_id: None
    ) -> None:
        # The trace is of the interpreter, and of the file that ran: not of the runtime.
        text = json.dumps({**json.loads(error), "stackTrace": []}, ensure_ascii=error.isascii())
        self._keep("error", text.encode("utf-8"))

    def _keep(self, kind: str, body: bytes, **more: str) -> None:
        self.outcome = {"kind": kind, **more}
        try:
            self.outcome["body"] = body.decode("utf-8")
        except UnicodeDecodeError:
            self.outcome["base64"] = base64.b64encode(body).decode("ascii")


class Silence:
    """A log that is not kept."""

    def log_error(self, lines: list[str]) -> None: ...


def outcome_of(case: str, names: dict[str, Any]) -> dict[str, str]:
    client = Client()
    bootstrap.handle_event_request(
        client,
        lambda event, context: eval(compile(case, "case.py", "eval"), names),
        "r1",
        b"{}",
        "application/json",
        *(None, None, "arn:f", 1, None, Silence()),
    )
    return client.outcome


def main() -> None:
    names = namespace()
    record = {
        "recorded with": "scripts/record-results.py",
        "awslambdaric": importlib.metadata.version("awslambdaric"),
        "simplejson": importlib.metadata.version("simplejson"),
        "python": platform.python_version(),
        "AWS_EXECUTION_ENV": os.environ["AWS_EXECUTION_ENV"],
        "outcomes": {case: outcome_of(case, names) for case in cases()},
    }
    text = json.dumps(record, indent=1) + "\n"
    if len(sys.argv) > 1:
        with open(sys.argv[1], "w", encoding="ascii") as file:
            file.write(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
