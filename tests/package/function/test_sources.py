"""Which files of the code are in an archive."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
from tests.package.function.project import write

from tailrace.errors import PackageError
from tailrace.package.archive import Entry, write_archive
from tailrace.package.function import sources
from tailrace.package.function.patterns import Patterns
from tailrace.package.function.sources import Code, CodeRules, code_in

KEY = "-----BEGIN RSA PRIVATE KEY-----\n"


def code(
    folder: Path, *, exclude: tuple[str, ...] = (), include: tuple[str, ...] = ()
) -> tuple[set[str], Code]:
    """The names of the files that are in the archive, and all that is known."""
    rules = CodeRules(Patterns(exclude), Patterns(include), folder / "function.zip")
    found = code_in(folder, rules)
    return {entry.name for entry in found.entries}, found


def files(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "")


def test_the_code_is_what_a_function_needs(tmp_path: Path) -> None:
    needed = files(
        "main.py",
        "shop/__init__.py",
        "shop/dist/index.html",
        "dist/index.html",
        "build/app.js",
        "static/.well-known/security.txt",
        "certificates/authority.pem",
        "shop/requirements.txt",
    )
    needless = files(
        ".git/config",
        ".github/ci.yml",
        "shop/.DS_Store",
        "shop/__pycache__/x.cpython-311.pyc",
        "node_modules/x/index.js",
        "environment/pyvenv.cfg",
        "environment/lib/x.py",
        "app.egg-info/PKG-INFO",
        "build/lib/main.py",
        "dist/app-1.tar.gz",
        "wheels/app-1-py3-none-any.whl",
        "requirements.txt",
        "requirements-dev.txt",
        "pyproject.toml",
        "uv.lock",
        "tailrace.toml",
        "Dockerfile",
        "serverless.yml",
        "cdk.json",
        "cdk.out/asset.1.zip",
        "test_main.py",
        "conftest.py",
        "main.py~",
    )
    write(tmp_path, needed | needless)

    names, found = code(tmp_path)

    assert names == needed.keys()
    assert found.left_out["a virtual environment"] == ["environment/"]
    assert found.left_out["hidden files"] == [".git/", ".github/", "main.py~", "shop/.DS_Store"]
    assert found.secrets == []


def test_secrets_are_named(tmp_path: Path) -> None:
    write(tmp_path, {".env": "KEY=1", "a/server.key": KEY, "b/both.pem": "x" * 90 + KEY})
    write(tmp_path, {"public.pem": "-----BEGIN CERTIFICATE-----", "store.p12": "", "main.py": ""})

    write(tmp_path, {"infrastructure/terraform.tfstate": "{}", "terraform.tfstate.backup": "{}"})

    names, found = code(tmp_path)

    assert names == {"main.py", "public.pem"}
    states = ["infrastructure/terraform.tfstate", "terraform.tfstate.backup"]
    assert found.secrets == sorted((".env", "a/server.key", "b/both.pem", "store.p12", *states))
    assert code(tmp_path, include=("/a/server.key", ".env"))[0] == names | {"a/server.key", ".env"}


def test_patterns_leave_out_and_put_in(tmp_path: Path) -> None:
    write(
        tmp_path, files("main.py", "big/a.bin", "x/big/a.bin", ".config/x.json", "venv/pyvenv.cfg")
    )
    write(tmp_path, files("venv/x.json", "docs/deep/a.md", "docs/a.txt", "requirements.txt"))

    assert code(tmp_path, exclude=("/big", "**/*.md"))[0] == {
        "main.py",
        "x/big/a.bin",
        "docs/a.txt",
    }
    kept = code(tmp_path, exclude=("docs/**", "big/"), include=(".config", "requirements.txt"))[0]
    assert kept == {"main.py", ".config/x.json", "requirements.txt"}


@pytest.mark.parametrize(
    ("pattern", "more"),
    [
        ("*.pem", {"own.pem"}),
        ("**/*.pem", {"own.pem"}),
        ("/venv/lib/*.pem", {"venv/lib/a.pem"}),
        ("venv/**/*.pem", {"venv/lib/a.pem", "venv/lib/deep/b.pem"}),
        ("venv/l*/deep", {"venv/lib/deep/b.pem"}),
        ("venv", {"venv/pyvenv.cfg", "venv/lib/a.pem", "venv/lib/deep/b.pem"}),
        ("venv/", {"venv/pyvenv.cfg", "venv/lib/a.pem", "venv/lib/deep/b.pem"}),
    ],
)
def test_a_pattern_puts_in_of_a_folder_only_what_it_names(
    tmp_path: Path, pattern: str, more: set[str]
) -> None:
    """A virtual environment has more files than the code, keys of others, and links out of it."""
    write(tmp_path, {"main.py": "", "own.pem": KEY, "venv/pyvenv.cfg": "", "venv/lib/a.pem": KEY})
    write(tmp_path, {"venv/lib/deep/b.pem": KEY, ".git/config": "", "node_modules/x/c.pem": KEY})
    (tmp_path / ".git" / "out").symlink_to("/", target_is_directory=True)

    assert code(tmp_path, include=(pattern,))[0] == {"main.py"} | more


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    """As an archive cannot have it."""
    write(tmp_path, files("main.py", "folder/x.py"))
    name = os.fsdecode(b"caf\xe9.txt")
    (tmp_path / "folder" / name).touch()

    with pytest.raises(PackageError, match=r"the name folder/caf\ufffd\.txt in .* is not UTF-8"):
        code(tmp_path)
    names, found = code(tmp_path, exclude=("caf?.txt",))
    assert names == {"main.py", "folder/x.py"}
    assert found.left_out["--exclude"] == ["folder/caf\ufffd.txt"]


def test_archives_of_earlier_runs_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, files("main.py", "function.zip"))
    write_archive(tmp_path / "before.zip", [Entry("main.py", b"")])
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("numbers.csv", "1,2")
    (tmp_path / "broken.zip").write_bytes(b"PK")
    (tmp_path / "dist").mkdir()
    write_archive(tmp_path / "dist" / "arm64.zip", [Entry("main.py", b"")])

    names, _ = code(tmp_path)

    assert names == {"main.py", "data.zip", "broken.zip"}


def test_links_within_the_folder_are_followed(tmp_path: Path) -> None:
    write(tmp_path, {"shared/words.py": "WORDS = 1\n"})
    (tmp_path / "words.py").symlink_to("shared/words.py")
    (tmp_path / "again").symlink_to("shared", target_is_directory=True)

    names, found = code(tmp_path)

    assert names == {"shared/words.py", "words.py", "again/words.py"}
    content = next(entry.content for entry in found.entries if entry.name == "words.py")
    assert isinstance(content, Path)
    assert content.read_text() == "WORDS = 1\n"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("../elsewhere/secret.txt", "elsewhere/secret.txt, outside of"),
        ("../elsewhere", "/elsewhere, outside of"),
        ("nothing", "link is a link to nothing"),
        ("link", "link is a link to nothing"),
        (".", "link is a link to a folder above it"),
        ("folder/..", "link is a link to a folder above it"),
    ],
)
def test_other_links_are_refused(tmp_path: Path, target: str, words: str) -> None:
    project = write(tmp_path / "p", files("main.py", "folder/x.py"))
    write(tmp_path / "elsewhere", files("secret.txt"))
    (project / "link").symlink_to(target)

    with pytest.raises(PackageError) as raised:
        code(project)

    assert words in raised.value.args[0]
    assert "leave it out with --exclude /link" in raised.value.args[0]
    assert code(project, exclude=("/link",))[0] == {"main.py", "folder/x.py"}


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(PackageError, match=r"pipe is a pipe, a socket or a device: leave it out"):
        code(tmp_path)


def test_a_folder_with_too_many_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "CODE_FILES_MAX", 10)
    write(tmp_path, files(*(f"{number}.txt" for number in range(11))))

    with pytest.raises(PackageError, match="more than 10 files: name the folder of the function"):
        code(tmp_path)
