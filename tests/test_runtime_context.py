"""The context of an invocation as text, which handlers log: as that of AWS's runtime."""

from __future__ import annotations

import json
from typing import Any

import pytest
from awslambdaric.lambda_context import LambdaContext as TheirContext

from tailrace.runtime.context import FunctionFacts, LambdaContext
from tailrace.wire.runtime_api import Invocation

ENVIRONMENT = {
    "AWS_LAMBDA_FUNCTION_NAME": "f",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_LAMBDA_LOG_GROUP_NAME": "group",
    "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
}
CLIENT = {"client": {"app_title": "an app"}, "custom": {"a": 1}, "w3c": {"traceparent": "00"}}
IDENTITY = {"cognitoIdentityId": "i", "cognitoIdentityPoolId": "p"}


@pytest.mark.parametrize("environment", [ENVIRONMENT, {}], ids=["set", "unset"])
@pytest.mark.parametrize(
    ("client", "identity"), [(None, None), ({}, {}), ({"env": {}}, IDENTITY), (CLIENT, IDENTITY)]
)
def test_a_context_as_text(
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    client: dict[str, Any] | None,
    identity: dict[str, Any] | None,
) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    invocation = Invocation(
        "r1",
        5,
        "arn:f",
        client_context=None if client is None else json.dumps(client),
        cognito_identity=None if identity is None else json.dumps(identity),
        tenant_id="t",
    )

    def never(*unused: object) -> Any:
        raise AssertionError

    ours = LambdaContext(invocation, FunctionFacts(environment), never, never)
    copied = None if client is None else dict(client)
    theirs = TheirContext("r1", copied, identity, 5, "arn:f", "t")
    assert repr(ours) == repr(theirs)
    assert str(ours) == str(theirs)
