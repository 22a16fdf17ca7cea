"""How the code is built: the layers of its parts, and the tree of its errors."""

from __future__ import annotations

import runpy
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from docs.drawn.markdown import table, text_block

from tailrace import errors

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = Path(errors.__file__).parent

# --- errors ------------------------------------------------------------------------------------


def error_tree() -> str:
    """The tree at the top of errors.py."""
    text = errors.__doc__ or ""
    tree = text[text.index("TailraceError") :].rstrip()
    return f"```text\n{tree}\n```"


def error_table() -> str:
    """Every exception with the facts that it carries."""
    rows = []
    for each in all_errors():
        status = "the refused request's" if each is errors.HttpError else str(each.status)
        if each in (errors.CallbackRefusedError, errors.AnsweredEarlyError):
            status = "the peer's answer"
        rows.append(
            [
                f"`{each.__name__}`",
                each.source,
                "yes" if each.retryable else "no",
                status,
                " ".join((each.__doc__ or "").split()),
            ]
        )
    return table(["exception", "source", "retryable", "status", "meaning"], rows)


def all_errors() -> Iterable[type[errors.TailraceError]]:
    """The exceptions in the order of the source."""
    return [
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.TailraceError)
    ]


# --- layers ------------------------------------------------------------------------------------


def layers() -> str:
    """The parts, a layer a line, from the top down."""
    lines = _layers()["LAYERS"]
    return text_block(" │ ".join(line) for line in lines if "__main__" not in line)


def layers_described() -> str:
    """The parts with what each is for, and the imports that are allowed within a layer."""
    found = _layers()
    lines = [line for line in found["LAYERS"] if "__main__" not in line]
    width = max(len(part) for line in lines for part in line)
    rows = []
    for line in lines:
        rows += [f"{part:<{width}}   {found['DESCRIPTIONS'][part]}" for part in line]
        rows.append("─" * (width + 2))
    pairs = sorted(found["WITHIN_A_LINE"])
    allowed = ", ".join(f"`{importer}` may import `{imported}`" for importer, imported in pairs)
    return f"{text_block(rows[:-1])}\n\nWithin a layer {allowed}."


def libraries() -> str:
    """Each third-party library with the only places that import it."""
    homes: dict[str, set[str]] = _layers()["ONE_HOME"]
    purposes: dict[str, str] = _layers()["PURPOSES"]
    rows = [
        [
            library,
            purposes[library],
            ", ".join(f"`{_place(name)}`" for name in sorted(homes[library])),
        ]
        for library in sorted(homes)
    ]
    return table(["library", "purpose", "imported by"], rows)


def _place(module: str) -> str:
    path = module.replace(".", "/")
    return f"{path}/" if (PACKAGE / path).is_dir() else f"{path}.py"


def _layers() -> dict[str, Any]:
    """What the test of the layers declares."""
    return runpy.run_path(str(ROOT / "tests" / "test_layers.py"))
