"""How jobs of this site have ended, in files: the page behind Cancel is made by another process."""

import asyncio
import re
import secrets
import tempfile
import time
from contextlib import suppress
from pathlib import Path

FOLDER = Path(tempfile.gettempdir()) / "tailrace-demo-jobs"
WAIT_S = 3.0
STEP_S = 0.05
KEPT_S = 60.0


class Job:
    """A job while it runs; how it ends goes to the function's log, and into a file."""

    def __init__(self):
        self.id = secrets.token_hex(8)
        self.order = 0

    def __enter__(self):
        print(f"job {self.id} starts")
        return self

    def __exit__(self, kind, error, trace):
        end = "has checked all" if kind is None else "was stopped at order"
        text = f"The job {end} {self.order}."
        print(f"job {self.id}: {text}")
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / self.id).write_text(text)
        for file in FOLDER.iterdir():
            with suppress(FileNotFoundError):  # another process has removed it
                if file.stat().st_mtime < time.time() - KEPT_S:
                    file.unlink()

    @staticmethod
    async def ended(job_id):
        """How a job has ended; it may take a moment until it has."""
        file = FOLDER / job_id
        if not re.fullmatch("[0-9a-f]{16}", job_id):
            return "There is no such job."
        for _ in range(round(WAIT_S / STEP_S)):
            if file.exists() and (text := file.read_text()):
                return text
            await asyncio.sleep(STEP_S)
        return "The job goes on."
