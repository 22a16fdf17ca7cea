"""The body of a request as text, as JSON, or as the fields of a form. Imported when it is read so.

Sources: RFC 7578 (multipart/form-data); the HTML standard, "Constructing the entry list" and
"URL-encoded form data" (read 2026-11).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import parse_qsl

from tailrace.limits import FORM_FIELDS_MAX, FORM_PART_HEAD_BYTES_MAX
from tailrace.records import NamedTuple

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final

_PARAMETER: Final = re.compile(r';\s*([^\s=;"]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))\s*(?=;|$)')
_ESCAPED: Final = re.compile(r'\\(["\\])')
_is_charset: Final = re.compile(
    r"utf-?8|utf-?(?:16|32)(?:[bl]e)?|(?:us-)?ascii|latin-?1|iso-?8859-\d{1,2}"
    r"|(?:windows-|cp)125\d|cp\d{3}|koi8-[ru]|macintosh|shift_jis|euc-(?:jp|kr)|iso-2022-(?:jp|kr)"
    r"|gbk|gb2312|gb18030|big5",
    re.ASCII | re.IGNORECASE,
).fullmatch
"""Charsets of text. Python has other codecs by such names, one of which takes quadratic time
(`punycode`), and keeps every unknown name for ever."""
_URL_ENCODED: Final = "application/x-www-form-urlencoded"
_MULTIPART: Final = "multipart/form-data"


class FormFile(NamedTuple):
    """A file in a form."""

    field: str
    """The name of the field."""
    filename: str
    """As the client has sent it: not a path to write to."""
    content_type: str
    body: bytes


class FormFields(Mapping[str, str]):
    """The fields of a form. Of several with one name this has the first; `get_all` has each."""

    __slots__ = ("_values", "files", "pairs")

    def __init__(self, pairs: Iterable[tuple[str, str]], files: Iterable[FormFile] = ()) -> None:
        self.pairs: Final = tuple(pairs)
        """Names and values, in order."""
        self.files: Final = tuple(files)
        """The files, in order."""
        values: dict[str, list[str]] = {}
        for name, value in self.pairs:
            values.setdefault(name, []).append(value)
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"FormFields({list(self)})"  # without values, among which may be passwords

    def get_all(self, name: str) -> list[str]:
        """Return every value of a name; an empty list if it is absent."""
        return list(self._values.get(name, ()))


def text_of(body: bytes, content_type: str) -> str:
    """Return a body as text, in the charset of its content type, or else in UTF-8.

    Raises:
        ValueError: the charset is unknown, or the body is not in it.
    """
    charset = _parameters_of(content_type).get("charset", "utf-8")
    try:
        if not _is_charset(charset):
            raise LookupError
        return body.decode(charset)
    except LookupError:
        raise ValueError(f"the body's charset is unknown: {charset[:40]!r}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"the body is not {charset} at byte {error.start}") from None


def json_of(body: bytes) -> Any:
    """Return the value of a JSON body.

    Raises:
        ValueError: it is empty, or no JSON.
    """
    if not body:
        raise ValueError("the body is empty, not JSON")
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        raise ValueError(f"the body is not JSON at character {error.pos}: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"the body is not JSON: not {error.encoding} at {error.start}") from None
    except RecursionError:
        raise ValueError("the body is JSON that is nested too deeply") from None


def form_of(body: bytes, content_type: str) -> FormFields:
    """Return the fields of a form.

    Raises:
        ValueError: the content type is not that of a form, the body is malformed, or it has more
            than `FORM_FIELDS_MAX` fields and files.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == _URL_ENCODED:
        return FormFields(_url_encoded(body))
    if media_type == _MULTIPART:
        boundary = _parameters_of(content_type).get("boundary", "")
        if not boundary:
            raise ValueError("the form has no boundary in its content type")
        return _multipart(body, boundary.encode("latin-1", "replace"))
    raise ValueError(
        f"the body is {media_type[:80] or 'of no content type'}: a form is {_URL_ENCODED} or"
        f" {_MULTIPART}"
    )


def _url_encoded(body: bytes) -> list[tuple[str, str]]:
    if body.count(b"&") >= FORM_FIELDS_MAX:
        raise _too_many()
    return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)


def _multipart(body: bytes, boundary: bytes) -> FormFields:
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary, FORM_FIELDS_MAX + 2)
    if len(parts) == 1:
        raise ValueError("the form is malformed: its boundary is not in it")
    if len(parts) > FORM_FIELDS_MAX + 2:  # one is before the first boundary, one behind the last
        raise _too_many()
    pairs: list[tuple[str, str]] = []
    files: list[FormFile] = []
    for part in parts[1:]:
        if part.startswith(b"--"):
            return FormFields(pairs, files)
        name, filename, content_type, value = _part(part)
        if filename is None:
            pairs.append((name, text_of(value, content_type)))
        elif filename or value:  # without both no file was chosen
            files.append(FormFile(name, filename, content_type, value))
    raise ValueError("the form is malformed: its end is missing")


def _part(part: bytes) -> tuple[str, str | None, str, bytes]:
    """Return name, file name, content type and value of what follows a boundary."""
    white, line_end, rest = part.partition(b"\r\n")
    head, empty_line, value = (b"\r\n" + rest).partition(b"\r\n\r\n")
    if white.strip(b" \t") or not line_end or not empty_line:
        raise ValueError("the form is malformed: a part has no head")
    if len(head) > FORM_PART_HEAD_BYTES_MAX:
        raise ValueError(f"the form has a part whose head is over {FORM_PART_HEAD_BYTES_MAX} bytes")
    fields: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, text = line.partition(":")
        fields[name.strip().lower()] = text.strip()
    parameters = _parameters_of(fields.get("content-disposition", ""))
    if "name" not in parameters:
        raise ValueError("the form is malformed: a part has no name")
    name = _unquoted(parameters["name"])
    filename = parameters.get("filename")
    content_type = fields.get("content-type", "")
    return name, None if filename is None else _unquoted(filename), content_type, value


def _parameters_of(value: str) -> dict[str, str]:
    """Return the parameters of a field's value; names are in lower case."""
    return {
        match[1].lower(): match[3] if match[2] is None else _ESCAPED.sub(r"\1", match[2])
        for match in _PARAMETER.finditer(value)
    }


def _unquoted(name: str) -> str:
    """Undo what browsers do to three characters in names, and to no others."""
    return name.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


def _too_many() -> ValueError:
    return ValueError(f"the form has more than {FORM_FIELDS_MAX} fields and files")
