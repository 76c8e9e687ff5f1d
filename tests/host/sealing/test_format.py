from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyvm.host.errors import SealedFormatError
from polyvm.host.sealing import format as formats
from polyvm.host.sealing.format import Header
from tests.host.sealing.builder import HERE, NO_PERMISSIONS, preamble

FIELDS: dict[str, Any] = {
    "publisher": b"p" * 8,
    "recipients": [[b"h" * 8, b"w" * 80]],
    "python": b"\xf3\x0d\r\n",
    "name": "some-task",
    "version": "1.2.0-rc1",
    "isolation": "process",
    "sequence": 7,
    "created": 1_800_000_000,
    "expires": 1_900_000_000,
    "permissions": {**NO_PERMISSIONS, "read": ["/srv/models"], "network": True},
    "stream": b"s" * 24,
    "content": 1000,
}


def encoded(**changes: Any) -> bytes:
    return msgspec.msgpack.encode({**FIELDS, **changes})


def refusal(raw: bytes) -> str:
    with pytest.raises(SealedFormatError, match=r"^x\.bundle: ") as caught:
        formats.parse_header(raw, HERE)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_header_and_back() -> None:
    header = formats.parse_header(encoded(), HERE)
    assert header.publisher == b"p" * 8
    assert header.recipients == ((b"h" * 8, b"w" * 80),)
    assert header.permissions.read == ("/srv/models",)
    assert (header.isolation, header.permissions.network) == ("process", True)
    assert (header.sequence, header.expires, header.content) == (7, 1_900_000_000, 1000)
    head = formats.pack_head(header)
    assert head[16:] == encoded()
    assert formats.header_bytes(head[:16], HERE) == len(encoded())


@pytest.mark.parametrize(
    "changes",
    [
        {"publisher": b"p" * 7},
        {"publisher": b"p" * 9},
        {"publisher": "pppppppp"},
        {"publisher": None},
        {"recipients": []},
        {"recipients": {}},
        {"recipients": [[b"h" * 8, b"w" * 79]]},
        {"recipients": [[b"h" * 8]]},
        {"recipients": [[b"h" * 8, b"w" * 80, 1]]},
        {"recipients": [[b"h" * 8, b"w" * 80], [b"h" * 8, b"v" * 80]]},
        {"recipients": [[bytes([i % 256, i // 256]) * 4, b"w" * 80] for i in range(257)]},
        {"python": b"\xf3\x0d\r"},
        {"name": "Some-task"},
        {"name": "../a"},
        {"name": ""},
        {"name": b"some-task"},
        {"version": "one"},
        {"version": 1.2},
        {"sequence": 0},
        {"sequence": -1},
        {"sequence": 2**63},
        {"sequence": 1.0},
        {"sequence": True},
        {"created": -1},
        {"created": 2**62},
        {"created": None},
        {"expires": -1},
        {"expires": "never"},
        {"permissions": None},
        {"permissions": {"read": []}},
        {"permissions": {"read": [], "write": []}},
        {"permissions": {**NO_PERMISSIONS, "run": []}},
        {"permissions": {**NO_PERMISSIONS, "network": 1}},
        {"permissions": {**NO_PERMISSIONS, "read": ["relative"]}},
        {"permissions": {**NO_PERMISSIONS, "read": ["/a/../b"]}},
        {"permissions": {**NO_PERMISSIONS, "write": [f"/{i}" for i in range(17)]}},
        {"permissions": {**NO_PERMISSIONS, "network": True, "unconfined": True}},
        {"isolation": "vm"},  # which has no network
        {"isolation": "thread"},
        {"isolation": None},
        {"stream": b"s" * 23},
        {"content": 3},
        {"content": 2**41},
        {"extra": 1},
    ],
    ids=str,
)
def test_fields_that_are_refused(changes: dict[str, Any]) -> None:
    refusal(encoded(**changes))


@pytest.mark.parametrize("field", FIELDS)
def test_missing_fields(field: str) -> None:
    assert field in refusal(
        msgspec.msgpack.encode({name: FIELDS[name] for name in FIELDS if name != field})
    )


def test_one_value_has_one_encoding() -> None:
    raw = encoded()
    backwards = msgspec.msgpack.encode(dict(reversed(FIELDS.items())))
    longer = raw.replace(b"\xa8sequence\x07", b"\xa8sequence\xcc\x07")
    twice = bytes([raw[0] + 1]) + raw[1:] + b"\xa8sequence\x07"
    for other in (backwards, longer, twice):
        assert len(other) >= len(raw)
        assert "not in the one form" in refusal(other)
    assert "trailing" in refusal(raw + b"\xc0")


@given(st.binary(max_size=300))
def test_any_bytes_as_a_header(raw: bytes) -> None:
    refusal(raw)


def test_text_that_is_not_utf_8() -> None:
    refusal(encoded().replace(b"some-task", b"some-\xff\xfe\xfdk"))


def test_what_is_quoted_cannot_drive_a_terminal() -> None:
    text = refusal(encoded(**{"\x1b[2J\n" + "x" * 5000: 1}))
    assert text.isprintable()
    assert len(text) < 300


def test_nesting_without_end() -> None:
    refusal(b"\x91" * 65536)
    refusal(b"\x81\xaapublisher"[:1] + b"\xa9publisher" + b"\x91" * 60000)


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        (b"", "not a sealed bundle"),
        (b"PK\x03\x04" + bytes(12), "not a sealed bundle"),
        (b"\x89PVMS\r\n", "cut short within the first 16 bytes"),
        (preamble(b"x").replace(b"\r\n", b"\n") + b"x", "transfer in text mode"),
        (preamble(b"x", version=0), "format version 0, and this host reads version 1"),
        (preamble(b"x", version=2), "format version 2, and this host reads version 1"),
        (preamble(b"x", zero=1), "bytes 10 to 15"),
        (preamble(b"x", length=0), "bytes 10 to 15"),
        (preamble(b"x", length=65537), "bytes 10 to 15"),
    ],
)
def test_preambles_that_are_refused(start: bytes, sentence: str) -> None:
    with pytest.raises(SealedFormatError, match=sentence):
        formats.header_bytes(start, HERE)


def test_largest_header_fits() -> None:
    path = "/" + "p" * 1023
    header = Header(
        publisher=b"p" * 8,
        recipients=tuple((i.to_bytes(8, "big"), b"w" * 80) for i in range(256)),
        python=b"1234",
        name="n" * 64,
        version="1.0",
        isolation="process",
        sequence=formats.MAX_SEQUENCE,
        created=formats.MAX_SECOND,
        expires=formats.MAX_SECOND,
        permissions=formats.Permissions(read=(path,) * 16, write=(path,) * 16),
        stream=b"s" * 24,
        content=formats.MAX_CONTENT_BYTES,
    )
    head = formats.pack_head(header)
    assert formats.parse_header(head[16:], HERE) == header


@given(st.integers(4, 2**30))
def test_lengths(content: int) -> None:
    header = formats.parse_header(encoded(content=content), HERE)
    sizes = [formats.CHUNK_BYTES] * (header.chunks - 1)
    last = content - sum(sizes)
    assert 1 <= last <= formats.CHUNK_BYTES
    assert header.encrypted_bytes == sum(size + 17 for size in [*sizes, last])
    size = 500 + header.encrypted_bytes + 64
    formats.check_size(size, 500, header, HERE)
    with pytest.raises(SealedFormatError, match="cut short"):
        formats.check_size(size - 1, 500, header, HERE)
    with pytest.raises(SealedFormatError, match="1 bytes follow"):
        formats.check_size(size + 1, 500, header, HERE)
