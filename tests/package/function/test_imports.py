"""What the code imports and nothing brings."""

from __future__ import annotations

import sys

import pytest

from tailrace.package.archive import Entry
from tailrace.package.function.imports import missing_imports, standard_library, unparsed
from tailrace.package.function.target import target_of

DEPENDENCIES = (
    "idna/__init__.py",
    "six.py",
    "google/auth/__init__.py",
    "orjson.cpython-313-x86_64-linux-gnu.so",
    "shop/orders.py",
)


def missing(text: str, *, python: str = "3.13", others: tuple[str, ...] = ()) -> list[str]:
    target = target_of("arm64", python, has_interpreter=False)
    entry = Entry("shop/main.py", text.encode())
    return missing_imports([entry], {*DEPENDENCIES, entry.name}, target, others)


@pytest.mark.parametrize(
    "text",
    [
        "import os, json, asyncio.tasks, __main__",
        "import six, idna.core, orjson",
        "from google.auth import anything",
        "from google import auth",
        "import shop.orders\nfrom shop import orders\nfrom . import main\nfrom .orders import X",
        "try:\n    import ujson\nexcept ImportError:\n    import cjson",
        "try:\n    import ujson\nexcept (ValueError, ModuleNotFoundError):\n    pass",
        "try:\n    import ujson\nexcept:\n    pass",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import mypy_boto3",
        "import typing\nif typing.TYPE_CHECKING:\n    import mypy_boto3",
        "import sys\nif sys.version_info < (3, 11):\n    import tomli",
        'if __name__ == "__main__":\n    import uvicorn',
        "if settings.DEBUG:\n    import debug_toolbar",
        "with contextlib.suppress(ImportError):\n    import ujson",
        "with suppress(OSError, ModuleNotFoundError):\n    import ujson",
        "not python at all",
    ],
)
def test_what_is_there_or_optional_is_no_warning(text: str) -> None:
    assert missing(text) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("import httpx", "httpx"),
        ("import httpx._client as c", "httpx"),
        ("from httpx import get", "httpx"),
        ("def get():\n    import httpx", "httpx"),
        ("from google.cloud import storage", "google.cloud"),
        ("from google import cloud", "google.cloud"),
        ("from shop import customers", "shop.customers"),
        ("from .customers import X", "shop.customers"),
        ("try:\n    import httpx\nexcept ValueError:\n    pass", "httpx"),
        ("try:\n    pass\nfinally:\n    import httpx", "httpx"),
        ("import tailrace.function", "tailrace"),
        ("with suppress(OSError):\n    import httpx", "httpx"),
        ("with lock(ImportError):\n    import httpx", "httpx"),
    ],
)
def test_what_nothing_brings_is_named(text: str, name: str) -> None:
    line = 2 if "\n" in text else 1
    line = 4 if "finally" in text else line

    assert missing(text) == [
        f"shop/main.py:{line} imports {name}, which neither the code nor a requirement brings"
    ]


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("main.py", "from . import words", "."),
        ("main.py", "from .words import WORDS", ".words"),
        ("shop/main.py", "from .. import words", ".."),
        ("shop/main.py", "from ...a.b import words", "...a.b"),
        ("shop/__init__.py", "from ..words import WORDS", "..words"),
    ],
)
def test_an_import_that_is_relative_to_nothing_has_a_remedy(
    name: str, text: str, wanted: str
) -> None:
    """As in a package that is the root of the code, where it is none."""
    target = target_of("arm64", "3.13", has_interpreter=False)
    entry = Entry(name, text.encode())

    (warning,) = missing_imports([entry], {name, "words.py"}, target, ())

    assert warning.startswith(f"{name}:1 imports {wanted}, and is in no package")
    assert "package the folder above" in warning


def test_what_is_beside_the_packages_is_not_imported() -> None:
    target = target_of("arm64", "3.13", has_interpreter=False)
    entry = Entry("__init__.py", b"from .main import app\nimport httpx")

    assert missing_imports([entry], {"__init__.py", "main.py"}, target, ()) == []


def test_one_warning_for_a_module() -> None:
    assert missing(
        "import httpx\nfrom httpx import get\nimport tailrace", others=("tailrace",)
    ) == [
        "shop/main.py:1 imports httpx (and 1 more), which neither the code nor a requirement brings"
    ]


def test_the_standard_library_is_that_of_the_target() -> None:
    assert missing("import cgi, imp", python="3.11") == []
    assert missing("import cgi", python="3.13") == [
        "shop/main.py:1 imports cgi, which Python 3.13 does not have"
    ]
    assert missing("import annotationlib", python="3.14") == []
    public = {name for name in sys.stdlib_module_names if not name.startswith("_")}
    assert standard_library(sys.version_info.minor) >= public


def test_modules_that_cannot_be_parsed_are_listed() -> None:
    assert unparsed([Entry("a.py", b"x ="), Entry("b.py", b"x = 1"), Entry("c", b"x =")]) == [
        "a.py"
    ]
