"""The app of the documentation is synthesized without a network, an account or a complaint."""

from __future__ import annotations

import pytest
from tests.deploy.assembly import Assembly


@pytest.fixture(params=["example", "front"])
def assembly(request: pytest.FixtureRequest) -> Assembly:
    found: Assembly = request.getfixturevalue(request.param)
    return found


def test_nothing_is_looked_up(assembly: Assembly) -> None:
    """A missing look-up would ask for credentials, and has dummy values in the template."""
    assert "missing" not in assembly.manifest


def test_neither_cdk_nor_our_checks_complain(assembly: Assembly) -> None:
    assert assembly.violations == []
    levels = {level for stack in assembly.stacks for level, _ in assembly.annotations(stack)}
    assert levels <= {"info"}


def test_the_address_is_an_output(example: Assembly) -> None:
    template = example.template("Lines")
    distribution = template.id_of("CloudFront::Distribution")

    assert template.body["Outputs"]["Url"]["Value"] == {
        "Fn::Join": ["", ["https://", {"Fn::GetAtt": [distribution, "DomainName"]}, "/"]]
    }


def test_the_price_of_the_network_is_named(example: Assembly) -> None:
    (info,) = (text for level, text in example.annotations("Lines") if level == "info")

    assert "USD a month before traffic" in info
