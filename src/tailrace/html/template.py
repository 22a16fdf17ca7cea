"""Templates of Jinja2, rendered while they are sent. By duck typing: Jinja2 is not imported.

Source: Jinja2 3.1, "API" (read 2026-11): `generate_async` needs an environment with `enable_async`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Final


class TemplateContent:
    """The content that a template makes of a context. Its pieces are markup."""

    __slots__ = ("_context", "_template")

    def __init__(self, template: Any, context: dict[str, Any]) -> None:
        self._template: Final = template
        self._context: Final = context

    @property
    def is_async(self) -> bool:
        """Whether its environment has `enable_async`."""
        return bool(self._template.environment.is_async)

    async def aiter_chunks(self) -> AsyncIterator[str]:
        """Yield the pieces of the template."""
        if not self.is_async:
            for piece in self.iter_chunks():
                yield piece
            return
        pieces = self._template.generate_async(self._context)
        try:
            async for piece in pieces:
                yield piece
        finally:
            await pieces.aclose()

    def iter_chunks(self) -> Iterator[str]:
        """Yield the pieces of a template whose environment is not async."""
        pieces: Iterator[str] = self._template.generate(self._context)
        return pieces

    def __html__(self) -> str:
        """Return all of a template whose environment is not async.

        Raises:
            TypeError: it is async.
        """
        if self.is_async:
            raise TypeError(
                "an async template is no text; yield or return page.template(...), or give it to"
                " page.part"
            )
        return "".join(self.iter_chunks())


def check_template(template: Any) -> None:
    """Raise for what is no template, or one that does not escape.

    Raises:
        TypeError: it is no template of Jinja2.
        ValueError: its environment does not escape what the template shows.
    """
    if not hasattr(template, "generate_async"):
        raise TypeError(
            f"page.template takes a template of Jinja2, not {type(template).__name__}; what others"
            " render is a content itself, if it has __html__"
        )
    escapes = template.environment.autoescape
    if callable(escapes):
        escapes = escapes(template.name)
    if not escapes:
        raise ValueError(
            f"template {template.name or 'without a name'} does not escape what it shows; make its"
            " environment with autoescape=True or select_autoescape()"
        )
