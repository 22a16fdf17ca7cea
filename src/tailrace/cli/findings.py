"""What a check has found, on stdout: a line each, or one JSON document."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from tailrace.cli.terminal import CYAN, RED, YELLOW, Terminal
from tailrace.gateway.check.finding import Finding, Level
from tailrace.words import counted

_COLORS: Final[dict[Level, int]] = {"ok": CYAN, "warning": YELLOW, "error": RED}
_JSON_VERSION: Final = 1


def show_findings(
    found: Sequence[Finding], *, is_json: bool, more: Mapping[str, Any] | None = None
) -> int:
    """Print what was found and how much of it; return the exit code.

    `more` are further keys of the JSON document.
    """
    out = Terminal(sys.stdout, os.environ)
    counts: Mapping[Level, int] = Counter(finding.level for finding in found)
    code = 1 if counts["error"] else 0
    if is_json:
        document = {
            "version": _JSON_VERSION,
            "errors": counts["error"],
            "warnings": counts["warning"],
            "findings": [asdict(finding) for finding in found],
            **(more or {}),
        }
        out.write(json.dumps(document, indent=2, ensure_ascii=False))
        return code
    for finding in found:
        level = out.paint(f"{finding.level:<7}", _COLORS[finding.level])
        remedy = "" if finding.remedy is None else f"; {finding.remedy}"
        text = "".join(c if c.isprintable() else "?" for c in f"{finding.text}{remedy}")
        out.write(f"{level}  {finding.subject}: {text}")
    errors = "no error" if not counts["error"] else counted(counts["error"], "error")
    warnings = f", {counted(counts['warning'], 'warning')}" if counts["warning"] else ""
    out.write(f"{errors}{warnings}")
    return code
