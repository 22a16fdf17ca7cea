"""Addresses as a person can open them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from tailrace.config import Address, FunctionConfig


def callable_url(url: str) -> str:
    """A URL that can be opened from this machine, also when we listen on all addresses."""
    parts = urlsplit(url)
    if parts.hostname not in ("0.0.0.0", "::"):
        return url
    return f"{parts.scheme}://{Address('127.0.0.1', parts.port or 80)}"


def url_lines(urls: Mapping[str, str], functions: Mapping[str, FunctionConfig]) -> Iterator[str]:
    """A line for each Function URL: the address, whose it is, and how it answers."""
    for name, url in urls.items():
        config = functions[name].url
        assert config is not None
        signed = ", AWS_IAM" if config.auth == "AWS_IAM" else ""
        # The delay is configured: without these words it would look like a fault.
        is_late = functions[name].hold_back is not None and config.invoke_mode == "RESPONSE_STREAM"
        late = ", late on purpose (hold_back)" if is_late else ""
        yield f"{callable_url(url)}/  {name}, {config.invoke_mode}{signed}{late}"
