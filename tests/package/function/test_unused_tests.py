"""Folders of tests: left out unless something imports from them."""

from __future__ import annotations

import pytest

from tailrace.package.archive import Entry
from tailrace.package.function.unused_tests import folder_of, unused_test_folders

PACKAGE = {
    "pack/__init__.py": "",
    "pack/core/__init__.py": "",
    "pack/core/tests/__init__.py": "",
    "pack/core/tests/_natype.py": "pd_NA = 1\n",
    "pack/core/tests/test_core.py": "",
    "pack/core/tests/data/x.bin": "",
}
TESTS = "pack/core/tests"


def unused(**more: str) -> set[str]:
    files = PACKAGE | {name.replace("__", "/") + ".py": text for name, text in more.items()}
    return unused_test_folders(Entry(name, text.encode()) for name, text in files.items())


def test_tests_that_nothing_imports_are_unused() -> None:
    folders = unused(pack__tests__test_more="from pack.core.tests import test_core")

    assert folders == {TESTS, "pack/tests"}
    assert folder_of("pack/core/tests/data/x.bin", folders) == TESTS
    assert folder_of("pack/core/tests_of_all.py", folders) is None


@pytest.mark.parametrize(
    "text",
    [
        "from pack.core.tests._natype import pd_NA",
        "import pack.core.tests",
        "from pack.core import tests",
        "from .core.tests import _natype",
        "def later():\n    from .core import tests",
        "NAMES = ['pack.core.tests._natype']",
        "try:\n    import pack.core.tests\nexcept ImportError:\n    pass",
    ],
)
def test_tests_that_a_module_imports_are_kept(text: str) -> None:
    """As numpy.testing does, and scipy with the tests of numpy."""
    assert unused(pack__testing=text) == set()


def test_tests_that_kept_tests_import_are_kept() -> None:
    assert unused(
        pack__testing="from pack.more.tests import test_a",
        pack__more__tests__test_a="from pack.core.tests import _natype",
        pack__rest__tests__test_b="",
    ) == {"pack/rest/tests"}


def test_tests_that_an_extension_names_are_kept() -> None:
    files = {**PACKAGE, "pack/fast.cpython-313-x86_64-linux-gnu.so": "\0pack.core.tests\0"}

    assert unused_test_folders(Entry(n, text.encode()) for n, text in files.items()) == set()


def test_a_package_named_test_may_be_more() -> None:
    """Such as django.test, and the folder of the test data of an app."""
    files = ("django/test/__init__.py", "django/test/client.py", "test/data.json")

    assert unused_test_folders(Entry(name, b"") for name in files) == set()


def test_a_dependency_does_not_import_the_tests_of_the_code() -> None:
    """Some packages import their tests by this name, though they do not install them."""
    files = {"main.py": "", "tests/test_main.py": "", "dkim/__main__.py": "import tests"}
    entries = [Entry(name, text.encode()) for name, text in files.items()]

    assert unused_test_folders(entries, {"main.py", "tests/test_main.py"}) == {"tests"}
    assert unused_test_folders(entries, {"main.py"}) == set()
    assert unused_test_folders(entries, files.keys()) == set()
