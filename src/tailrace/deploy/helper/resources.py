"""What the stack's helper needs and is called: its code, its time, its rights, its resources."""

from __future__ import annotations

from pathlib import Path
from typing import Final

CODE: Final = Path(__file__).parent / "code"
"""The folder of the function's code."""
HANDLER: Final = "index.handler"
TIMEOUT_S: Final = 240
"""Of the function. What waits for AWS in it ends early enough for an answer."""
MEMORY_MB: Final = 256
"""boto3 and one call: with 128 MB its import alone takes seconds."""
SERVICE_TIMEOUT_S: Final = 900
"""After which CloudFormation gives up waiting for an answer, in place of an hour. When no answer
could be delivered, Lambda repeats the event after 1 and after 2 minutes: 3 * 240 + 180 s."""

INSTANCE_REFRESH: Final = "Custom::TailraceInstanceRefresh"
PREFIX_LIST_ID: Final = "Custom::TailracePrefixListId"

CLOUDFRONT_PREFIX_LIST: Final = "com.amazonaws.global.cloudfront.origin-facing"
"""AWS's list of the addresses from which CloudFront reaches origins."""

GROUP_ARN: Final = (
    "arn:{partition}:autoscaling:{region}:{account}:autoScalingGroup:*:autoScalingGroupName/{group}"
)
PERMISSIONS: Final = {
    INSTANCE_REFRESH: ("autoscaling:StartInstanceRefresh", "autoscaling:CancelInstanceRefresh"),
    PREFIX_LIST_ID: ("ec2:DescribeManagedPrefixLists",),
}
"""The actions that each resource needs: on GROUP_ARN, and on `*`, since EC2 has no resource type
for the description of prefix lists (Service Authorization Reference, read 2026-11).

Where a group names `$Latest` or `$Default`, Auto Scaling checks that the caller of
StartInstanceRefresh has ec2:RunInstances and iam:PassRole (Auto Scaling User Guide, "Control Amazon
EC2 launch template usage", read 2026-11); our group names a number. AWS's sample of such a function
has no more rights than ours, for such a group
(github.com/aws-samples/ec2-auto-scaling-instance-refresh-sample, read 2026-11). It was not tried:
should AWS refuse, the reason names these actions.
"""


def refresh_preferences(warmup_s: int) -> dict[str, object]:
    """Preferences of a refresh that has all new instances beside all old ones, before those end.

    Protected and standby instances stay as they are: AWS's default would wait an hour for them and
    then fail.
    """
    return {
        "MinHealthyPercentage": 100,
        "MaxHealthyPercentage": 200,
        "InstanceWarmup": warmup_s,
        "SkipMatching": True,
        "ScaleInProtectedInstances": "Ignore",
        "StandbyInstances": "Ignore",
    }
