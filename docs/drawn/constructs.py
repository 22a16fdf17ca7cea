"""The constructs of `tailrace.deploy`: what their docstrings say, and their arguments.

They are read from the source: the AWS CDK, which they import, need not be installed.
"""

from __future__ import annotations

import ast
import re
from functools import partial
from pathlib import Path
from typing import Final

from docs.drawn.markdown import table

from tailrace import errors
from tailrace.deploy import _HOMES, limits

FOLDER: Final = Path(errors.__file__).parent / "deploy"
NAMES: Final = (
    "StreamingSite",
    "StreamingFunction",
    "Network",
    "Gateway",
    "Balancer",
    "Distribution",
    "Alarms",
)
_CDK: Final = re.compile(r"\b(ec2|s3|sns|cloudfront|iam|elbv2)\.")


def described(name: str) -> str:
    """A construct's docstring, and a table of its arguments but scope and id."""
    body = ast.parse((FOLDER / f"{_HOMES[name]}.py").read_text()).body
    (found,) = (each for each in body if isinstance(each, ast.ClassDef) and each.name == name)
    (make,) = (
        each for each in found.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"
    )
    text = ast.get_docstring(found)
    assert text is not None, name
    arguments = zip(make.args.kwonlyargs, make.args.kw_defaults, strict=True)
    rows = [[f"`{each.arg}`", _kind(each), _default(default)] for each, default in arguments]
    return f"{_paragraphs(text)}\n\n{table(['argument', 'type', 'default'], rows)}"


def _paragraphs(text: str) -> str:
    body, _, raised = text.partition("\n\nRaises:\n")
    lines = [line.strip().rstrip(".") for line in raised.splitlines() if line.strip()]
    errors_raised = [f"`{line.partition(': ')[0]}`: {line.partition(': ')[2]}" for line in lines]
    if not errors_raised:
        return body
    return f"{body}\n\nRaises {'; '.join(errors_raised)}."


def _kind(argument: ast.arg) -> str:
    assert argument.annotation is not None
    return f"`{_CDK.sub('', ast.unparse(argument.annotation))}`"


def _default(node: ast.expr | None) -> str:
    match node:
        case None:
            return "required"
        case ast.Constant(value=value):
            return "" if value is None else f"`{value!r}`"
        case ast.Attribute(value=ast.Name(id="limits"), attr=name):
            return f"`{getattr(limits, name)!r}`"
        case ast.Tuple(elts=[]):
            return ""
    return f"`{_CDK.sub('', ast.unparse(node))}`"


PARTS: Final = {f"construct {name}": partial(described, name) for name in NAMES}
