"""Lambda's refusals of a dry run, in words, each with the next step.

Names of errors as in botocore's model of Lambda, and AWS's "Common errors"; read 2026-11.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tailrace.gateway.check.finding import Finding, Level


class _Words(NamedTuple):
    text: str
    remedy: str
    level: Level = "error"
    is_general: bool = False
    """Whether it is the same for every function."""


_NAMES: Final[dict[str, _Words]] = {
    "AccessDeniedException": _Words(
        "the credentials may not invoke it",
        "allow lambda:InvokeFunction on its ARN, with the alias or version if the route has one",
    ),
    "ResourceNotFoundException": _Words(
        "there is no such function in {region}",
        "check its name, its alias or version, and the region (AWS_REGION)",
    ),
    "ExpiredTokenException": _Words(
        "the credentials have expired",
        "get new ones, as with aws sso login",
        is_general=True,
    ),
    "UnrecognizedClientException": _Words(
        "AWS does not know the access key",
        "check AWS_ACCESS_KEY_ID and AWS_PROFILE; a session needs AWS_SESSION_TOKEN as well",
        is_general=True,
    ),
    "InvalidSignatureException": _Words(
        "the signature is not accepted",
        "check AWS_SECRET_ACCESS_KEY and this machine's clock",
        is_general=True,
    ),
    "OptInRequired": _Words(
        "the account does not use this region or Lambda",
        "enable the region in the account's settings",
        is_general=True,
    ),
    "TooManyRequestsException": _Words(
        "Lambda is at its limit now, so the permission is unknown",
        "check again later, or raise the account's or the function's concurrency",
        "warning",
    ),
    "ServiceException": _Words("Lambda has failed", "check again later", "warning"),
    "ResourceNotReadyException": _Words(
        "the function is not ready: inactive, or being created",
        "invoke it once, and check again when its state is Active",
        "warning",
    ),
    "ResourceConflictException": _Words(
        "the function is being updated", "check again later", "warning"
    ),
    "InvalidRuntimeException": _Words("its runtime is not supported", "update its runtime"),
    "InvalidZipFileException": _Words("its archive cannot be unpacked", "upload it again"),
    "ModeNotSupportedException": _Words(
        "it does not take this kind of invocation", "route to a function without durable execution"
    ),
    "NoPublishedVersionException": _Words("it has no published version", "publish one"),
    "RecursiveInvocationException": _Words(
        "Lambda has stopped a loop of invocations", "find what invokes it again"
    ),
}

_PREFIXES: Final[dict[str, _Words]] = {
    "KMS": _Words(
        "Lambda cannot decrypt its environment variables ({name})",
        "allow the function's role kms:Decrypt on its key, and enable the key",
    ),
    "EFS": _Words(
        "its file system cannot be mounted ({name})",
        "check the access point, its network and the function's role",
    ),
    "S3Files": _Words(
        "its file system cannot be mounted ({name})",
        "check the access point, its network and the function's role",
    ),
    "EC2": _Words(
        "Lambda cannot set up its network ({name})",
        "give the function's role AWSLambdaVPCAccessExecutionRole",
    ),
    "ENI": _Words("Lambda has no network interface for it ({name})", "check again later"),
    "Subnet": _Words("its subnets have no free address ({name})", "give it larger subnets"),
    "InvalidSubnet": _Words("its subnet does not exist ({name})", "change its VPC settings"),
    "InvalidSecurityGroup": _Words(
        "its security group does not exist ({name})", "change its VPC settings"
    ),
    "SnapStart": _Words(
        "its snapshot is not usable now ({name})", "check again when its state is Active", "warning"
    ),
    "CodeArtifact": _Words("its code is not available ({name})", "deploy it again"),
    "Runtime": _Words("its runtime version is gone ({name})", "update its runtime settings"),
}

_SAME: Final = {
    "AccessDenied": "AccessDeniedException",
    "ExpiredToken": "ExpiredTokenException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "MissingAuthenticationTokenException": "UnrecognizedClientException",
    "IncompleteSignatureException": "InvalidSignatureException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
    "ThrottlingException": "TooManyRequestsException",
    "Throttling": "TooManyRequestsException",
}


def refused(subject: str, status: int, name: str, message: str, region: str) -> Finding:
    """Return the finding for an answer to a dry run; `name` and `message` are Lambda's."""
    words = _words(status, name)
    text = words.text.format(name=name, region=region)
    said = f"{status} {name}" if name else f"{status}"
    detail = f"{said}: {message}" if message else said
    return Finding(words.level, subject, f"{text} (Lambda answered {detail})", words.remedy)


def is_general(status: int, name: str) -> bool:
    """Whether every function of this endpoint would be refused in the same way."""
    return _words(status, name).is_general


def _words(status: int, name: str) -> _Words:
    known = _NAMES.get(_SAME.get(name, name))
    if known is not None:
        return known
    for prefix, words in _PREFIXES.items():
        if name.startswith(prefix):
            return words
    if not name:
        return _Words(
            "the endpoint's answer is not Lambda's",
            "check --endpoint-url, AWS_ENDPOINT_URL_LAMBDA, and proxies on the way",
            is_general=True,
        )
    if status >= 500:
        return _NAMES["ServiceException"]
    return _Words("Lambda refuses the invocation", "see Lambda's API reference, Invoke")
