"""The runtime's usage and help text, for a start by hand."""

from __future__ import annotations

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Final

_USAGE: Final = (
    "usage: AWS_LAMBDA_RUNTIME_API=HOST:PORT python -m tailrace.runtime MODULE:ATTRIBUTE\n"
)
_HELP: Final = """
Runs a handler, or an ASGI or WSGI app, as AWS Lambda's runtime does, and streams what it yields.
Lambda and the emulator start this program; it is not meant to be started by hand.
To run an app on this machine, use: tailrace dev main:app

  MODULE:ATTRIBUTE        what to run, as in main:app, or as Lambda has it in app.handler;
                          _HANDLER when it is not given

  AWS_LAMBDA_RUNTIME_API  where events come from; required, and set by Lambda
  LAMBDA_TASK_ROOT        where modules are; the working directory when it is not set
  TAILRACE_RESPONSE_MODE  "stream": plain handlers are streamed as well

All variables: docs/reference/sdk.md
"""


def explain(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Return exit code and text for a command line that is invalid, or requests help."""
    if arguments and arguments[0] in ("-h", "--help"):
        return 0, _USAGE + _HELP
    if arguments and arguments[0].startswith("-"):
        what = f"there is no option {arguments[0][:40]}"
    elif not arguments and not environment.get("_HANDLER"):
        what = "there is nothing to run: name it, as in main:app or app.handler, or set _HANDLER"
    else:
        given = environment.get("AWS_LAMBDA_RUNTIME_API")
        is_set = "is not set" if given is None else f"is not HOST:PORT: {given[:80]!r}"
        what = (
            f"AWS_LAMBDA_RUNTIME_API {is_set}; Lambda and the emulator set it."
            " To run an app on this machine: tailrace dev main:app"
        )
    return 2, f"{_USAGE}tailrace.runtime: {what}\n"
