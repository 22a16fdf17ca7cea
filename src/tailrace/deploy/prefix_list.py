"""The addresses from which CloudFront reaches origins."""

from __future__ import annotations

from typing import Final

from aws_cdk import Stack
from aws_cdk import custom_resources as cr
from constructs import Construct

NAME: Final = "com.amazonaws.global.cloudfront.origin-facing"
"""AWS keeps this list; it has another id in each region."""

_ID: Final = "CloudFrontPrefixList"


def cloudfront_prefix_list(scope: Construct) -> str:
    """Return the list's id in the region of the stack, which is looked up during the deploy."""
    stack = Stack.of(scope)
    found = stack.node.try_find_child(_ID)
    if not isinstance(found, cr.AwsCustomResource):
        found = cr.AwsCustomResource(
            stack,
            _ID,
            resource_type="Custom::CloudFrontPrefixList",
            on_update=cr.AwsSdkCall(
                service="EC2",
                action="describeManagedPrefixLists",
                parameters={"Filters": [{"Name": "prefix-list-name", "Values": [NAME]}]},
                physical_resource_id=cr.PhysicalResourceId.of(NAME),
                output_paths=["PrefixLists.0.PrefixListId"],
            ),
            install_latest_aws_sdk=False,
            policy=cr.AwsCustomResourcePolicy.from_sdk_calls(resources=["*"]),
        )
    return found.get_response_field("PrefixLists.0.PrefixListId")
