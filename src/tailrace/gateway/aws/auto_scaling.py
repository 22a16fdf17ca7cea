"""The lifecycle action of an instance at the Auto Scaling API: heartbeats, and its completion.

Facts: Auto Scaling API 2011-01-01, "RecordLifecycleActionHeartbeat", "CompleteLifecycleAction" and
"Common Errors", its query protocol as botocore serializes it; read 2026-11. A call that names the
instance needs no token of the action.
"""

from __future__ import annotations

import asyncio
import html
import re
from typing import Final, NamedTuple
from urllib.parse import urlencode

from tailrace.config import HookName
from tailrace.errors import ConfigError, EndpointError, PeerError
from tailrace.gateway.aws.endpoint import configured_endpoint
from tailrace.gateway.aws.metadata import InstanceMetadata
from tailrace.gateway.aws.signing import AwsSigner
from tailrace.gateway.limits import AUTO_SCALING_TIMEOUT_S
from tailrace.net.client.pool import HttpPool
from tailrace.net.client.request import PoolAnswer

HEARTBEAT: Final = "RecordLifecycleActionHeartbeat"
COMPLETE: Final = "CompleteLifecycleAction"

_PERMISSIONS: Final = (
    f"allow the machine's role autoscaling:{HEARTBEAT} and autoscaling:{COMPLETE} on its group"
)
_CREDENTIALS: Final = "check the credentials, and this machine's clock"
_ROUTE: Final = "a private subnet needs a VPC endpoint for autoscaling, or a NAT gateway"
_REMEDIES: Final = {
    **dict.fromkeys(("AccessDenied", "AccessDeniedException"), _PERMISSIONS),
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException", "RequestExpired"), _CREDENTIALS),
    **dict.fromkeys(("InvalidClientTokenId", "SignatureDoesNotMatch"), _CREDENTIALS),
}
"""By the code of an error. Any other may pass by itself."""

_GROUP_ITEM: Final = "tags/instance/aws:autoscaling:groupName"
_VERSION: Final = "2011-01-01"
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
_CODE: Final = re.compile(r"<Code>([\w.]{1,100})</Code>").search
_MESSAGE: Final = re.compile(r"<Message>([^<]{1,500})").search


class Refusal(NamedTuple):
    """A call that was not taken."""

    text: str
    remedy: str | None = None
    """What to do; None if a later attempt may succeed without."""
    is_inactive: bool = False
    """Whether the instance has no such action now: not yet, not any more, or there is no such group
    or hook."""


class LifecycleAction:
    """The action of one hook for one instance. Open it with `find`, then close it."""

    def __init__(self, signer: AwsSigner, group: str, hook: str, instance: str) -> None:
        self.name = HookName(group, hook)
        self._instance = instance
        self._signer = signer
        self._post = signer.prepare("/", _FORM)
        self._pool = HttpPool(
            signer.origin,
            connections_max=1,
            timeout_s=AUTO_SCALING_TIMEOUT_S,
            connect_timeout_s=AUTO_SCALING_TIMEOUT_S,
        )
        self._pool.start()

    @classmethod
    async def find(cls, name: HookName, metadata: InstanceMetadata) -> LifecycleAction:
        """Return the action for this instance, with the credentials of the AWS configuration.

        The region is the instance's, as its group's always is, whichever is configured. A group
        that is not named is that of the metadata.

        Raises:
            ConfigError: something of this is missing, or the AWS configuration is invalid.
        """
        group = name.group or await _item(metadata, _GROUP_ITEM)
        instance = await _item(metadata, "instance-id")
        region = await _item(metadata, "placement/region")
        endpoint = await asyncio.to_thread(configured_endpoint, "autoscaling", region)
        signer = AwsSigner(endpoint, timeout_s=AUTO_SCALING_TIMEOUT_S)
        await signer.start()
        return cls(signer, group, name.hook, instance)

    async def call(self, name: str) -> Refusal | None:
        """Call HEARTBEAT or COMPLETE; None if it was taken. Cancelling is safe."""
        fields = {
            "Action": name,
            "Version": _VERSION,
            "LifecycleHookName": self.name.hook,
            "AutoScalingGroupName": self.name.group or "",
            "InstanceId": self._instance,
        }
        if name == COMPLETE:
            # Also after a drain that was cut: with ABANDON the group may retain the instance
            # (instance lifecycle policies), or leave out its other hooks.
            fields["LifecycleActionResult"] = "CONTINUE"
        try:
            answer = await self._pool.ask(self._post.encode(urlencode(fields).encode()))
        except TimeoutError:
            return Refusal(f"no answer within {AUTO_SCALING_TIMEOUT_S:g} s", _ROUTE)
        except PeerError as error:
            return Refusal(str(error), _ROUTE)
        except EndpointError as error:
            return Refusal(str(error), _CREDENTIALS)
        return None if answer.status == 200 else _refusal(answer)

    async def close(self) -> None:
        """Close the connection."""
        await self._signer.close()
        await self._pool.close()


async def _item(metadata: InstanceMetadata, path: str) -> str:
    answer = await metadata.get(path)
    if answer is not None and answer.status == 200:
        return answer.body.decode("utf-8", "replace").strip()
    if answer is not None and answer.status == 404 and path == _GROUP_ITEM:
        raise ConfigError(
            "the instance's metadata has no tags; switch them on (InstanceMetadataTags=enabled in"
            " the launch template), or give --lifecycle-hook GROUP/HOOK"
        )
    why = "no answer" if answer is None else f"it answers {answer.status}"
    raise ConfigError(f"{path} in the instance's metadata cannot be read: {why}")


def _refusal(answer: PoolAnswer) -> Refusal:
    """Read an error of the query protocol: `<Error><Code>…</Code><Message>…</Message></Error>`."""
    text = answer.body.decode("utf-8", "replace")
    code, message = _CODE(text), _MESSAGE(text)
    name = code[1] if code else f"HTTP {answer.status}"
    said = html.unescape(message[1]).strip() if message else "without a message"
    words = "".join(c if c.isprintable() else "?" for c in f"{name}: {said}")
    return Refusal(words, _REMEDIES.get(name), is_inactive=name == "ValidationError")
