"""Names of functions as callers write them."""

from __future__ import annotations

import pytest

from tailrace.emulator.names import parse_name
from tailrace.emulator.service_error import ServiceError

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:my-f_1"


@pytest.mark.parametrize(
    ("segment", "name", "qualifier"),
    [
        ("f", "f", None),
        ("f:prod", "f", "prod"),
        ("f:12", "f", "12"),
        ("f%3Aprod", "f", "prod"),
        ("f:$LATEST", "f", "$LATEST"),
        ("f%3A%24LATEST", "f", "$LATEST"),
        ("123456789012:f", "f", None),
        ("123456789012:function:f", "f", None),
        ("123456789012%3Afunction%3Af%3Aprod", "f", "prod"),
        ("function:f", "f", None),
        (ARN, "my-f_1", None),
        (ARN.replace(":", "%3A"), "my-f_1", None),
        (f"{ARN}:prod", "my-f_1", "prod"),
        ("arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:f", "f", None),
    ],
)
def test_all_forms_of_a_name(segment: str, name: str, qualifier: str | None) -> None:
    assert parse_name(segment, None) == (name, qualifier)


def test_the_qualifier_may_be_a_parameter() -> None:
    assert parse_name("f", "prod") == ("f", "prod")
    assert parse_name("f:prod", "prod") == ("f", "prod")


def test_the_function_is_told_the_arn_as_invoked() -> None:
    assert parse_name("f", None).arn == "arn:aws:lambda:us-east-1:000000000000:function:f"
    assert parse_name("f:prod", None).arn.endswith(":function:f:prod")


def test_two_qualifiers_that_differ_are_refused() -> None:
    with pytest.raises(ServiceError) as caught:
        parse_name("f:prod", "test")

    assert caught.value.status == 400
    assert caught.value.error_type == "InvalidParameterValueException"
    assert str(caught.value) == (
        "The derived qualifier from the function name does not match the specified qualifier."
    )


@pytest.mark.parametrize(
    "segment", ["", "a b", "a%2Fb", "f:", "f:a:b", "x" * 257, "arn:aws:s3:::bucket"]
)
def test_what_is_no_name_is_refused(segment: str) -> None:
    with pytest.raises(ServiceError) as caught:
        parse_name(segment, None)

    assert (caught.value.status, caught.value.error_type) == (400, "ValidationException")
    assert "at 'functionName' failed to satisfy constraint" in str(caught.value)


def test_what_is_no_qualifier_is_refused() -> None:
    with pytest.raises(ServiceError) as caught:
        parse_name("f", "a b")

    assert "at 'qualifier'" in str(caught.value)
