"""Synthesizes an app of the AWS CDK in a process of its own, and reads what it has made.

The import takes seconds and starts Node.js, so tests share one synthesis per app and session. Node
20 prints a banner on stderr, which therefore is kept apart.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SYNTH_TIMEOUT_S = 100

Resource = dict[str, Any]


@dataclass(frozen=True)
class Template:
    """One stack's template."""

    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.text)
        return body

    @property
    def resources(self) -> dict[str, Resource]:
        found: dict[str, Resource] = self.body["Resources"]
        return found

    def of_type(self, kind: str) -> dict[str, Resource]:
        """Resources by logical id; `kind` is the type without `AWS::`, or a custom type."""
        return {
            name: resource
            for name, resource in self.resources.items()
            if resource["Type"] in (kind, f"AWS::{kind}")
        }

    def only(self, kind: str) -> dict[str, Any]:
        """The properties of the only resource of a type."""
        found = self.of_type(kind)
        assert len(found) == 1, f"{len(found)} resources of type {kind}: {sorted(found)}"
        properties: dict[str, Any] = next(iter(found.values())).get("Properties", {})
        return properties

    def id_of(self, kind: str) -> str:
        """The logical id of the only resource of a type."""
        (name,) = self.of_type(kind)
        return name


@dataclass(frozen=True)
class Assembly:
    """What a synthesis has made, and what it has printed."""

    folder: Path
    output: str

    @cached_property
    def manifest(self) -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads((self.folder / "manifest.json").read_text())
        return manifest

    @cached_property
    def violations(self) -> list[dict[str, Any]]:
        """Of all plugins and of CDK's own validation."""
        report = json.loads((self.folder / "validation-report.json").read_text())
        return [each for plugin in report["pluginReports"] for each in plugin["violations"]]

    @property
    def stacks(self) -> list[str]:
        suffix = ".template.json"
        return sorted(p.name.removesuffix(suffix) for p in self.folder.glob(f"*{suffix}"))

    def template(self, stack: str) -> Template:
        return Template(self.folder / f"{stack}.template.json")

    def annotations(self, stack: str) -> list[tuple[str, str]]:
        """The level and the text of each message at a construct of a stack."""
        path = self.folder / f"{stack}.metadata.json"
        entries = json.loads(path.read_text()) if path.exists() else {}
        levels = ("info", "warning", "error")
        return [
            (entry["type"].removeprefix("aws:cdk:"), entry["data"])
            for found in entries.values()
            for entry in found
            if entry["type"].removeprefix("aws:cdk:") in levels
        ]


def run(
    app: Path, folder: Path, *arguments: str, cache: Path, prefix: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run an app; its assembly goes to `folder`. It sees nothing of an AWS account."""
    kept = {
        name: text for name, text in os.environ.items() if not name.startswith(("AWS_", "CDK_"))
    }
    variables = {
        "CDK_OUTDIR": str(folder),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "XDG_CACHE_HOME": str(cache),
        "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
        "PYTHONDONTWRITEBYTECODE": "1",
        "UV_CONSTRAINT": str(ROOT / "constraints.txt"),
    }
    return subprocess.run(
        [*prefix, sys.executable, str(app), *arguments],
        cwd=app.parent,
        env=kept | variables,
        capture_output=True,
        text=True,
        timeout=SYNTH_TIMEOUT_S,
        check=False,
    )


def synthesize(
    app: Path, folder: Path, *arguments: str, cache: Path, prefix: tuple[str, ...] = ()
) -> Assembly:
    """Run an app that is expected to succeed."""
    done = run(app, folder, *arguments, cache=cache, prefix=prefix)
    assert done.returncode == 0, done.stderr[-8_000:]
    return Assembly(folder, done.stdout)
