"""What is said of an archive: for people, and as JSON."""

from __future__ import annotations

import shlex
from typing import Any, Final

from tailrace.package.command_text import shown_command
from tailrace.package.function.build import FunctionArchive
from tailrace.package.function.sizes import largest_lines, megabytes
from tailrace.package.layer import VARIABLES
from tailrace.package.limits import CODE_BYTES_MAX, UPLOAD_BYTES_MAX

_TIMEOUT_S: Final = 60
"""Lambda's default, 3 s, ends most streams."""
_MEMORY_MB: Final = 512


def facts_of(archive: FunctionArchive) -> dict[str, Any]:
    """Return all that is known, for JSON."""
    written, file = archive.written, archive.dependency_file
    return {
        "file": str(written.path),
        "bytes": written.bytes,
        "unzipped_bytes": written.unzipped_bytes,
        "layer_bytes": archive.layer_bytes,
        "files": written.file_count,
        "sha256": written.sha256,
        "runtime": archive.target.runtime,
        "architecture": archive.target.architecture,
        "python": archive.target.python,
        "handler": handler_of(archive),
        "environment": _variables(archive),
        "needs_layer": not archive.has_own_tailrace,
        "needs_s3": written.bytes > UPLOAD_BYTES_MAX,
        "dependency_file": None if file is None else str(file.path),
        "dependencies": [
            {"name": e.name, "version": e.version, "bytes": e.bytes, "files": e.file_count}
            for e in archive.sizes
        ],
        "dependencies_left_out": archive.installed.left_out,
        "dependencies_kept": archive.installed.kept,
        "files_left_out": dict(sorted(archive.left_out.items())),
        "code_left_out": dict(sorted(archive.code.left_out.items())),
        "secrets_left_out": archive.code.secrets,
        "warnings": archive.warnings,
        "create_function": _command(archive),
    }


def text_of(archive: FunctionArchive) -> str:
    """Return a report of some lines, which ends with the command that makes the function."""
    written, file = archive.written, archive.dependency_file
    total, limit = written.unzipped_bytes + archive.layer_bytes, megabytes(CODE_BYTES_MAX)
    layer = " with the layer" if archive.layer_bytes else ""
    lines = [
        f"wrote {written.path}: {written.file_count:,} files, {megabytes(written.bytes)}",
        f"unzipped{layer}: {megabytes(total)} of the {limit} that a function may have",
    ]
    if file is None:
        lines.append("no dependencies: no requirements.txt, lock file or [project] names some")
    elif archive.sizes:
        lines += [f"dependencies of {file.path}:"]
        lines += [f"  {line}" for line in largest_lines(archive.sizes)]
        more = len(archive.sizes) - len(largest_lines(archive.sizes))
        lines += [f"  and {more} smaller ones"] if more else []
    lines += _left_out_lines(archive)
    lines += ["", "make the function:", shown_command(_command(archive))]
    if written.bytes > UPLOAD_BYTES_MAX:
        lines += ["", f"it is over {megabytes(UPLOAD_BYTES_MAX)}, so it goes through S3 first:"]
        lines += [f"aws s3 cp {shlex.quote(str(written.path))} s3://BUCKET/{written.path.name}"]
    return "\n".join(lines)


def handler_of(archive: FunctionArchive) -> str:
    """Return the handler setting. A dot is understood by every runtime, a colon only by ours."""
    separator = ":" if "." in archive.attribute else "."
    return f"{archive.module}{separator}{archive.attribute}"


def _variables(archive: FunctionArchive) -> dict[str, str]:
    return {} if archive.has_own_tailrace else dict(VARIABLES)


def _left_out_lines(archive: FunctionArchive) -> list[str]:
    installed, lines = archive.installed, []
    for name, reason in sorted(installed.left_out.items()):
        lines.append(f"left out: {name} ({reason})")
    for name, reason in sorted(installed.kept.items()):
        lines.append(f"in the archive, though the runtime has it: {name} ({reason})")
    if archive.left_out:
        kinds = ", ".join(f"{n:,} ({kind})" for kind, n in sorted(archive.left_out.items()))
        lines.append(f"left out, files: {kinds}")
    for kind, names in sorted(archive.code.left_out.items()):
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        lines.append(f"left out of the code: {shown} ({kind})")
    return lines


def _command(archive: FunctionArchive) -> list[str]:
    written, target = archive.written, archive.target
    words = ["aws", "lambda", "create-function"]
    words += ["--function-name", archive.name]
    words += ["--runtime", target.runtime, "--architectures", target.architecture]
    words += ["--handler", handler_of(archive), "--timeout", str(_TIMEOUT_S)]
    words += ["--memory-size", str(_MEMORY_MB), "--role", "arn:aws:iam::ACCOUNT:role/ROLE"]
    if written.bytes > UPLOAD_BYTES_MAX:
        words += ["--code", f"S3Bucket=BUCKET,S3Key={written.path.name}"]
    else:
        words += ["--zip-file", f"fileb://{written.path}"]
    if not archive.has_own_tailrace:
        words += ["--layers", "ARN-OF-THE-LAYER-VERSION"]
    pairs = ",".join(f"{name}={text}" for name, text in _variables(archive).items())
    return [*words, "--environment", f"Variables={{{pairs}}}"] if pairs else words
