"""A Lambda function that streams, and the version that gateways invoke."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from aws_cdk import Annotations, Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from tailrace.agreement import event_age_s
from tailrace.deploy import limits
from tailrace.deploy.layer import layer_of
from tailrace.deploy.log_group import log_group_of
from tailrace.deploy.network import Network
from tailrace.deploy.suppression import suppress, suppress_all
from tailrace.errors import ConfigError
from tailrace.limits import FIRST_BYTE_TIMEOUT_S
from tailrace.package.function.build import FunctionArchive, build
from tailrace.package.function.report import handler_of
from tailrace.package.layer import VARIABLES
from tailrace.package.options import Architecture, FunctionPackageOptions
from tailrace.package.usual_places import app_in_project, app_nearby

_ARCHITECTURES: Final = {
    "arm64": lambda_.Architecture.ARM_64,
    "x86_64": lambda_.Architecture.X86_64,
}
_FLAGS: Final = (
    "@aws-cdk/aws-lambda:recognizeVersionProps",
    "@aws-cdk/aws-lambda:recognizeLayerVersion",
)
"""Without them CDK publishes a version for a change that makes none, which fails, and none for a
new layer."""
_KEPT: Final = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
"""Not RETAIN: after a deploy that was rolled back, Lambda would find the version there, and refuse
to publish it again."""
_INTERFACES: Final = (
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
)
"""What Lambda does in a function's name to put it into a VPC (Lambda Developer Guide, "Giving
Lambda functions access to resources in an Amazon VPC", read 2026-11)."""

_ACCEPTED: Final = {
    "AwsSolutions-L1": "the caller chooses the version of Python",
    "Serverless-LambdaLatestVersion": "the caller chooses the version of Python",
    "Serverless-LambdaDLQ": "a client waits for each event, and has an error when one is dropped",
    "Serverless-LambdaAsyncFailureDestination": "a client waits for each event, as above",
    "Serverless-LambdaTracing": "X-Ray costs money for each request; the caller switches it on",
}
"""Why rules of cdk-nag do not apply."""


class StreamingFunction(Construct):
    """A Lambda function of the code in `path`, packaged as `tailrace package function` does.

    `app` is an app or a handler, `MODULE:ATTRIBUTE`; without it, the app of a known framework in a
    usual file. The managed runtime of Python `python` streams with tailrace's layer. With `bundle`
    the SDK is in the archive, and the function streams by callback only; with `interpreter` also
    the Python of that folder is, for `provided.al2023`. Dependencies come from the package index;
    with the variable UV_OFFLINE=1 from uv's cache.

    `timeout_s`, from 1 to 900, is the longest that a response may take. Gateways invoke `version`:
    each change of the code or the settings publishes another one, and the older ones remain, so
    that a response ends on the version that it began on. They count for the account's 75 GB of
    code until you delete them.

    A gateway puts the function into its network. With `needs_internet` it may then open HTTPS
    connections to anywhere; otherwise it reaches the gateways' callback ports, and what is added to
    `security_group`.

    Raises:
        ConfigError: a setting is not allowed, or there is no app.
        PackageError: the archive cannot be made.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        path: str | Path,
        app: str | None = None,
        timeout_s: int,
        memory_mib: int = limits.MEMORY_MIB,
        reserved_concurrency: int | None = None,
        environment: Mapping[str, str] | None = None,
        needs_internet: bool = False,
        log_retention_days: int = limits.LOG_RETENTION_DAYS,
        python: str = "3.13",
        architecture: Architecture = "arm64",
        requirements: str | Path | None = None,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        keep: Sequence[str] = (),
        bundle: bool = False,
        interpreter: str | Path | None = None,
        bytecode: str | None = None,
    ) -> None:
        super().__init__(scope, id)
        _check(self, "timeout_s", timeout_s, 1, limits.FUNCTION_TIMEOUT_S_MAX)
        _check(self, "memory_mib", memory_mib, limits.MEMORY_MIB_MIN, limits.MEMORY_MIB_MAX)
        if reserved_concurrency is not None:
            _check(self, "reserved_concurrency", reserved_concurrency, 1, limits.CONCURRENCY_MAX)
        for flag in _FLAGS:
            self.node.set_context(flag, True)
        self.timeout_s = timeout_s
        self.reserved_concurrency = reserved_concurrency
        self.needs_internet = needs_internet
        self.network: Network | None = None
        self.security_group: ec2.SecurityGroup | None = None
        self._first_byte_timeout_s = 0.0
        with TemporaryDirectory(prefix="tailrace-") as folder:
            options = FunctionPackageOptions(
                path=Path(path),
                output=Path(folder, "function.zip"),
                architecture=architecture,
                python=python,
                requirements=None if requirements is None else Path(requirements),
                include=tuple(include),
                exclude=tuple(exclude),
                keep=tuple(keep),
                bundle=bundle,
                interpreter=None if interpreter is None else Path(interpreter),
                bytecode=bytecode,
            )
            archive = build(options, app or _app_in(Path(path)), lambda step: None)
            self.log_group = log_group_of(self, "Log", log_retention_days)
            self.function = self._function(archive, memory_mib, dict(environment or {}))
        for number, warning in enumerate(archive.warnings):
            Annotations.of(self).add_warning_v2(f"tailrace:package-{number}", warning)
        self.version = self.function.current_version
        _asynchronous(self.version).apply_removal_policy(_KEPT)

    def join(self, network: Network) -> ec2.SecurityGroup:
        """Put the function into the private subnets of a network; return its security group.

        Raises:
            ConfigError: it is in another network.
        """
        if self.security_group is not None:
            if self.network is not network:
                problem = f"{self.node.path} is in another network than {network.node.path}"
                raise ConfigError(f"{problem}; give both gateways the same Network")
            return self.security_group
        group = ec2.SecurityGroup(
            self, "SecurityGroup", vpc=network.vpc, allow_all_outbound=False,
            description="tailrace: a function, to callback ports",
        )  # fmt: skip
        self.network, self.security_group = network, group
        function = _function_in(self.function)
        subnets = network.vpc.select_subnets(subnets=network.private_subnets.subnets)
        function.vpc_config = lambda_.CfnFunction.VpcConfigProperty(
            subnet_ids=subnets.subnet_ids, security_group_ids=[group.security_group_id]
        )
        self._allow_interfaces()
        if self.needs_internet:
            group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "needs_internet")
            network.allow_to_endpoints(group, "a function with needs_internet")
            if not network.has_internet:
                Annotations.of(self).add_warning_v2(
                    "tailrace:no-internet",
                    f"the function needs the internet, and the subnets of {network.node.path} have"
                    ' no route there, so its connections will time out: set egress="nat" there, or'
                    " add interface endpoints for the AWS services that it calls",
                )
        return group

    def must_answer_within(self, first_byte_timeout_s: float) -> None:
        """Let events wait in Lambda's queue for as long as a gateway waits, in whole minutes.

        Of several gateways, the most patient one counts.
        """
        self._first_byte_timeout_s = max(self._first_byte_timeout_s, first_byte_timeout_s)
        age_s = event_age_s(self._first_byte_timeout_s)
        _asynchronous(self.version).maximum_event_age_in_seconds = age_s

    def _function(
        self, archive: FunctionArchive, memory_mib: int, environment: dict[str, str]
    ) -> lambda_.Function:
        has_layer = not archive.has_own_tailrace
        if has_layer:
            for name in VARIABLES.keys() & environment.keys():
                problem = f"{name} is for tailrace's layer"
                remedy = "name your wrapper in TAILRACE_EXEC_WRAPPER_NEXT"
                raise ConfigError(f"{problem}; {remedy}", where=f"{self.node.path}: environment")
            environment |= VARIABLES
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description="tailrace: a function writes its log",
        )
        self.log_group.grant_write(role)
        function = lambda_.Function(
            self,
            "Function",
            code=lambda_.Code.from_asset(str(archive.written.path)),
            handler=handler_of(archive),
            runtime=lambda_.Runtime(archive.target.runtime),
            architecture=_ARCHITECTURES[archive.target.architecture],
            layers=[layer_of(self)] if has_layer else None,
            environment=environment,
            role=role,
            log_group=self.log_group,
            timeout=Duration.seconds(self.timeout_s),
            memory_size=memory_mib,
            reserved_concurrent_executions=self.reserved_concurrency,
            current_version_options=lambda_.VersionOptions(
                removal_policy=_KEPT,
                retry_attempts=0,
                max_event_age=Duration.seconds(event_age_s(FIRST_BYTE_TIMEOUT_S)),
            ),
        )
        suppress_all(function, _ACCEPTED)
        return function

    def _allow_interfaces(self) -> None:
        """Let Lambda, and not the code of the function, make its network interfaces."""
        role = self.function.role
        assert isinstance(role, iam.Role)
        statement = iam.PolicyStatement(actions=list(_INTERFACES), resources=["*"])
        role.add_to_policy(statement)
        policy = role.node.find_child("DefaultPolicy")
        reason = "Lambda makes network interfaces, whose names are not known before"
        suppress(policy, "AwsSolutions-IAM5", reason, "Resource::*")
        # The role's own policy would need the function before the function needs the role.
        denied = iam.Policy(
            self,
            "NotForTheCode",
            roles=[role],
            statements=[
                iam.PolicyStatement(
                    effect=iam.Effect.DENY,
                    actions=list(_INTERFACES),
                    resources=["*"],
                    conditions={
                        "ArnEquals": {"lambda:SourceFunctionArn": self.function.function_arn}
                    },
                )
            ],
        )
        suppress(denied, "AwsSolutions-IAM5", "it denies", "Resource::*")


def _function_in(function: lambda_.Function) -> lambda_.CfnFunction:
    resource = function.node.default_child
    assert isinstance(resource, lambda_.CfnFunction)
    return resource


def _asynchronous(version: lambda_.Version) -> lambda_.CfnEventInvokeConfig:
    """Return the settings of asynchronous invocations. Those of `$LATEST` do not count."""
    resource = version.node.find_child("EventInvokeConfig").node.default_child
    assert isinstance(resource, lambda_.CfnEventInvokeConfig)
    return resource


def _app_in(folder: Path) -> str:
    app = app_in_project(folder)
    if app is None:
        problem = f"there is no app of a known framework in a usual file of {folder}"
        remedy = app_nearby(folder) or "name an app or a handler"
        raise ConfigError(f"{problem}; {remedy}", where="app", allowed="MODULE:ATTRIBUTE")
    return app


def _check(scope: Construct, name: str, number: int, least: int, most: int) -> None:
    if not least <= number <= most:
        where = f"{scope.node.path}: {name}"
        raise ConfigError(f"{number} is out of range", where=where, allowed=f"{least} to {most}")
