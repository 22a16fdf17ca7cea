"""The runtime as a script, for a Python whose environment may have no tailrace.

The emulator starts it by its path, `PYTHON -u boot.py MODULE.HANDLER`. The tailrace of the
environment is used if there is one, else the one that this file belongs to. Only that package is
found here: the folder of this installation is not added to `sys.path`, and child processes inherit
no other variables. `managed.py` executes it as well, after setting `sys.path`.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Final

_PACKAGE: Final = "tailrace"
_FOLDER: Final = os.path.dirname(os.path.abspath(__file__))
_ROOT: Final = os.path.dirname(os.path.dirname(_FOLDER))


class PackageFinder:
    """Finds the package in one folder, and nothing else."""

    def __init__(self, root: str) -> None:
        self._path = [root]

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Called by the import system."""
        return PathFinder.find_spec(name, self._path) if name == _PACKAGE else None


def _installed() -> str | None:
    """Return the folder in which the environment has the package; None if it has none.

    A module of that name, or a package without a runtime, is another one: that of an app.
    """
    for finder in sys.meta_path:
        # Before Python 3.12 there were finders of another kind, as in old releases of six.
        find_spec = getattr(finder, "find_spec", None)
        spec: ModuleSpec | None = find_spec and find_spec(_PACKAGE, None)
        if spec:
            for folder in spec.submodule_search_locations or ():
                if os.path.isfile(os.path.join(folder, "runtime", "__main__.py")):
                    return os.path.dirname(folder)
            return None
    return None


_is_script = not sys.flags.safe_path and sys.path[:1] == [_FOLDER]
if _is_script:
    sys.path[0] = os.getcwd()  # the modules beside this file have common names
root: Final = _installed() or _ROOT
"""The folder that has the package."""
# Also in a child process of multiprocessing, which imports this file under another name.
sys.meta_path.insert(0, PackageFinder(root))
if _is_script:
    # The runtime puts it back when it loads the handler: until then a logging.py beside that is
    # not what the runtime itself imports.
    del sys.path[0]

if __name__ == "__main__":
    from tailrace.runtime.__main__ import main

    sys.exit(main(sys.argv[1:]))
