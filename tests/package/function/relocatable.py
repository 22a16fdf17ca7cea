"""A Python that runs in any folder, as `uv python install` writes one: made of the one that runs
the tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
PROGRAM = f"bin/python{VERSION}"
LIBRARY = f"lib/python{VERSION}"
UNNEEDED = (
    "include/Python.h",
    "share/man/man1/python.1",
    "lib/pkgconfig/python3.pc",
    "lib/tcl9.0/init.tcl",
    "lib/libtcl9.0.so",
    f"lib/libpython{VERSION}.a",
    f"{LIBRARY}/__pycache__/os.cpython-30.pyc",
    f"{LIBRARY}/config-{VERSION}-linux/Makefile",
    f"{LIBRARY}/ensurepip/__init__.py",
    f"{LIBRARY}/idlelib/idle.py",
    f"{LIBRARY}/site-packages/pip/__init__.py",
    f"{LIBRARY}/test/test_os.py",
    f"{LIBRARY}/tkinter/__init__.py",
    f"{LIBRARY}/lib-dynload/_testcapi.so",
    f"{LIBRARY}/EXTERNALLY-MANAGED",
    "bin/pip",
    f"bin/pip{VERSION}",
)
"""Files of such a folder that a function does not need."""
SYSCONFIG = f"{LIBRARY}/_sysconfigdata_of_test.py"
_LEFT_OUT = (
    *("__pycache__", "config-*", "dist-packages", "ensurepip", "idlelib", "site-packages"),
    *("test", "tests", "tkinter", "lib2to3", "_test*", "_sysconfigdata*"),
)


def relocatable(folder: Path) -> Path:
    """Make the folder, with names in it that it need not have on Lambda."""
    base = Path(sys.base_prefix)
    ignore = shutil.ignore_patterns(*_LEFT_OUT)
    shutil.copytree(base / LIBRARY, folder / LIBRARY, ignore=ignore)
    (folder / "bin").mkdir()
    program = shutil.copy2(base / PROGRAM, folder / PROGRAM)
    for path in base.glob("lib/libpython3*.so*"):
        shutil.copy2(path, folder / "lib", follow_symlinks=False)
    if b"libpython3" in program.read_bytes():
        words = ("patchelf", "--set-rpath", "$ORIGIN/../lib", program)
        subprocess.run(words, check=True, timeout=60)
    (folder / "bin" / "python3").symlink_to(program.name)
    (folder / "bin" / "python").symlink_to(program.name)
    for name in UNNEEDED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    (folder / SYSCONFIG).write_text(f"build_time_vars = {{'prefix': '{folder}'}}\n")
    return folder
