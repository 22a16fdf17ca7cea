"""A large download that no process ever holds: 100 MB, or as many bytes as you ask for.

Try `curl -o /dev/null 'http://127.0.0.1:8080/download?size=1000000000'`.
"""

from tailrace.function import Head, streamify_response

SIZE_MAX = 10_000_000_000
BLOCK_BYTES = 64 * 1024
FILLER = bytes(range(256)) * (BLOCK_BYTES // 256)


@streamify_response
def handler(event, context):
    size = requested_size(event.get("queryStringParameters", {}))
    if size is None:
        yield Head(status=400, headers={"content-type": "text/plain; charset=utf-8"})
        yield f"size is a number of bytes, at most {SIZE_MAX}: /download?size=1000000\n"
        return

    yield Head(
        headers={
            "content-type": "application/octet-stream",
            "content-disposition": f'attachment; filename="tailrace-{size}.bin"',
            "content-length": str(size),
        }
    )
    yield from blocks(size)


def requested_size(query):
    try:
        size = int(query.get("size", "100000000"))
    except ValueError:
        return None
    return size if 0 <= size <= SIZE_MAX else None


def blocks(size):
    """`size` bytes, always the same ones; each block begins with its own offset."""
    for offset in range(0, size, BLOCK_BYTES):
        block = offset.to_bytes(8, "big") + FILLER[8:]
        yield block[: size - offset]
