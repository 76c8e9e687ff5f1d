from __future__ import annotations

import itertools
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyvm.host.errors import BundleError, PackError, SealedFormatError
from polyvm.host.sealing import content
from polyvm.vm import Memory
from tests.host.sealing.builder import GOOD, HERE, TOML, plaintext, table

if TYPE_CHECKING:
    from tests.conftest import Seeded


def chunked(plain: bytes, *cuts: int) -> list[bytes]:
    """Cut the plaintext into chunks that nothing else refers to, as they will be wiped."""
    bounds = [0, *sorted(cut % (len(plain) + 1) for cut in cuts), len(plain)]
    pairs = itertools.pairwise(bounds)
    return [bytes(bytearray(plain[start:end])) for start, end in pairs if start < end]


def read(plain: bytes, *cuts: int) -> dict[str, bytes]:
    files = content.read(iter(chunked(plain, *cuts)), len(plain), HERE)
    return {
        name: bytes(data.buffer) if isinstance(data, Memory) else bytes(data)
        for name, data in files.items()
    }


def refusal(plain: bytes) -> str:
    with pytest.raises(BundleError, match=r"^x\.bundle: ") as caught:
        read(plain)
    assert "\n" not in str(caught.value)
    return str(caught.value)


NAMES = st.lists(
    st.text("abcdefghijklmnopqrstuvwxyz0123456789-_ äß漢", min_size=1, max_size=9).map(
        lambda text: text + "x"
    ),
    min_size=1,
    max_size=3,
).map("/".join)
DATA = st.one_of(
    st.binary(max_size=300),
    st.builds(
        lambda piece, times: piece * times,
        st.binary(min_size=1, max_size=9),
        st.integers(1, 40_000),
    ),
    st.builds(
        lambda seed, size: (zlib.compress(bytes(seed)) * size)[:size],
        st.binary(),
        st.integers(0, 90_000),
    ),
)


@given(st.dictionaries(NAMES, DATA, max_size=5), st.lists(st.integers(0, 10**6), max_size=4))
def test_round_trip(members: dict[str, bytes], cuts: list[int]) -> None:
    whole: dict[str, bytes | Path] = {**members, "task.toml": TOML}
    plan = content.plan(whole, HERE)
    plain = b"".join(plan.pieces())
    assert len(plain) == plan.size
    assert read(plain, *cuts) == whole
    assert plan.entries[0].name == "task.toml"


def test_assets_in_files(tmp_path: Path, rand: Seeded) -> None:
    noise = rand.randbytes(content.COMPRESS_BYTES + 1)
    for name, data in {"noise": noise, "zeros": bytes(2**20), "large": bytes(2**20 + 1)}.items():
        (tmp_path / name).write_bytes(data)
    members: dict[str, bytes | Path] = {
        **GOOD,
        **{path.name: path for path in tmp_path.iterdir()},
        "huge.pyc": bytes(3 * 2**20),
    }
    plan = content.plan(members, HERE)
    codecs = {entry.name: entry.codec for entry in plan.entries}
    assert codecs["noise"] == codecs["large"] == content.Codec.AS_IS
    assert codecs["zeros"] == codecs["huge.pyc"] == content.Codec.ZLIB
    files = content.read(iter(chunked(b"".join(plan.pieces()), 1, 5, 2**20)), plan.size, HERE)
    for name in ("noise", "zeros", "large"):
        data = files[name]
        assert isinstance(data, Memory)
        assert bytes(data.buffer) == (tmp_path / name).read_bytes()
    assert files["huge.pyc"] == bytes(3 * 2**20)


def test_a_file_that_changes_while_it_is_sealed(tmp_path: Path) -> None:
    file = tmp_path / "asset"
    for data in (b"short", os.urandom(3_000_000)):
        file.write_bytes(data)
        plan = content.plan({**GOOD, "asset": file}, HERE)
        file.write_bytes(data + b"more")
        with pytest.raises(PackError, match="'asset' changed while it was sealed"):
            list(plan.pieces())
    file.unlink()
    with pytest.raises(PackError, match="asset: cannot be read: No such file"):
        list(plan.pieces())


def test_what_cannot_be_sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PackError, match="5000 files; at most 4096"):
        content.plan({str(i): b"" for i in range(5000)}, HERE)
    with pytest.raises(PackError, match="names are too long in all"):
        content.plan({f"{i:0500}": b"" for i in range(2500)}, HERE)
    monkeypatch.setattr(content, "MAX_ASSET_BYTES", 100)
    with pytest.raises(PackError, match="'asset' is larger than 100 bytes"):
        content.plan({"asset": bytes(101)}, HERE)


def test_more_than_may_be_unpacked_is_stored_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "MAX_UNPACKED_BYTES", 150_000)
    plan = content.plan({**GOOD, "a": bytes(100_000), "b": bytes(100_000)}, HERE)
    assert [entry.codec for entry in plan.entries if entry.name in "ab"] == [1, 0]
    assert len(read(b"".join(plan.pieces()))["b"]) == 100_000


def test_chunks_are_wiped(rand: Seeded) -> None:
    chunks = chunked(plaintext({**GOOD, "asset": rand.randbytes(100_000)}), 100, 5000, 60_000)
    content.read(iter(chunks), sum(map(len, chunks)), HERE)
    assert not any(map(any, chunks))
    spoilt = chunked(plaintext({**GOOD, "/": b"x"}), 100)
    with pytest.raises(BundleError):
        content.read(iter(spoilt), sum(map(len, spoilt)), HERE)
    assert not any(spoilt[0])


GOOD_ENTRIES = [[name, len(data), len(data), 0] for name, data in GOOD.items()]
PACKED = zlib.compress(bytes(1000))


def with_member(*entry: Any, data: bytes = b"") -> bytes:
    return table([*GOOD_ENTRIES, list(entry)]) + b"".join(GOOD.values()) + data


@pytest.mark.parametrize(
    ("plain", "sentence"),
    [
        (b"\xff\xff\xff\xff" + bytes(100), "its length is given as 4294967295 bytes"),
        (b"\x61\0\0\0" + bytes(96), "its length is given as 97 bytes"),
        (b"\0\0\0\0", "table of contents"),
        (table([]), r"task\.toml does not come first"),
        (table(None), "table of contents"),
        (table({"task.toml": 1}), "table of contents"),
        (table([["task.toml", 0, 0]]), "table of contents"),
        (table([["task.toml", 0, 0, 0, 0]]), "table of contents"),
        (table([["task.toml", 0, 0, 2]]), "table of contents"),
        (table([["task.toml", -1, -1, 0]]), "is said to have -1 bytes"),
        (table([["task.toml", 0, -1, 1]]), "is said to have 0 bytes, stored as -1"),
        (table([["task.toml", 2**64 - 1, 2**64 - 1, 0]]), "'task.toml' is larger than 65536"),
        (table([["task.toml", 65537, 65537, 0]]) + bytes(65537), "is larger than 65536"),
        (table([[b"task.toml", 0, 0, 0]]), "table of contents"),
        (table([["main.pyc", 0, 0, 0]]), r"task\.toml does not come first"),
        (table([["task.toml", 0, 0, 0]] * 2), "lists 'task.toml' twice"),
        (table([[f"{i}", 0, 0, 0] for i in range(100_000)]), "lists 100000 files, and at most"),
        (table([[f"{i:09}", 0, 0, 0] for i in range(100_000)]), "its length is given as"),
        (table([["task.toml", 0, 0, 0]]).replace(b"\xa9", b"\xd9\x09"), "table of contents"),
        (with_member("../up", 0, 0, 0), r"path '\.\./up' is not allowed"),
        (with_member("/etc/passwd", 0, 0, 0), "is not allowed"),
        (with_member("a\\b", 0, 0, 0), "is not allowed"),
        (with_member("a\0b", 0, 0, 0), "is not allowed"),
        (with_member("x", 10, 10, 0), "bytes of members, and"),
        (with_member("x", 10, 10, 0, data=bytes(11)), "bytes of members, and"),
        (with_member("x", 10, 9, 0, data=bytes(9)), "is said to have 10 bytes, stored as 9"),
        (with_member("x", 9, 10, 1, data=bytes(10)), "is said to have 9 bytes, stored as 10"),
        (with_member("x", 0, 0, 1), "is said to have 0 bytes, stored as 0"),
        (with_member("x", 2**34 + 1, 2**34 + 1, 0), "'x' is larger than 17179869184 bytes"),
        (with_member("x.pyc", 2**26 + 1, 2**26 + 1, 0), r"'x\.pyc' is larger than 67108864 bytes"),
        (with_member("x", 2**29, 2**19, 1, data=bytes(2**19)), "larger than 268435456 bytes unp"),
        (with_member("x", 2**26, 9, 1, data=bytes(9)), "is said to have 67108864 bytes, stored"),
        (with_member("x", 999, len(PACKED), 1, data=PACKED), "999 bytes .more is there"),
        (with_member("x", 1001, len(PACKED), 1, data=PACKED), "1001 bytes .less is there"),
        (with_member("x", 1000, len(PACKED) - 1, 1, data=PACKED[:-1]), "less is there"),
        (with_member("x", 1000, len(PACKED) + 3, 1, data=PACKED + b"abc"), "more is there"),
        (with_member("x", 1000, 17, 1, data=bytes(17)), "does not unpack to 1000 bytes"),
    ],
)
def test_refusals(plain: bytes, sentence: str) -> None:
    assert isinstance(plain, bytes)
    with pytest.raises(BundleError, match=sentence) as caught:
        read(plain, 2, 50, len(plain) - 3)
    assert str(caught.value).startswith("x.bundle: ")
    assert "\n" not in str(caught.value)


def test_a_bomb_is_unpacked_no_further_than_declared() -> None:
    bomb = zlib.compress(bytes(100_000_000), 9)
    sizes: list[int] = []

    def chunks(plain: bytes) -> Iterator[bytes]:
        for chunk in chunked(plain, *range(1000, len(plain), 1000)):
            sizes.append(len(chunk))
            yield chunk

    plain = with_member("x", len(bomb) + 1, len(bomb), 1, data=bomb)
    with pytest.raises(SealedFormatError, match="more is there"):
        content.read(chunks(plain), len(plain), HERE)
    assert sum(sizes) < len(plain) / 2


def test_memory_that_is_not_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "MEMORY_BYTES", 0)

    def refuse(size: int) -> Memory:
        raise MemoryError(size)

    monkeypatch.setattr(content, "Memory", refuse)
    assert "'x' needs 5 bytes of memory" in refusal(with_member("x", 5, 5, 0, data=b"12345"))


@given(st.binary(max_size=200))
def test_any_bytes_as_content(plain: bytes) -> None:
    if len(plain) >= 4:
        refusal(plain)
