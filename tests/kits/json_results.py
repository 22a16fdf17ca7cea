"""Handlers' results and errors, as source text: each is run under AWS's runtime and under ours.

Standard library only, and the same text from each Python: AWS's side runs under several.
"""

from __future__ import annotations

import random
from typing import Any, Final

PRELUDE: Final = """
import collections, dataclasses, datetime, decimal, enum, math, types, uuid
from decimal import Decimal

Point = collections.namedtuple("Point", "x y")

class Whole(int):
    def __repr__(self): return "odd"

class Real(float):
    def __repr__(self): return "odd"

class Text(str):
    def __repr__(self): return "odd"

class Color(enum.Enum):
    RED = 1

class Number(enum.IntEnum):
    ONE = 1

class Word(enum.StrEnum):
    A = "ä"

class Record:
    def _asdict(self): return {"a": Decimal("1.50")}

class ListRecord(list):
    def _asdict(self): return {"list": 1}

class DictRecord(dict):
    def _asdict(self): return {"dict": 1}

class StrRecord(str):
    def _asdict(self): return {"str": 1}

class BadRecord:
    def _asdict(self): return [1]

class TypeErrorRecord:
    def _asdict(self): raise TypeError("no")

class RaisingRecord:
    def _asdict(self): raise LookupError("no recörd")

class NoRecord:
    _asdict = 5

class ForJson:
    def for_json(self): return 1

class Attributes(dict):
    __getattr__ = dict.get

class Raising(dict):
    def items(self): raise LookupError("no itéms")

@dataclasses.dataclass
class Data:
    a: int = 1

class Custom(Exception):
    def __str__(self): return "käse\\nin two lines"

class Odd(Exception):
    def __init__(self): super().__init__(1, "two", None)

def circular(kind):
    if kind == "list":
        value = []
        value.append(value)
    elif kind == "dict":
        value = {}
        value["a"] = [value]
    else:
        inner = []
        value = Point(inner, 1)
        inner.append(value)
    return value

def nested(depth, kind=list):
    value = kind()
    for _ in range(depth):
        value = [value] if kind is list else {"a": value}
    return value

def shared():
    inner = [Point(1, 2)]
    return [inner, inner, {"a": inner}]

def fail(error):
    raise error

def chained():
    try:
        {}["missing"]
    except KeyError as error:
        raise ValueError("second") from error

def noted():
    error = ValueError("nöted")
    error.add_note("a note")
    raise error

def deep(depth):
    return deep(depth - 1) if depth else {}["missing"]
"""

VALUES: Final = (
    "None",
    "True",
    "0",
    "-1",
    "2**70",
    "10**400",
    "10**5000",
    "1.5",
    "-0.0",
    "1e300",
    "0.1 + 0.2",
    "1e16",
    "1e-7",
    "math.nan",
    "math.inf",
    "-math.inf",
    "''",
    "'wörld \\U0001f600 \\u2028 \\x00 \\x7f \\x1f \"quoted\" \\\\ /'",
    "'日本語' * 3",
    "b''",
    "b'abc'",
    "b'\\xff'",
    "[b'abc', b'\\xc3\\xa4']",
    "[b'\\xff']",
    "{b'key': b'value'}",
    "{b'\\xff': 1}",
    "bytearray(b'x')",
    "[bytearray(b'x')]",
    "memoryview(b'x')",
    "[]",
    "{}",
    "()",
    "[1, [2, [3]], (4, 5)]",
    "{'ä': {'b': None}, '1': 1, 2: 'two', None: 'none', True: 'yes', 1.5: 'f'}",
    "{math.nan: 1, math.inf: 2, -math.inf: 3}",
    "{1: 'a', '1': 'b'}",
    "{(1, 2): 3}",
    "{Decimal(1): 2}",
    "{Point(1, 2): 3}",
    "{Number.ONE: 1, Word.A: 2, Whole(3): 3, Real(1.5): 4, Text('t'): 5}",
    "{Color.RED: 1}",
    "{frozenset(): 1}",
    "Point(1, 2)",
    "[Point(1, 2), Point(Decimal('1.50'), (Point(3, b'x'),))]",
    "{'a': {'b': [Point([], {})]}}",
    "Point",
    "[Whole(3), Real(1.5), Text('ä'), Number.ONE, Word.A]",
    "Color.RED",
    "Record()",
    "[Record(), Record()]",
    "ListRecord([1])",
    "DictRecord(b=2)",
    "[{'a': DictRecord(b=2)}]",
    "StrRecord('x')",
    "BadRecord()",
    "TypeErrorRecord()",
    "RaisingRecord()",
    "NoRecord()",
    "ForJson()",
    "Attributes(a=1)",
    "Raising(a=1)",
    "Data()",
    "[Data]",
    "{1}",
    "frozenset()",
    "[{'a': {1}}]",
    "range(3)",
    "iter([])",
    "(n for n in range(3))",
    "complex(1, 2)",
    "object()",
    "object",
    "len",
    "...",
    "NotImplemented",
    "ValueError('x')",
    "datetime.datetime(2026, 11, 1, 12)",
    "datetime.date(2026, 11, 1)",
    "datetime.timedelta(1)",
    "uuid.UUID(int=0)",
    "collections.OrderedDict(b=1, a=2)",
    "collections.Counter('aab')",
    "collections.defaultdict(list, a=[1])",
    "collections.UserDict(a=1)",
    "collections.UserList([1])",
    "collections.UserString('x')",
    "collections.ChainMap({'a': 1})",
    "collections.deque([1])",
    "types.MappingProxyType({'a': 1})",
    "types.SimpleNamespace(a=1)",
    "circular('list')",
    "circular('dict')",
    "circular('record')",
    "nested(150)",
    "nested(150, dict)",
    "shared()",
    "{'statusCode': Decimal('201'), 'body': b'abc', 'headers': {'x': Decimal('1.50')}}",
)
_NOT_LEAVES: Final = ("(", "10**", "\\xff", "Color", "object", "len", "...", "Not", "Data", "{1}")
DECIMALS: Final = (
    *("0", "-0", "0.0", "1", "-1", "12", "1.5", "1.50", "0.1", "-0.001", "1E+3", "1e-9", "1E-7"),
    *("0E-10", "123456789012345678901234567890", "0.1234567890123456789012345678", "1E+400"),
    *(
        "1E-400",
        "9007199254740993",
        "3.141592653589793238",
        "NaN",
        "-NaN",
        "sNaN",
        "-sNaN",
        "NaN12",
    ),
    *("Infinity", "-Infinity", "100", "1.0", "1e5", "12345678901234567890.5"),
)
ERRORS: Final = (
    "fail(ValueError('böom 日本'))",
    "fail(ValueError)",
    "fail(ValueError('\\x00 \\x7f'))",
    "fail(Custom())",
    "fail(Odd())",
    "fail(KeyError('missing'))",
    "fail(UnicodeDecodeError('utf-8', b'\\xff', 0, 1, 'why'))",
    "fail(OSError(2, 'No such file', 'náme'))",
    "fail(ExceptionGroup('several', [ValueError(1), TypeError(2)]))",
    "fail(AssertionError())",
    "fail(StopIteration(3))",
    "fail(RuntimeError(*range(3)))",
    "chained()",
    "noted()",
    "deep(30)",
    "1 / 0",
)


def generated(count: int) -> list[str]:
    """Source texts of nested values, the same at each call and on each Python."""
    dice = random.Random(11)
    leaves = [value for value in VALUES if not any(part in value for part in _NOT_LEAVES)]
    leaves += [f"Decimal({text!r})" for text in DECIMALS]
    leaves += ["Word.A", "Number.ONE", "Whole(7)", "Real(2.5)", "Record()", "b'\\xc3\\xa4'"]

    def value(depth: int) -> str:
        kind = dice.randrange(6) if depth else 0
        items = [value(depth - 1) for _ in range(dice.randrange(4))] if kind > 1 else []
        if kind <= 1:
            return leaves[dice.randrange(len(leaves))]
        if kind == 2:
            return f"[{', '.join(items)}]"
        if kind == 3:
            return "(" + "".join(f"{item}, " for item in items) + ")"
        if kind == 4 and len(items) == 2:
            return f"Point({items[0]}, {items[1]})"
        keys = ["'a'", "'ö'", "3", "None", "False", "2.5", "b'k'"]
        return (
            "{" + ", ".join(f"{key}: {item}" for key, item in zip(keys, items, strict=False)) + "}"
        )

    return [value(5) for _ in range(count)]


def cases() -> list[str]:
    """Return the source text of each case, once."""
    decimals = [f"[Decimal({text!r})]" for text in DECIMALS]
    return list(dict.fromkeys([*VALUES, *decimals, *generated(400), *ERRORS]))


def namespace() -> dict[str, Any]:
    """Return what the source texts refer to."""
    names: dict[str, Any] = {"__name__": __name__}
    exec(compile(PRELUDE, "case.py", "exec"), names)
    return names
