"""Binary records: struct, SHA-256, base64, bytes and memoryview."""

import hashlib
import struct
from base64 import b64decode, b64encode
from binascii import crc32

N = 14_000
CHECK = (10, [10, 360, "39a5b43d"])

RECORD = struct.Struct("<IHbd16s")


def run(n: int) -> list[object]:
    """[records read back, bytes, start of the chained digest] for n records."""
    chain = b""
    packed: list[bytes] = []
    for i in range(n):
        body = RECORD.pack(i, i % 60_000, i % 200 - 100, i / 3, b"item-%08d" % i)
        packed.append(body + crc32(body).to_bytes(5, "big"))
        chain = hashlib.sha256(chain + packed[-1]).digest()
    text = b64encode(b"".join(packed))
    view = memoryview(b64decode(text))
    good = 0
    width = RECORD.size + 5
    for start in range(0, len(view), width):
        number, short, tiny, real, name = RECORD.unpack_from(view, start)
        good += (
            int(name[5:13]) == number
            and int.from_bytes(view[start + RECORD.size : start + width], "big")
            == crc32(view[start : start + RECORD.size])
            and real == number / 3
            and short >= 0
            and tiny < 100
        )
    return [good, len(view), chain.hex()[:8]]
