"""Random requests, signed by botocore and by `wire.sigv4`, and verified by the emulator.

python -m tests.emulator.signed_requests 10000
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from unittest.mock import patch
from urllib.parse import quote, unquote_to_bytes

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.utils import normalize_url_path

from tailrace.emulator.signature import KeyPair, find_fault
from tailrace.wire.http_head import RequestHead
from tailrace.wire.sigv4 import PreparedRequest

HOST = "127.0.0.1:8123"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
REGIONS = ("us-east-1", "eu-central-1", "ap-southeast-2", "us-gov-west-1")
PATH_PIECES = (
    *("/", "//", "/.", "/..", "/./", "a", "B9", "-._~", "%20", "%2F", "%C3%A9", "%e1%88%b4"),
    *("\xe9", "!", "$", "&", "'", "(", ")", "*", "+", ",", ";", "=", ":", "@", "[", "]", "%25"),
)
TEXTS = (
    "",
    "0",
    "a",
    "A",
    "a b",
    "\xe9",
    "\u1234",
    "\U0001f600",
    "=",
    "&",
    "+",
    "/",
    "~",
    "%",
    ".",
)
VALUES = (
    "",
    "1",
    "two words",
    "  many   spaces  ",
    "\ttab\tbed",
    "a,b",
    "caf\xe9",
    'a "b   c"',
    "=",
)
REPLACEMENTS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class SignedRequest:
    """One request and what signed it."""

    keys: KeyPair
    token: str | None
    region: str
    moment: datetime
    method: str
    path: str
    query: str
    fields: tuple[tuple[str, str], ...]
    """To be signed, without date and token, in the order in which they are sent."""
    body: bytes

    @property
    def date(self) -> str:
        return f"{self.moment:%Y%m%dT%H%M%SZ}"


def make(random: Random) -> SignedRequest:
    """Any request that a server could get."""

    def text(most: int) -> str:
        return "".join(random.choice(TEXTS) for _ in range(random.randint(0, most)))

    def parameter() -> str:
        name = quote(text(3), safe="-_.~")
        return name + random.choice(("=", "=" + quote(text(4), safe="-_.~"), "" if name else "="))

    query = [parameter() for _ in range(random.randint(0, 5))]
    query += random.choices(query, k=random.randint(0, 2)) if query else []
    names = [f"x-{random.choice('abc')}{number % 3}" for number in range(random.randint(0, 5))]
    return SignedRequest(
        keys=KeyPair(
            f"AKID{random.randrange(10**9)}", text(9).replace("\U0001f600", "") or "secret"
        ),
        token=random.choice((None, "session/token+=")),
        region=random.choice(REGIONS),
        moment=datetime.fromtimestamp(random.randrange(4_000_000_000), UTC),
        method=random.choice(METHODS),
        path="/" + "".join(random.choice(PATH_PIECES) for _ in range(random.randint(0, 8))),
        query="&".join(query),
        fields=(("host", HOST), *((name, random.choice(VALUES)) for name in names)),
        body=random.randbytes(random.choice((0, 0, 1, 40, 3_000))),
    )


def signed_by_botocore(request: SignedRequest, *, is_presigned: bool = False) -> RequestHead:
    """The head that botocore makes."""
    url = f"http://{HOST}{request.path}" + (f"?{request.query}" if request.query else "")
    theirs = AWSRequest(request.method, url, data=b"" if is_presigned else request.body)
    for name, value in request.fields:
        theirs.headers.add_header(name, value)
    credentials = Credentials(
        request.keys.access_key_id, request.keys.secret_access_key, request.token
    )
    auth = SigV4QueryAuth if is_presigned else SigV4Auth
    with patch("botocore.auth.get_current_datetime", return_value=request.moment):
        auth(credentials, "lambda", request.region).add_auth(theirs)
    query = theirs.url.partition("?")[2] if is_presigned else request.query
    added = [(n, v) for n, v in theirs.headers.items() if n.lower() not in dict(request.fields)]
    return _head(request, query, [*request.fields, *added])


def signed_by_us(request: SignedRequest) -> RequestHead:
    """The head that `wire.sigv4` makes."""
    fields = list(request.fields)
    if request.token:
        fields.append(("x-amz-security-token", request.token))
    prepared = PreparedRequest(
        request.method,
        request.path,
        request.query,
        fields,
        key_id=request.keys.access_key_id,
        secret=request.keys.secret_access_key,
        region=request.region,
        service="lambda",
    )
    authorization = prepared.authorization(request.date, request.body)
    fields += [("x-amz-date", request.date), ("authorization", authorization)]
    return _head(request, request.query, fields)


def _head(request: SignedRequest, query: str, fields: list[tuple[str, str]]) -> RequestHead:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in fields]
    head = RequestHead(request.method, request.path, "1.1", raw)
    head.path, head.query = request.path, query
    return head


def fault(request: SignedRequest, head: RequestHead, body: bytes) -> str | None:
    """What the emulator finds wrong with a request at the time of its signature."""
    found = find_fault(request.keys, head, body, now_s=request.moment.timestamp())
    return None if found is None else found.reason


def flip(random: Random, head: RequestHead, body: bytes) -> tuple[str, RequestHead, bytes]:
    """Change one byte of a signed request; return where it was, and the request."""
    fields = [(name, value) for name, value in head.headers if value.strip()]
    places = ["method", "field"] + ["path"] * (len(head.path) > 1)
    place = random.choice(places + ["query"] * bool(head.query) + ["body"] * bool(body))
    changed = RequestHead(head.method, head.target, head.version, list(head.headers))
    changed.path, changed.query = head.path, head.query
    if place == "body":
        at = random.randrange(len(body))
        return (
            place,
            changed,
            body[:at] + bytes([body[at] ^ random.randint(1, 255)]) + body[at + 1 :],
        )
    if place == "field":
        name, value = random.choice(fields)
        at = random.choice([at for at, byte in enumerate(value) if byte not in b" \t"])
        new = _other(random, value[at : at + 1].decode("latin-1")).encode()
        spot = next(n for n, field in enumerate(changed.headers) if field == (name, value))
        changed.headers[spot] = (name, value[:at] + new + value[at + 1 :])
        return f"field {name.decode()}", changed, body
    text = str(getattr(changed, place))
    at = random.randrange(place == "path", len(text))  # a server serves no path without its slash
    new_text = text[:at] + _other(random, text[at]) + text[at + 1 :]
    setattr(changed, place, new_text)
    return place, changed, body


def _other(random: Random, char: str) -> str:
    return random.choice([new for new in REPLACEMENTS if new != char.lower()])


def means_the_same(request: SignedRequest, head: RequestHead, changed: RequestHead) -> bool:
    """Whether a changed path or query is the same to AWS, by botocore's rule.

    A segment before `..` does not matter; nor does the case of a percent-encoded byte, or whether
    an unreserved character is encoded.
    """

    def query(text: str) -> list[tuple[bytes, bytes]]:
        pairs = (field.partition("=") for field in text.split("&") if field)
        return sorted((unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in pairs)

    is_same_path = normalize_url_path(head.path) == normalize_url_path(changed.path)
    return (
        head.method == changed.method
        and head.headers == changed.headers
        and is_same_path
        and query(head.query) == query(changed.query)
    )


def compare(count: int, seed: int) -> Counter[str]:
    """Check so many random requests; return how many of each kind there were.

    Raises:
        AssertionError: a request on which botocore, `wire.sigv4` and the emulator disagree.
    """
    random = Random(seed)
    counts: Counter[str] = Counter()
    for _ in range(count):
        request = make(random)
        theirs, ours = signed_by_botocore(request), signed_by_us(request)
        assert theirs.get(b"authorization") == ours.get(b"authorization"), request
        assert fault(request, ours, request.body) is None, request
        counts["signed alike and accepted"] += 1
        if random.random() < 0.2:
            head = signed_by_botocore(request, is_presigned=True)
            assert fault(request, head, b"") is None, request
            counts["presigned and accepted"] += 1
        place, changed, body = flip(random, ours, request.body)
        if body == request.body and means_the_same(request, ours, changed):
            counts["changed without a change of meaning"] += 1
            assert fault(request, changed, body) is None, (request, place)
            continue
        assert fault(request, changed, body) is not None, (request, place, changed.path)
        counts[f"refused: {place.partition(' ')[0]}"] += 1
    return counts


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    for kind, number in sorted(compare(count, seed=1).items()):
        print(f"{number:6} {kind}")


if __name__ == "__main__":
    main()
