"""What a handler finds in the managed runtime: with the layer the same as without."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.chain import Chain
from tests.managed.served import WRAPPER, ManagedFunction, serving_managed, write_files

FACTS = """
import importlib.metadata, importlib.util, locale, os, subprocess, sys, warnings

def found(name):
    spec = importlib.util.find_spec(name)
    return spec and spec.origin

def namespace():
    try:
        import spread
    except ImportError:
        return []
    return list(spread.__path__)

def handler(event, context):
    child = subprocess.run(["env", "-0"], capture_output=True, text=True, check=True)
    return {
        "path": sys.path,
        "environ": dict(os.environ),
        "child": dict(line.split("=", 1) for line in child.stdout.split("\\0") if line),
        "cwd": os.getcwd(),
        "interpreter": [sys.executable, sys.prefix, *sys.warnoptions, repr(sys.flags)],
        "encodings": [sys.stdout.encoding, sys.stdout.errors, locale.setlocale(locale.LC_ALL)],
        "warnings": [repr(each) for each in warnings.filters],
        "namespace": namespace(),
        "plugins": sorted(each.value for each in importlib.metadata.entry_points(group="plugins")),
        "handler": __file__,
        "found": {name: found(name) for name in NAMES},
        "argv": sys.argv,
        "main": sys.modules["__main__"].__file__,
    }

NAMES = (
    "boto3", "awslambdaric", "bootstrap",  # of the managed runtime
    "managed", "boot", "logs", "loading", "report",  # names beside the boot file of the layer
    "of_opt", "of_opt_pth", "of_site_packages", "of_site_packages_pth",
    "of_task_pth", "of_own_path",
)
"""

LAYER_FILES = {
    "python/of_opt.py": "",
    "python/opt.pth": "/opt/more\n",
    "more/of_opt_pth.py": "",
    "python/lib/python{version}/site-packages/of_site_packages.py": "",
    "python/lib/python{version}/site-packages/s.pth": "inner\nimport os; os.environ['PTH'] = 'x'\n",
    "python/lib/python{version}/site-packages/inner/of_site_packages_pth.py": "",
    "python/spread/of_opt.py": "",
    "python/of_opt-1.0.dist-info/METADATA": "Name: of_opt\nVersion: 1.0\n",
    "python/of_opt-1.0.dist-info/entry_points.txt": "[plugins]\na = of_opt\n",
}
TASK_FILES = {
    "app.py": FACTS,
    "task.pth": "deep\n",
    "deep/of_task_pth.py": "",
    "own/of_own_path.py": "",
    "spread/of_task.py": "",
    "of_task-1.0.dist-info/METADATA": "Name: of_task\nVersion: 1.0\n",
    "of_task-1.0.dist-info/entry_points.txt": "[plugins]\nb = of_task\n",
}
OWN_PATH = {"PYTHONPATH": "/var/task/own:relative:/var/task"}

OF_ONE_FUNCTION = {
    "AWS_LAMBDA_EXEC_WRAPPER",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "_X_AMZN_TRACE_ID",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, layer: Path, version: str) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("parity")
    more = folder / "opt"
    shutil.copytree(layer, more)
    write_files(more, {name.format(version=version): text for name, text in LAYER_FILES.items()})
    bare = {"app.py": FACTS}
    functions = {}
    for wrapper in ({}, WRAPPER):
        end = "layer" if wrapper else "aws"
        for name, files, opt, variables in (
            ("bare", bare, layer, {}),
            ("full", TASK_FILES, more, {}),
            ("path", TASK_FILES, more, OWN_PATH),
            ("empty", bare, layer, {"PYTHONPATH": ""}),
            ("safe", bare, layer, {"PYTHONSAFEPATH": "1"}),
            ("strict", bare, layer, {"PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "2"}),
            ("latin", bare, layer, {"PYTHONIOENCODING": "latin-1:replace", "LC_ALL": "C"}),
        ):
            functions[f"{name}-{end}"] = ManagedFunction(
                files, opt, {**variables, **wrapper}, invoke_mode="BUFFERED"
            )
    with serving_managed(folder, functions) as chain:
        yield chain


def facts_of(chain: Chain, name: str) -> Any:
    answer = chain.client(chain.function_url(name)).ask("/").answer()
    assert answer.status == 200, answer
    facts = json.loads(answer.body)
    for variables in (facts["environ"], facts["child"]):
        for changed in OF_ONE_FUNCTION:
            variables.pop(changed, None)
    return facts


@pytest.mark.parametrize("name", ["bare", "full", "path", "empty", "safe", "strict", "latin"])
def test_a_handler_finds_what_it_finds_without_the_layer(served: Chain, name: str) -> None:
    ours, aws = facts_of(served, f"{name}-layer"), facts_of(served, f"{name}-aws")

    assert ours.pop("argv") == [ours.pop("main")] == ["/opt/python/tailrace/runtime/managed.py"]
    assert aws.pop("argv") == [aws.pop("main")] == ["/var/runtime/bootstrap.py"]
    assert ours == aws


def test_folders_and_pth_files_are_taken_up_as_documented(served: Chain, version: str) -> None:
    """So the two are not equal for want of anything to compare."""
    facts = facts_of(served, "full-layer")

    packages = f"lib/python{version}/site-packages"
    assert facts["path"][:5] == [
        "/var/task",
        f"/opt/python/{packages}",
        "/opt/python",
        f"/var/lang/{packages}",
        "/var/runtime",
    ]
    assert facts["path"][-3:] == ["/var/task/deep", f"/opt/python/{packages}/inner", "/opt/more"]
    assert facts["path"].count("/var/task") == 1
    assert facts["child"]["PYTHONPATH"] == "/var/runtime"
    assert facts["child"]["PTH"] == "x"
    assert facts["handler"] == "/var/task/app.py"
    assert facts["namespace"] == ["/var/task/spread", "/opt/python/spread"]
    assert facts["plugins"] == ["of_opt", "of_task"]
    assert {name for name, origin in facts["found"].items() if origin is None} == {
        "managed",
        "boot",
        "logs",
        "loading",
        "report",
        "of_own_path",
    }


def test_a_pythonpath_of_the_function_takes_the_layers_out(served: Chain) -> None:
    facts = facts_of(served, "path-layer")

    assert facts["path"][:5] == [
        "/var/task",
        "/var/runtime",
        "/var/task/own",
        "/var/task/relative",
        "/var/task",
    ]
    assert facts["path"][-1] == "/var/task/deep"
    assert facts["child"]["PYTHONPATH"] == OWN_PATH["PYTHONPATH"]
    assert facts["found"]["of_opt"] is None
    assert facts["found"]["of_own_path"] == "/var/task/own/of_own_path.py"
