"""Bounds of `tailrace package`: see `tailrace.limits`."""

from __future__ import annotations

from typing import Final

from tailrace.limits import KIB, MIB

# --- tailrace package --------------------------------------------------------------------------

STEP_TIMEOUT_S: Final = 600.0
"""One run of uv or pip: 250 MB of wheels at 3.3 Mbit/s. Both have time-outs of their own for a peer
that is silent."""
COMPILE_TIMEOUT_S: Final = 300.0
"""How long a Python may take to compile the modules of a package: 10,000 take 20 s, measured."""
LOOK_INTERVAL_S: Final = 0.2
"""How often the lines in which uv says what it does are read, for a terminal."""
TOLD_BYTES_MAX: Final = 256 * KIB
"""The part of these lines that is read: its errors have some hundred bytes."""
CODE_FILES_MAX: Final = 20_000
"""Files in the folder of a function, without those of its dependencies."""
KEY_FILE_BYTES_MAX: Final = 64 * KIB
"""The part of a file in which a private key is looked for."""
CODE_BYTES_MAX: Final = 250 * MIB
"""An unzipped archive, with its layers (DG, Lambda quotas: 250 MB)."""
UPLOAD_BYTES_MAX: Final = 50 * MIB
"""An archive that the Lambda API takes itself; a larger one has to be in S3 (DG, Lambda quotas:
50 MB zipped)."""
LARGEST_SHOWN: Final = 10
"""Packages that a report of sizes names."""
