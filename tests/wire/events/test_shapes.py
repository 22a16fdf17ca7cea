"""How the shape of an event is recognized."""

from __future__ import annotations

from typing import Any

import pytest

from tailrace.wire.events.fields import context_of
from tailrace.wire.events.shapes import SHAPES, find_shape


@pytest.mark.parametrize(
    ("place", "fields"),
    [
        (0, {"requestContext": {"http": {}, "elb": {}}, "httpMethod": "GET"}),
        (1, {"requestContext": {"elb": {}}, "httpMethod": "GET"}),
        (2, {"requestContext": {"connectionId": "c"}}),
        (3, {"requestContext": {"requestId": "r"}, "httpMethod": "GET"}),
        (4, {"raw_path": "/", "method": "GET"}),
        (4, {"requestContext": {"serviceNetworkArn": "arn"}}),
        (5, {"Records": [{"cf": {}}]}),
        (None, {}),
        (None, {"raw_path": "/"}),
        (None, {"requestContext": []}),
        (None, {"Records": []}),
        (None, {"Records": ["cf"]}),
        (None, {"Records": [{"s3": {}}]}),
    ],
)
def test_the_shape_of_an_event_is_found(place: int | None, fields: dict[str, Any]) -> None:
    assert find_shape(fields, context_of(fields)) == (None if place is None else SHAPES[place])
