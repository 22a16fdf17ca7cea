"""How jobs of this site have ended: for the page behind Cancel, which another process may make."""

import asyncio
import re
import secrets
import tempfile
from pathlib import Path

FOLDER = Path(tempfile.gettempdir()) / "tailrace-demo-jobs"
WAIT_S = 3.0
STEP_S = 0.05


class Job:
    """A job while it runs; its end goes to the function's log, and to who asks for it."""

    def __init__(self):
        self.id = secrets.token_hex(8)
        self.order = 0

    def __enter__(self):
        print(f"job {self.id} starts")
        return self

    def __exit__(self, kind, error, trace):
        end = "is complete with" if kind is None else "was stopped at"
        text = f"The job {end} order {self.order}."
        print(f"job {self.id}: {text}")
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / self.id).write_text(text)

    @staticmethod
    async def ended(job_id):
        """How a job has ended; it may take a moment until it has."""
        file = FOLDER / job_id
        if not re.fullmatch("[0-9a-f]{16}", job_id):
            return "There is no such job."
        for _ in range(round(WAIT_S / STEP_S)):
            if file.exists():
                return file.read_text()
            await asyncio.sleep(STEP_S)
        return "The job goes on."
