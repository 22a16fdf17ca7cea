"""The claims of the kit fail when they do not hold: each is asked on a road with one fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.fakes import Response
from tests.kits.apps import claims
from tests.kits.apps.claims import Case, Claim
from tests.kits.apps.frameworks import FRAMEWORKS
from tests.kits.apps.roads import CALLBACK, Reading, Road, Served
from tests.kits.seen import COMPLETE

FRAMEWORK = "fastapi"

Faults = dict[str, Callable[[Any], Any]]


class Spoiled:
    """A reading in which one thing is wrong."""

    def __init__(self, reading: Reading, faults: Faults) -> None:
        self._reading = reading
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._reading, name)
        fault = self._faults.get(name)
        if fault is None:
            return value
        return (lambda *given: fault(value(*given))) if callable(value) else fault(value)


def spoiled(faults: Faults) -> Road:
    """The road by callback with faults."""
    return CALLBACK._replace(ask=lambda *given: Spoiled(CALLBACK.ask(*given), faults))


def joined(head: Response) -> Response:
    """A head whose cookies have become one field."""
    others = [(name, value) for name, value in head.headers if name != "set-cookie"]
    return Response(head.status, [*others, ("set-cookie", ",".join(head.all("set-cookie")))])


@pytest.mark.parametrize(
    ("claim", "faults"),
    [
        (claims.streams, {"has_more": lambda more: True}),
        (claims.streams, {"end": lambda end: end._replace(rest=end.rest[:-1])}),
        (claims.answers, {"head": joined}),
        (claims.head_request, {"end": lambda end: end._replace(rest=b"hello")}),
        (claims.no_content, {"head": lambda head: Response(200, head.headers)}),
        (claims.not_modified, {"head": lambda head: Response(head.status, [])}),
        (claims.request_body, {"end": lambda end: end._replace(rest=end.rest.upper())}),
        (
            claims.fails_before_the_head,
            {"end": lambda end: end._replace(rest=b"the secret words of an error")},
        ),
        (claims.fails_after_the_head, {"end": lambda end: end._replace(ending=COMPLETE)}),
        (claims.starts_once, {"end": lambda end: end._replace(rest=b"2")}),
        (claims.keeps_state, {"end": lambda end: end._replace(rest=b'{"count": 1}')}),
    ],
)
def test_a_fault_is_noticed(served: Served, claim: Claim, faults: Faults) -> None:
    with pytest.raises(AssertionError):
        claim(Case(served, FRAMEWORKS[FRAMEWORK], spoiled(faults)))


def test_every_claim_is_asked_of_an_app_that_has_everything() -> None:
    """None is left out by mistake."""
    assert claims.claims_of(FRAMEWORKS[FRAMEWORK], CALLBACK) == list(claims.CLAIMS)
