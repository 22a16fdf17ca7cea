"""The exec wrapper itself, under the shells that may be /bin/sh: its arguments and exit codes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

import tailrace.package.layer

SHELLS = [("dash",), ("bash", "--posix")]
WRAPPER = Path(tailrace.package.layer.__file__).parent / "files" / "tailrace-wrapper"
PRINTS = '#!/bin/sh\nfor word; do echo "$word"; done\n'
BOOT = "/var/runtime/bootstrap.py"


@pytest.fixture
def opt(tmp_path: Path) -> Path:
    """A layer, and an interpreter that prints its arguments: `python3.11`."""
    boot = tmp_path / "python/tailrace/runtime/managed.py"
    boot.parent.mkdir(parents=True)
    boot.write_text("")
    shutil.copy(WRAPPER, tmp_path)
    program(tmp_path / "python3.11", PRINTS)
    return tmp_path


def program(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def run(
    shell: Sequence[str], opt: Path, *arguments: str, **variables: str
) -> tuple[int, list[str], str]:
    """The exit code, the lines of output, and what is on standard error."""
    done = subprocess.run(
        [*shell, str(opt / "tailrace-wrapper"), *arguments],
        env={"PATH": os.environ["PATH"], **variables},
        cwd=opt,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
@pytest.mark.parametrize("options", [(), ("-X", "importtime"), ("-W", "a b", "", "*")])
def test_only_the_boot_file_is_replaced(
    opt: Path, shell: tuple[str, ...], options: tuple[str, ...]
) -> None:
    code, lines, errors = run(shell, opt, str(opt / "python3.11"), *options, BOOT)

    assert (code, errors) == (0, "")
    assert lines == [*options, str(opt / "python/tailrace/runtime/managed.py")]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
@pytest.mark.parametrize("name", ["next", "./next", "{opt}/next"])
def test_the_next_wrapper_gets_interpreter_options_and_boot_file(
    opt: Path, shell: tuple[str, ...], name: str
) -> None:
    program(opt / "next", PRINTS)
    path = name.format(opt=opt)
    python = str(opt / "python3.11")

    code, lines, errors = run(shell, opt, python, "-I", BOOT, TAILRACE_EXEC_WRAPPER_NEXT=path)

    assert (code, errors) == (0, "")
    assert lines == [python, "-I", str(opt / "python/tailrace/runtime/managed.py")]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_variables_are_left_as_they_are(opt: Path, shell: tuple[str, ...]) -> None:
    """Also those with names that a script would choose."""
    names = ("boot", "next", "python", "interpreter", "wrapper", "word", "last")
    given = {name: f"of the {name}" for name in names}
    program(opt / "python3.11", "#!/bin/sh\nexec env\n")

    _, lines, _ = run(shell, opt, str(opt / "python3.11"), BOOT, **given)

    found = dict(line.split("=", 1) for line in lines)
    assert {name: found.get(name) for name in given} == given
    assert found.keys() - given.keys() <= {"PATH", "PWD", "OLDPWD", "SHLVL", "_"}


@pytest.mark.parametrize("next_wrapper", ["", "{opt}/next"])
def test_options_of_bash_in_the_environment_do_no_harm(opt: Path, next_wrapper: str) -> None:
    options = "errexit:nounset:noglob:noclobber:pipefail"
    program(opt / "next", "#!/bin/echo")  # a line without an end
    path = next_wrapper.format(opt=opt)
    given = {"TAILRACE_EXEC_WRAPPER_NEXT": path} if path else {}

    python = str(opt / "python3.11")
    code, lines, errors = run(("bash",), opt, python, "*", BOOT, SHELLOPTS=options, **given)

    boot = str(opt / "python/tailrace/runtime/managed.py")
    assert (code, errors) == (0, "")
    assert lines == ([f"{path} {python} * {boot}"] if path else ["*", boot])


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_of_a_start_that_is_not_the_documented_one_the_interpreter_counts(
    opt: Path, shell: tuple[str, ...]
) -> None:
    python = str(opt / "python3.11")

    done = run(shell, opt, python, "-m", "awslambdaric", "app.handler")

    assert done == (0, [str(opt / "python/tailrace/runtime/managed.py")], "")


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "tailrace-wrapper is no entry point: set AWS_LAMBDA_EXEC_WRAPPER to its path"),
        (["python3"], 2, "tailrace-wrapper is no entry point"),
        (["/var/lang/bin/node", "x.mjs"], 2, "/var/lang/bin/node is not a Python. The layer is"),
        (["/no/python3.11", BOOT], 127, "there is no interpreter /no/python3.11"),
        (["{opt}/python-mode", BOOT], 127, "or it is not executable: the layer is for functions"),
    ],
)
def test_a_wrong_start_is_one_line_and_an_exit_code(
    opt: Path, shell: tuple[str, ...], arguments: list[str], code: int, words: str
) -> None:
    (opt / "python-mode").write_text("")
    program(opt / "python3.11", "#!/bin/sh\n")

    done = run(shell, opt, *(word.format(opt=opt) for word in arguments))

    assert done[:2] == (code, [])
    assert done[2].startswith("tailrace: ")
    assert words in done[2]
    assert done[2].count("\n") == 1


@pytest.mark.parametrize("end", ["", " --more"])
def test_a_next_wrapper_that_starts_it_again_is_no_loop(opt: Path, end: str) -> None:
    path = program(opt / "next", f'#!/bin/sh\nexec "{opt}/tailrace-wrapper" "$@"{end}\n')

    python = str(opt / "python3.11")
    done = run(("sh",), opt, python, BOOT, TAILRACE_EXEC_WRAPPER_NEXT=path)

    assert done[0] == 2
    assert done[2].startswith("tailrace: tailrace-wrapper has started itself")


@pytest.mark.parametrize(
    ("text", "mode", "code"),
    [(None, 0, 127), ("#!/bin/sh\n", 0o644, 126), ("#!/no/such -x\n", 0o755, 127)],
)
def test_a_next_wrapper_that_cannot_be_run_has_the_code_of_a_shell(
    opt: Path, text: str | None, mode: int, code: int
) -> None:
    """The interpreter is asked to report it: it gets the same words."""
    if text is not None:
        (opt / "next").write_text(text)
        (opt / "next").chmod(mode)
    path = f"{opt}/next"

    done = run(("sh",), opt, str(opt / "python3.11"), BOOT, TAILRACE_EXEC_WRAPPER_NEXT=path)

    assert done[0] == code
    assert done[1][:2] == [str(opt / "python/tailrace/runtime/managed.py"), "--init-error"]
    assert done[2] == f"tailrace: {done[1][2]}\n"
    assert f"TAILRACE_EXEC_WRAPPER_NEXT={path} " in done[2]


@pytest.mark.parametrize(
    "first", ["#!/bin/sh", "#! /bin/sh -e", "#!\t/bin/sh\t", "#!/usr/bin/env sh", "exit 3"]
)
def test_a_next_wrapper_is_run_whatever_its_first_line(opt: Path, first: str) -> None:
    program(opt / "next", f"{first}\nexit 3\n")

    done = run(
        ("sh",), opt, str(opt / "python3.11"), BOOT, TAILRACE_EXEC_WRAPPER_NEXT=f"{opt}/next"
    )

    assert done == (3, [], "")
