"""Transports: what a route's transport decides is asked of an object, never of its name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from tests.gateway.world import FixedRoute

import tailrace
from tailrace import limits
from tailrace.config.records import TransportName
from tailrace.errors import EndpointError, InvokeError, ThrottledError
from tailrace.gateway.aws.endpoint import AwsEndpoint
from tailrace.gateway.transports.callback import CallbackTransport
from tailrace.gateway.transports.choice import Transports
from tailrace.gateway.transports.protocol import Transport
from tailrace.gateway.transports.response_stream import StreamTransport
from tailrace.wire.mark import read_mark

SOURCES = Path(tailrace.__file__).parent
NAMES = set(get_args(TransportName))
ENDPOINT = AwsEndpoint("http://127.0.0.1:1", "us-east-1", is_loopback=True)
URL = "http://gateway:8081/8f5b6a0e/00000000"

MAY_COMPARE = {
    "config/reader.py": "checks what a file may name",
    "agreement/capacity.py": "counts the functions whose events wait in Lambda's queue",
    "cli/gateway_file.py": "checks what an option may name",
    "cli/banner.py": "shows what is not the default",
    "costs/bill.py": "compares ways, one of which has such a name as well",
    "wire/mark.py": "reads the event's mark, which has such a name as well",
}
"""Modules that compare a transport's name, none of which chooses how a request is served."""


# --- the choice ----------------------------------------------------------------------------------


def test_a_route_has_the_transport_that_it_names() -> None:
    transports = Transports.at(ENDPOINT)

    callback = transports.of(FixedRoute(transport="callback"))
    stream = transports.of(FixedRoute(transport="response-stream"))

    assert type(callback) is CallbackTransport
    assert type(stream) is StreamTransport
    assert transports.of(FixedRoute()) is callback


def test_a_url_is_invoked_by_a_transport_of_its_own() -> None:
    route = FixedRoute("http://127.0.0.1:2/f", invoke_url="http://127.0.0.1:2/f")
    transports = Transports.at(ENDPOINT)

    transport = transports.of(route)

    assert type(transport) is CallbackTransport
    assert transport is not transports.of(FixedRoute())
    assert type(Transports.at(None).of(route)) is CallbackTransport


def test_every_name_of_the_configuration_has_a_transport() -> None:
    transports = Transports.at(ENDPOINT)

    assert all(transports.of(FixedRoute(transport=name)) for name in NAMES)
    assert transports.streams == 0


# --- what the objects decide ---------------------------------------------------------------------


def test_a_callback_transport_marks_events_with_a_url() -> None:
    transport: Transport = Transports.at(ENDPOINT).of(FixedRoute())

    keys = transport.keys(URL, "/a?b", "8f5b6a0e")

    mark = read_mark(keys)
    assert mark is not None
    assert (mark.callback, mark.has_stream) == (URL, False)
    assert keys["origin"] == URL
    assert (keys["url"], keys["requestId"]) == ("/a?b", "8f5b6a0e")
    assert transport.request_bytes_max == limits.REQUEST_BODY_BYTES_MAX


def test_a_stream_transport_marks_events_without_one() -> None:
    transport: Transport = Transports.at(ENDPOINT).of(FixedRoute(transport="response-stream"))

    keys = transport.keys(URL, "/a?b", "8f5b6a0e")

    mark = read_mark(keys)
    assert mark is not None
    assert (mark.callback, mark.has_stream, mark.has_frames) == (None, True, True)
    assert list(keys) == ["tailrace"]
    assert URL not in str(keys)
    assert transport.request_bytes_max == limits.STREAM_REQUEST_BODY_BYTES_MAX


# --- nothing else compares names -----------------------------------------------------------------


def comparisons(path: Path) -> Iterator[int]:
    """The lines of a module on which a value is compared with a transport's name."""
    tree = ast.parse(path.read_text())
    constants = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign) and is_name(node.value)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [each for side in (node.left, *node.comparators) for each in ast.walk(side)]
        elif isinstance(node, ast.MatchValue):
            sides = [node.value]
        else:
            continue
        if any(is_name(s) or (isinstance(s, ast.Name) and s.id in constants) for s in sides):
            yield node.lineno


def is_name(node: ast.AST | None) -> bool:
    """Whether a literal is the name of a transport."""
    return isinstance(node, ast.Constant) and node.value in NAMES


def test_no_other_module_compares_the_name_of_a_transport() -> None:
    found = {
        path.relative_to(SOURCES).as_posix(): list(comparisons(path))
        for path in sorted(SOURCES.rglob("*.py"))
    }

    assert {name for name, lines in found.items() if lines} == set(MAY_COMPARE)
    assert not [name for name in MAY_COMPARE if name.startswith("gateway/")]


@pytest.mark.parametrize(
    "code",
    [
        'a == "response-stream"',
        'a.b != "callback"',
        'a in ("callback", "x")',
        'N = "response-stream"\nif a is N: pass',
        'match a:\n    case "callback": pass',
    ],
)
def test_comparisons_are_found(tmp_path: Path, code: str) -> None:
    path = tmp_path / "module.py"
    path.write_text(code)

    assert len(list(comparisons(path))) == 1


# --- refusals ------------------------------------------------------------------------------------


def test_only_a_refusal_that_may_succeed_later_has_a_time() -> None:
    errors: list[InvokeError] = [EndpointError("down"), ThrottledError("busy", 7)]

    assert [error.retry_after_s for error in errors] == [None, 7]
