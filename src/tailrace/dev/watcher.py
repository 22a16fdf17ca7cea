"""The watcher of the configuration and of the functions' directories.

Concurrency law: two tasks, one for the configuration and one for the functions' directories.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Final

from watchfiles import Change, awatch

from tailrace.config import Config
from tailrace.net.tasks import TaskSet

logger = logging.getLogger(__name__)

_LOOK_AGAIN_MS: Final = 1000
"""How often it is looked whether the watched directories are still those that they were."""


class Watcher:
    """Calls `reload(files)` with changed files of functions, with none for the configuration.

    `is_source(path)` decides which files in the functions' directories count.
    """

    def __init__(
        self, reload: Callable[[set[Path]], Awaitable[None]], is_source: Callable[[Path], bool]
    ) -> None:
        self._reload = reload
        self._is_source = is_source
        self._tasks = TaskSet()
        self._watching: asyncio.Task[None] | None = None

    async def start(self, config: Config, *, has_file: bool) -> None:
        """Start to watch; changes after the return are reported.

        Without a file, the configuration does not change.
        """
        self._config = config
        if has_file:
            self._tasks.spawn(self._watch_config(), "watch configuration")
        await self._watch_functions()

    async def take_up(self, config: Config) -> bool:
        """Watch the directories of a configuration; False if they are the same as before."""
        before, self._config = self._config, config
        if _paths(config) == _paths(before):
            return False
        await self._watch_functions()
        return True

    async def stop(self) -> None:
        """Stop watching."""
        await self._tasks.cancel_all()

    async def _watch_config(self) -> None:
        """Watch the configuration file and its current `.env` files."""
        while True:
            files = _settings(self._config)

            def is_one(change: Change, changed: str, files: set[Path] = files) -> bool:
                return Path(changed) in files

            # Directories, not files: editors replace a file by another one of its name.
            directories = {file.parent for file in files}
            async for _ in awatch(*directories, watch_filter=is_one, recursive=False):
                await self._reload(set())
                if _settings(self._config) != files:
                    break

    async def _watch_functions(self) -> None:
        """Watch the directories of the current functions."""
        before = self._watching
        self._watching = self._tasks.spawn(self._watch_directories(), "watch functions")
        await asyncio.sleep(0)  # the task starts to watch in its first step
        if before is not None:
            before.cancel()

    async def _watch_directories(self) -> None:
        """Watch, and start again when a directory was removed, restored or replaced.

        The system watches a directory by its identity, not by its name.
        """
        paths = _paths(self._config)
        before = found = _identities(paths)
        while True:
            for path in before.keys() - found.keys():
                logger.warning("%s is gone: its functions change when it is back", path)
            back = {path for path in found if before.get(path) != found[path]}
            try:
                async for changes in awatch(
                    *found,
                    watch_filter=lambda change, path: self._is_source(Path(path)),
                    rust_timeout=_LOOK_AGAIN_MS,
                    yield_on_timeout=True,
                ):
                    files = {Path(path) for _, path in changes} | back
                    back = set()
                    if files:
                        await self._reload(files)
                    lost = {Path(path) for change, path in changes if change is Change.deleted}
                    if lost & found.keys() or _identities(paths) != found:
                        break
            except FileNotFoundError:  # removed meanwhile
                lost = set()
            before = {path: found[path] for path in found.keys() - lost}
            found = _identities(paths)


def _settings(config: Config) -> set[Path]:
    """Return the configuration file and the `.env` files of its functions."""
    files = {function.env_file for function in config.functions.values()}
    return {config.path, *(file for file in files if file is not None)}


def _paths(config: Config) -> set[Path]:
    return {function.path for function in config.functions.values()}


def _identities(paths: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    """Return the identities of existing directories: a new one of the same name differs."""
    found = {}
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        found[path] = (status.st_dev, status.st_ino)
    return found
