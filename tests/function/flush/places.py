"""Where a scanner allows padding, found out the slow way, and documents with padding there."""

from __future__ import annotations

from random import Random

from tailrace.function.flush.scanners import Scanner, scanner_for


def scanner(content_type: str) -> Scanner:
    found = scanner_for(content_type, pads_text=True)
    assert found is not None, content_type
    return found


def places(content_type: str, document: bytes) -> list[int]:
    """Every place, by reading one byte after the other."""
    reader = scanner(content_type)
    found = [0] if reader.allows else []
    for at in range(len(document)):
        reader.feed(document[at : at + 1])
        if reader.allows:
            found.append(at + 1)
    return found


def marked(content_type: str, document: str) -> str:
    """The document with a bar at each place, to be read by people; it is ASCII."""
    return padded(document.encode("ascii"), places(content_type, document.encode()), b"|").decode()


def padded(document: bytes, at: list[int], padding: bytes) -> bytes:
    """The document with padding at these places."""
    pieces = []
    before = 0
    for place in at:
        pieces += [document[before:place], padding]
        before = place
    return b"".join([*pieces, document[before:]])


def padded_everywhere(content_type: str, document: bytes, size: int = 9) -> bytes:
    """The document with padding at each place."""
    return padded(document, places(content_type, document), scanner(content_type).padding(size))


def assert_same_for_any_chunks(content_type: str, document: bytes, random: Random) -> None:
    """Chunks of any sizes, some fed and some searched, give the places of single bytes."""
    expected = set(places(content_type, document))
    for longest in (3, 10, 100, 1 << 20):
        reader = scanner(content_type)
        at = 0
        while at < len(document):
            chunk = document[at : at + random.randint(1, longest)]
            if random.random() < 0.5:
                reader.feed(chunk)
                at += len(chunk)
            else:
                step = reader.find(chunk)
                first = next((i for i in range(1, len(chunk) + 1) if at + i in expected), -1)
                assert step == first, (document, at, chunk)
                at += len(chunk) if step < 0 else step
            assert reader.allows == (at in expected), (document, at)


def assert_sizes(content_type: str, smallest: int) -> None:
    """Padding has the size that is asked for, or the smallest, and is still a place behind it."""
    reader = scanner(content_type)
    for size in (1, 2, 3, 4, 6, 7, 8, 100, 4095, 4096, 4097, 4098, 8193, 100_000):
        assert len(reader.padding(size)) == max(size, smallest)
