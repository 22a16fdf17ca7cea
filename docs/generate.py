"""Draw the parts of the documentation that follow from the code.

    python docs/generate.py         rewrite them
    python docs/generate.py check   list what would change; the exit code is 1 if there is any

A generated part stands between `<!-- begin NAME -->` and `<!-- end NAME -->`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

DOCS: Final = Path(__file__).parent
ROOT: Final = DOCS.parent
sys.path.insert(0, str(ROOT))  # a script finds its own folder only

from docs.drawn import (  # noqa: E402
    agreement,
    alarms,
    constructs,
    costs,
    declared,
    machines,
    structure,
)

from tailrace.gateway.observe import emf  # noqa: E402

COMMANDS: Final = (
    "dev",
    "gateway",
    "check",
    "drain",
    "emulator",
    "probe",
    "costs",
    "init",
    "package layer",
    "package function",
    "package gateway",
)

UNITS: Final = ("gateway.service", "gateway.socket")

PARTS: Final[dict[str, Callable[[], str]]] = {
    "function side": machines.function_side,
    "client side": machines.client_side,
    "commands": machines.commands,
    "connection phases": machines.connection_phases,
    "connection events": machines.connection_events,
    "limits": declared.limits_tables,
    "rules": agreement.rules,
    "words": declared.words_table,
    "limits of AWS": agreement.limits_of_aws,
    "states": partial(declared.metrics_of, emf.STATES),
    "increases": partial(declared.metrics_of, emf.INCREASES),
    "error tree": structure.error_tree,
    "error table": structure.error_table,
    "layers": structure.layers,
    "libraries": structure.libraries,
    "layers described": structure.layers_described,
    "cost by scale": costs.scale_table,
    "cost by line": costs.line_table,
    "cost by memory": costs.memory_table,
    "cost of the smallest": costs.smallest_fact,
    "cost of a new site": costs.new_site_fact,
    "cost quotas": costs.quota_table,
    "cost quotas not met": costs.other_quotas,
    "prices": costs.price_table,
    "alarms": alarms.alarm_rows,
    **constructs.PARTS,
    **{f"options of {name}": partial(declared.options_of, name) for name in COMMANDS},
    **{f"unit {name}": partial(declared.unit, name) for name in UNITS},
    **{
        f"keys of {key}": partial(declared.keys_of, record)
        for key, record in declared.SETTINGS.items()
    },
}

PICTURES: Final[dict[str, Callable[[], str]]] = {"figures/costs.svg": costs.picture}
"""Files of this folder that are drawn as a whole."""

_PART: Final = re.compile(r"(<!-- begin ([\w. ]+) -->\n).*?(<!-- end \2 -->)", re.DOTALL)


def updated(text: str) -> str:
    """A document with its generated parts drawn anew."""
    return _PART.sub(lambda match: f"{match[1]}\n{PARTS[match[2]]()}\n\n{match[3]}", text)


def main() -> int:
    """Rewrite, or check."""
    is_check = sys.argv[1:] == ["check"]
    count = 0
    pages = sorted((*ROOT.glob("*.md"), *DOCS.rglob("*.md")))
    drawn = {path: updated(path.read_text()) for path in pages}
    drawn |= {DOCS / name: picture() for name, picture in PICTURES.items()}
    for path, new in drawn.items():
        if not path.exists() or path.read_text() != new:
            count += 1
            verdict = "out of date" if is_check else "rewritten"
            sys.stdout.write(f"{path.relative_to(ROOT)}: {verdict}\n")
            if not is_check:
                path.write_text(new)
    return 1 if count and is_check else 0


if __name__ == "__main__":
    sys.exit(main())
