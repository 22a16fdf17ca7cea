"""Tags of machines, whose metadata have them: the gateway reads the name of its group there."""

from __future__ import annotations

import re
from typing import Final

import jsii
from aws_cdk import TagManager
from constructs import IValidation

_RESERVED: Final = (".", "..", "_index")
_is_key: Final = re.compile(r"[0-9A-Za-z\-_+=,.@:]{1,255}").fullmatch
"""What EC2 accepts when metadata have tags; it launches no machine with another key (Amazon EC2
User Guide, "Tag your Amazon EC2 resources", read 2026-11)."""


@jsii.implements(IValidation)
class MachineTags:
    """Checks the tags that machines get, of their group and of its stack, when all are there.

    CloudFormation gives those of a stack to its group, which gives them to its machines.
    """

    def __init__(self, *tags: TagManager) -> None:
        self._tags = tags

    def validate(self) -> list[str]:
        """Return a message for each key with which no machine could be launched."""
        return [
            f"no machine can have the tag {key!r}: a key in its metadata has letters, digits and"
            " -_+=,.@: only; name it otherwise, or leave it out of the gateway: Tags.of(SCOPE)"
            f".add({key!r}, VALUE, exclude_resource_types=['AWS::AutoScaling::AutoScalingGroup',"
            " 'AWS::EC2::LaunchTemplate', 'aws:cdk:stack'])"
            for key in sorted({key for tags in self._tags for key in tags.tag_values()})
            if key in _RESERVED or not _is_key(key)
        ]
