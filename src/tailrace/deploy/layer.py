"""tailrace's Lambda layer, once in a stack."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from aws_cdk import Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from tailrace.package.archive import write_archive
from tailrace.package.function.target import MANAGED
from tailrace.package.layer import layer_entries

_ID: Final = "TailraceLayer"


def layer_of(scope: Construct) -> lambda_.LayerVersion:
    """Return the layer of the scope's stack, for each Python and both architectures.

    A layer of an older tailrace is deleted when the stack is updated. Versions of functions that
    have it keep it.
    """
    stack = Stack.of(scope)
    found = stack.node.try_find_child(_ID)
    if isinstance(found, lambda_.LayerVersion):
        return found
    with TemporaryDirectory(prefix="tailrace-") as folder:
        written = write_archive(Path(folder, "layer.zip"), layer_entries())
        return lambda_.LayerVersion(
            stack,
            _ID,
            code=lambda_.Code.from_asset(str(written.path)),
            compatible_runtimes=[lambda_.Runtime(name) for name in MANAGED],
            compatible_architectures=[lambda_.Architecture.ARM_64, lambda_.Architecture.X86_64],
            description="tailrace: response streaming in the managed Python runtime",
            license="Apache-2.0",
        )
