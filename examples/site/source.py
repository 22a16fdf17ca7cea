"""The code of a page as markup, and what it says of itself."""

import ast
import io
import keyword
import tokenize

from look import HERE

from tailrace.html import Html

KINDS = {tokenize.STRING: "string", tokenize.COMMENT: "comment"}
SPAN = Html('<span class="{}">{}</span>')


def source_of(name):
    """The docstring of a module of this folder, and the code behind it."""
    text = (HERE / name).read_text()
    docstring = ast.parse(text).body[0]
    lines = text.splitlines(keepends=True)[docstring.end_lineno :]
    return ast.get_docstring(ast.parse(text)), painted("".join(lines).strip())


def painted(code):
    """Code with its strings, comments and keywords in colours of their own."""
    lines = code.splitlines(keepends=True)
    starts = [sum(map(len, lines[:number])) for number in range(len(lines) + 1)]
    markup, done = Html(""), 0
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        kind = "keyword" if keyword.iskeyword(token.string) else KINDS.get(token.type)
        if kind is not None:
            begin = starts[token.start[0] - 1] + token.start[1]
            markup += Html("{}").format(code[done:begin]) + SPAN.format(kind, token.string)
            done = begin + len(token.string)
    return markup + Html("{}").format(code[done:])


def config():
    """What tailrace.toml says of the four ways; deployed alone, this folder has none."""
    file = HERE.parent / "tailrace.toml"
    text = file.read_text() if file.exists() else "# site: see examples/tailrace.toml"
    blocks = [block.strip() for block in text.split("\n\n") if "site" in block]
    return "\n\n".join([block for block in blocks if 'function = "site"' not in block])
