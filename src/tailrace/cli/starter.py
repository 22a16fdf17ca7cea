"""`tailrace init`: a first tailrace.toml and a handler."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from tailrace.config import CONFIG_NAME
from tailrace.package.usual_places import app_in

_CONFIG: Final = """\
# The functions, and the requests that go to them. `tailrace dev` runs them on this machine.
# All settings: docs/reference/settings.md

[functions.hello]
handler = "app.handler"  # module.attribute; for an ASGI or WSGI app it is: app = "main:app"
# path = "."  # the folder of its code
# python = ".venv/bin/python"  # without it the project's .venv, else the Python of tailrace
# timeout_s = 30  # a request that takes longer is ended
# concurrency = 10  # requests at the same time, each in a process of its own
# environment = { GREETING = "hello" }
# env_file = ".env"  # more variables, one NAME=VALUE a line

[[routes]]
path = "/*"  # or "/exact", or "/prefix/*"
function = "hello"

# [gateway]
# first_byte_timeout_s = 30  # how long a client waits for the first byte
"""
_HANDLER: Final = '''\
"""A handler that streams: each line is sent when it is yielded."""

import time

from tailrace.function import Head, streamify_response


@streamify_response
def handler(event, context):
    yield Head(200, {"content-type": "text/plain; charset=utf-8"})
    for number in range(1, 6):
        yield f"line {number}\\n"
        time.sleep(1)
'''
_FILES: Final = {CONFIG_NAME: _CONFIG, "app.py": _HANDLER}


def write_starter(folder: Path) -> list[str]:
    """Write the files into a folder, which is made if there is none; return their names.

    Raises:
        FileExistsError: one of them is there, or an app that needs none. Nothing is written then.
        OSError: the folder cannot be written.
    """
    there = [name for name in _FILES if os.path.lexists(folder / name)]
    app = app_in(folder)
    if app is not None:
        raise FileExistsError(
            f"nothing was written: {app} is an app, and needs no file; run it with: tailrace dev"
            f' {app}; or write app = "{app}" into [functions.NAME] of a {CONFIG_NAME}'
        )
    if there:
        verb = "is" if len(there) == 1 else "are"
        raise FileExistsError(
            f"nothing was written: {' and '.join(there)} {verb} there already; name an empty"
            " folder, as in tailrace init hello"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in _FILES.items():
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise OSError(f"{error.filename}: {error.strerror}") from error
    return list(_FILES)
