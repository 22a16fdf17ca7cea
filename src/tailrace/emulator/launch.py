"""What the process of a function is started with, and why it cannot be started."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tailrace.config import FunctionConfig
from tailrace.errors import ConfigError

if TYPE_CHECKING:  # see `profile_keys`
    from tailrace.emulator.profile import ProfileKeys

_BOOT: Final = Path(__file__).resolve().parents[1] / "runtime" / "boot.py"


def arguments_of(function: FunctionConfig) -> tuple[str, ...]:
    """The program and its arguments."""
    if function.command is not None:
        return function.command
    assert function.loaded is not None
    # -u: what a handler prints is shown when it prints it.
    return (function.python.path, "-u", str(_BOOT), function.loaded)


async def profile_keys(function: FunctionConfig) -> ProfileKeys | None:
    """The credentials of the function's AWS profile, if it has one.

    Raises:
        ConfigError: the profile has none now.
    """
    if function.aws_profile is None:
        return None
    # Imported here because botocore is slow to load, and few functions have a profile.
    from tailrace.emulator.profile import find_profile_keys

    return await find_profile_keys(function.aws_profile)


def why_unusable(function: FunctionConfig, error: OSError | ConfigError) -> tuple[str, str]:
    """The error type and the words for a function that cannot be started."""
    if isinstance(error, ConfigError):
        return "Emulator.NoCredentials", str(error)
    is_path_wrong = not function.path.is_dir()
    what = str(function.path) if is_path_wrong else arguments_of(function)[0]
    reason = "Runtime.InvalidWorkingDir" if is_path_wrong else "Runtime.InvalidEntrypoint"
    return reason, f"{what}: {error.strerror or error}"
