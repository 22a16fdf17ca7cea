"""The start in the place of that of AWS's managed Python runtime, as a script.

The exec wrapper of the layer has the managed runtime's interpreter run this file, and not AWS's
boot file. A handler finds what it would find under that: the same `sys.path` with the folders of
`.pth` files, the same environment. Only the package `tailrace` is found besides, also where a
function has its own PYTHONPATH, which takes /opt/python out of `sys.path`.

Only syntax of Python 3.8, so that an older Python gets as far as the words about its version.
"""

from __future__ import annotations

import os
import site
import sys

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from types import CodeType
    from typing import Final

_FOLDER: Final = os.path.dirname(os.path.abspath(__file__))
_ROOT: Final = os.path.dirname(os.path.dirname(_FOLDER))
_BOOT: Final = "tailrace.runtime.boot"
_VERSION: Final = "{}.{}".format(*sys.version_info)
_OLDEST: Final = (3, 11)
_REPORT_TIMEOUT_S: Final = 5.0
"""How long a report to the Runtime API may take. Not of `limits`, which may be what is missing."""


class StartError(Exception):
    """Why the runtime cannot be started, and what to do."""


def start() -> int:
    """Run the runtime; return the exit code of the process."""
    if sys.argv[1:2] == ["--init-error"]:
        report(" ".join(sys.argv[2:]))
        return 0
    try:
        check()
        path = [os.environ["LAMBDA_TASK_ROOT"], *layer_folders(), *library_folders(), *sys.path]
        bare = interpreter_folders()
        # The package is looked for where a handler looks for it. What is imported here finds
        # neither the function's modules nor those of its layers: logging.py may be one.
        sys.path[:] = bare
        boot = load_boot()
        sys.path[:] = path
        root = find_package(boot)
        sys.path[:] = bare
        import_runtime(root)
    except StartError as error:
        sys.stderr.write(f"tailrace: {error}\n")
        report(str(error))
        return 1
    sys.path[:] = path
    for folder in (os.environ["LAMBDA_TASK_ROOT"], *layer_folders()):
        site.addsitedir(folder)
    os.environ.setdefault("PYTHONPATH", os.environ["LAMBDA_RUNTIME_DIR"])
    from tailrace.runtime.__main__ import main

    return main([])


def check() -> None:
    """Take this file's folder out of `sys.path`, for which the runtime's stands there.

    Raises:
        StartError: this is not a managed runtime, or its Python is too old.
    """
    if sys.version_info < _OLDEST:
        raise StartError(
            f"the function has Python {_VERSION}: the layer needs 3.11 or newer. Choose a newer"
            " runtime for the function, or remove AWS_LAMBDA_EXEC_WRAPPER"
        )
    missing = {"LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"} - set(os.environ)
    if missing:
        raise StartError(
            f"{', '.join(sorted(missing))} not set: only tailrace-wrapper starts this file, on"
            " Lambda. To run an app on this machine: tailrace dev main:app"
        )
    if not sys.flags.safe_path and sys.path[:1] == [_FOLDER]:
        sys.path[0] = os.environ["LAMBDA_RUNTIME_DIR"]


def layer_folders() -> list[str]:
    """Return the folders of layers that are in `sys.path`."""
    if "PYTHONPATH" in os.environ:
        return []
    return [f"/opt/python/lib/python{_VERSION}/site-packages", "/opt/python"]


def library_folders() -> list[str]:
    """Return the folder of what the managed runtime brings, such as boto3."""
    if "PYTHONPATH" in os.environ:
        return []
    return [f"/var/lang/lib/python{_VERSION}/site-packages"]


def interpreter_folders() -> list[str]:
    """Return the folders in `sys.path` that are not added by the function: the standard library."""
    own = tuple(os.path.join(prefix, "") for prefix in (sys.base_prefix, sys.base_exec_prefix))
    return [folder for folder in sys.path if folder.startswith(own)]


def load_boot() -> CodeType:
    """Return the code of `boot.py`.

    Raises:
        StartError: it cannot be read or compiled.
    """
    from importlib.machinery import SourceFileLoader

    try:
        code = SourceFileLoader(_BOOT, os.path.join(_FOLDER, "boot.py")).get_code(_BOOT)
    except (OSError, ImportError, SyntaxError) as error:
        raise StartError(_broken(_ROOT, error)) from error
    assert code is not None, "it has a source"
    return code


def find_package(boot: CodeType) -> str:
    """Have this process find `tailrace`; return the folder that has it.

    It is that of the function itself if there is one, with its runtime, else the layer's.

    Raises:
        StartError: `boot.py` is not what it should be.
    """
    names = {"__name__": _BOOT, "__file__": boot.co_filename}
    try:
        exec(boot, names)
        return names["root"]
    except Exception as error:
        raise StartError(_broken(_ROOT, error)) from error


def import_runtime(root: str) -> None:
    """Import the runtime that was found.

    Raises:
        StartError: it cannot be imported.
    """
    try:
        import tailrace.runtime.__main__

        if "AWS_LAMBDA_MAX_CONCURRENCY" in os.environ:
            import tailrace.runtime.workers  # noqa: F401
    except Exception as error:
        raise StartError(_broken(root, error)) from error


def report(message: str) -> None:
    """Report the error to the Runtime API, so that callers are told as well."""
    api = os.environ.get("AWS_LAMBDA_RUNTIME_API")
    if not api:
        return
    sys.path[:] = interpreter_folders()
    import http.client
    import json

    error_type = "Runtime.ConfigInvalid"
    error = {"errorType": error_type, "errorMessage": message, "stackTrace": []}
    headers = {
        "Content-Type": "application/json",
        "Lambda-Runtime-Function-Error-Type": error_type,
    }
    connection = http.client.HTTPConnection(api, timeout=_REPORT_TIMEOUT_S)
    try:
        connection.request("POST", "/2018-06-01/runtime/init/error", json.dumps(error), headers)
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        pass  # the log has it
    finally:
        connection.close()


def _broken(root: str, error: BaseException) -> str:
    what = f"{type(error).__name__}: {' '.join(str(error).split())}"
    cure = (
        "the layer is incomplete: make it by tailrace package layer, and publish the archive as it"
        " is"
        if root == _ROOT
        else "install tailrace there again, or leave it out for that of the layer"
    )
    return f"the runtime in {root}/tailrace cannot be imported: {what}; {cure}"


if __name__ == "__main__":
    sys.exit(start())
elif __name__ == "__mp_main__":  # a child process of multiprocessing, with the parent's `sys.path`
    find_package(load_boot())
