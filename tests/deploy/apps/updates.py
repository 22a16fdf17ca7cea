"""A stack before and after changes of its function, each in an assembly of its own."""

import os
from pathlib import Path

import aws_cdk as cdk

from tailrace.deploy import Gateway, Network, StreamingFunction

FOLDER = Path(os.environ["CDK_OUTDIR"])
CODE = "def handler(event, context):\n    return {number}\n"


def synthesize(name: str, number: int, reserved_concurrency: int) -> None:
    code = FOLDER / f"code-{name}"
    code.mkdir(parents=True)
    (code / "main.py").write_text(CODE.format(number=number))
    app = cdk.App(outdir=str(FOLDER / name))
    stack = cdk.Stack(app, "Lines")
    function = StreamingFunction(
        stack,
        "Lines",
        path=code,
        app="main:handler",
        timeout_s=300,
        reserved_concurrency=reserved_concurrency,
    )
    routes = [{"path": "/*", "function": function, "concurrency": 10}]
    Gateway(stack, "Gateway", network=Network(stack, "Network"), routes=routes)
    app.synth()


synthesize("before", 1, 50)
synthesize("other-code", 2, 50)
synthesize("other-concurrency", 1, 60)
