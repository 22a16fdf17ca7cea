"""Checks at synth that the settings on the way of a response agree.

What the constructs know of a gateway, and what the synthesized templates set around it, is checked
by `tailrace.agreement`. An error fails the synth. CDK prints findings with the construct's path and
the name under which one is acknowledged:
`Validations.of(construct).acknowledge(Acknowledgment(id="tailrace::RULE", reason="..."))`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import aws_cdk as cdk
import jsii
from constructs import Construct, IConstruct

import tailrace
from tailrace.agreement import (
    RULES,
    Part,
    Surroundings,
    Way,
    check_agreement,
    with_defaults,
)
from tailrace.deploy.template import Resources, Values
from tailrace.gateway.check.finding import Finding

_ID: Final = "TailraceChecks"


class Templates:
    """The synthesized templates of a stage."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._folder = Path(paths[0]).parent
        self._read: dict[str, Resources] = {}

    def read(self, read: Callable[..., Values], *constructs: IConstruct) -> Values:
        """Read the settings of the resources of constructs, all of which are in one stack."""
        resources = self._resources(cdk.Stack.of(constructs[0]).template_file)
        return read(resources, *(logical_id(each) for each in constructs))

    def path_of(self, construct: IConstruct) -> str:
        """Return the path of the template with a construct's resource."""
        return str(self._folder / cdk.Stack.of(construct).template_file)

    def _resources(self, name: str) -> Resources:
        if name not in self._read:
            self._read[name] = json.loads((self._folder / name).read_text())["Resources"]
        return self._read[name]


def logical_id(construct: IConstruct) -> str:
    """Return the name of a construct's resource in its template."""
    resource = _resource(construct)
    return cast(str, resource.stack.resolve(resource.logical_id))


def _resource(construct: IConstruct) -> cdk.CfnResource:
    if isinstance(construct, cdk.CfnResource):
        return construct
    child = construct.node.default_child
    assert isinstance(child, cdk.CfnResource), construct.node.path
    return child


@dataclass(frozen=True, slots=True, eq=False)
class _Gateway:
    construct: Construct
    group: IConstruct
    way: Callable[[Templates], Way]


@dataclass(frozen=True, slots=True, eq=False)
class _Front:
    construct: Construct
    part: Part
    behind: Sequence[Construct]
    values: Callable[[Templates], Values]


class Checks(Construct):
    """The gateways of an app or a stage, and what is in front of them."""

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        self._gateways: list[_Gateway] = []
        self._fronts: list[_Front] = []
        cdk.Validations.of(scope).add_plugins(cast(cdk.IPolicyValidationPlugin, _Plugin(self)))

    @classmethod
    def of(cls, construct: Construct) -> Checks:
        """Return the checks of a construct's app or stage."""
        stage = cdk.Stage.of(construct)
        assert stage is not None, f"{construct.node.path} is in no app"
        found = stage.node.try_find_child(_ID)
        return found if isinstance(found, cls) else cls(stage, _ID)

    def add_gateway(
        self, construct: Construct, group: IConstruct, way: Callable[[Templates], Way]
    ) -> None:
        """Check a gateway, whose resource is `group`, when all is synthesized."""
        self._gateways.append(_Gateway(construct, group, way))

    def add_front(
        self,
        construct: Construct,
        part: Part,
        *,
        behind: Sequence[Construct],
        values: Callable[[Templates], Values],
    ) -> None:
        """Check what is in front of gateways, or of another front: those in `behind`."""
        self._fronts.append(_Front(construct, part, behind, values))

    def findings(self, templates: Templates) -> Iterator[tuple[Finding, IConstruct]]:
        """Yield what is found, with the gateway's group; what several ways share, once."""
        for gateway in self._gateways:
            found: dict[Finding, None] = {}
            for fronts in self._ways(gateway.construct):
                way = _with_fronts(gateway.way(templates), fronts, templates)
                found |= dict.fromkeys(check_agreement(way).findings)
            for finding in found:
                yield finding, gateway.group

    def _ways(self, construct: Construct) -> Iterator[tuple[_Front, ...]]:
        fronts = [front for front in self._fronts if construct in front.behind]
        if not fronts:
            yield ()
        for front in fronts:
            for rest in self._ways(front.construct):
                yield (front, *rest)


def _with_fronts(way: Way, fronts: Sequence[_Front], templates: Templates) -> Way:
    """Add what is in front; where a template sets nothing, AWS's default counts."""
    values: Values = {"behind": tuple(front.part for front in reversed(fronts))}
    places = dict(way.places)
    for front in fronts:
        found = front.values(templates)
        values |= found
        places |= dict.fromkeys(found, front.construct.node.path)
    known = {n: v for n, v in dataclasses.asdict(way.around).items() if v is not None}
    way = dataclasses.replace(way, around=Surroundings(**{**known, **values}), places=places)
    return with_defaults(way)


@jsii.implements(cdk.IPolicyValidationPlugin)
class _Plugin:
    """What CDK calls when the templates are synthesized."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks

    @property
    def name(self) -> str:
        return "tailrace"

    @property
    def version(self) -> str:
        return tailrace.__version__

    @property
    def rule_ids(self) -> list[str]:
        return [rule.name for rule in RULES]

    def validate(self, context: Any) -> cdk.PolicyValidationPluginReport:
        templates = Templates(context.template_paths)
        found = list(self._checks.findings(templates))
        return cdk.PolicyValidationPluginReport(
            success=not any(finding.level == "error" for finding, _ in found),
            violations=[_violation(finding, group, templates) for finding, group in found],
        )


def _violation(finding: Finding, group: IConstruct, templates: Templates) -> cdk.PolicyViolation:
    return cdk.PolicyViolation(
        rule_name=finding.subject,
        description=finding.text,
        fix=finding.remedy,
        severity=finding.level,
        violating_resources=[
            cdk.PolicyViolatingResource(
                resource_logical_id=logical_id(group),
                template_path=templates.path_of(group),
                locations=[],
            )
        ],
    )
