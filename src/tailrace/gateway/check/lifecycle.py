"""Checks what `--lifecycle-hook` needs: the instance's metadata, and permission at Auto Scaling."""

from __future__ import annotations

from collections.abc import Mapping

from tailrace.config import HookName
from tailrace.errors import ConfigError
from tailrace.gateway.aws.auto_scaling import HEARTBEAT, LifecycleAction
from tailrace.gateway.aws.metadata import STATE, InstanceMetadata, why_unread
from tailrace.gateway.check.finding import Finding


async def check_lifecycle(hook: HookName, environ: Mapping[str, str]) -> Finding:
    """Return the finding: a warning if something is missing, since the gateway serves without it.

    It sends one heartbeat, which is refused unless the instance waits in the hook.
    """
    subject = f"--lifecycle-hook {hook}"
    metadata = InstanceMetadata(environ)
    try:
        answer = await metadata.get(STATE)
        if answer is None or answer.status != 200:
            text = f"the metadata at {metadata.base} cannot be read: {why_unread(answer)}"
            return Finding("warning", subject, text, "run the check on the EC2 instance itself")
        state = answer.body.decode("ascii", "replace").strip()[:40]
        action = await LifecycleAction.find(hook, metadata)
        try:
            refusal = await action.call(HEARTBEAT)
        finally:
            await action.close()
    except ConfigError as error:
        return Finding("warning", subject, str(error))
    finally:
        await metadata.close()
    if refusal is None or refusal.is_inactive:
        now = "" if refusal is None else f" (now: {refusal.text})"
        return Finding("ok", subject, f"{state}, and calls for {action.name} are permitted{now}")
    return Finding("warning", subject, refusal.text, refusal.remedy or "check again later")
