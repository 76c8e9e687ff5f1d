"""Every place of a small sealed bundle, damaged."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from polyvm.host.errors import PolyvmError, SealedFormatError, SignatureError
from polyvm.host.sealing.opener import open_sealed
from tests.host.sealing.builder import HERE, Craft, preamble

if TYPE_CHECKING:
    from polyvm.host.sealing.keys import HostKey, PublisherKey


@pytest.fixture(scope="module")
def craft(publisher: PublisherKey, host: HostKey) -> Craft:
    return Craft(publisher, [host])


@pytest.fixture(scope="module")
def file(craft: Craft) -> bytes:
    return craft.file()


def error_of(file: bytes, publisher: PublisherKey) -> PolyvmError:
    with pytest.raises(PolyvmError) as caught, open_sealed(file, HERE) as sealed:
        sealed.verify(publisher.public_key)
    assert str(caught.value).startswith("x.bundle: ")
    assert "\n" not in str(caught.value)
    return caught.value


def test_it_is_sound_as_it_is(file: bytes, publisher: PublisherKey) -> None:
    with open_sealed(file, HERE) as sealed:
        sealed.verify(publisher.public_key)
    assert len(file) < 1500


def test_every_truncation(file: bytes, publisher: PublisherKey) -> None:
    for end in range(len(file)):
        error = error_of(file[:end], publisher)
        assert type(error) is SealedFormatError
        assert ("not a sealed bundle" if end < 5 else "cut short") in str(error)


def test_every_flipped_bit(craft: Craft, file: bytes, publisher: PublisherKey) -> None:
    content = len(file) - 64 - sum(map(len, craft.chunks))
    seen: Counter[tuple[str, str]] = Counter()
    for at in range(len(file)):
        place = (
            "magic"
            if at < 8
            else "version"
            if at < 10
            else "lengths"
            if at < 16
            else "header"
            if at < content
            else "content"
        )
        for bit in range(8):
            damaged = bytearray(file)
            damaged[at] ^= 1 << bit
            error = error_of(bytes(damaged), publisher)
            seen[place, type(error).__name__] += 1
            if place == "magic":
                assert "not a sealed" in str(error) or "text mode" in str(error)
            elif place == "version":
                assert "format version" in str(error)
    assert set(seen) == {
        ("magic", "SealedFormatError"),
        ("version", "SealedFormatError"),
        ("lengths", "SealedFormatError"),
        ("header", "SealedFormatError"),
        ("header", "SignatureError"),
        ("content", "SignatureError"),
    }


def test_bytes_that_follow(file: bytes, publisher: PublisherKey, host: HostKey) -> None:
    other = Craft(publisher, [host]).file()
    for tail in (b"\0", b"\n", file[-64:], other):
        assert f"{len(tail)} bytes follow" in str(error_of(file + tail, publisher))


def test_parts_of_two_bundles(craft: Craft, publisher: PublisherKey, host: HostKey) -> None:
    other = Craft(publisher, [host], header={"sequence": 8})
    one, two = craft.file(), other.file()
    assert len(one) == len(two)
    header = len(one) - 64 - sum(map(len, craft.chunks))
    for mixed in (
        one[:header] + two[header:],
        one[:header] + two[header:-64] + one[-64:],
        one[:-64] + two[-64:],
    ):
        assert type(error_of(mixed, publisher)) is SignatureError


def test_transfer_in_text_mode(file: bytes, publisher: PublisherKey) -> None:
    for changed in (file.replace(b"\r\n", b"\n"), file.replace(b"\n", b"\r\n")):
        assert "transfer in text mode" in str(error_of(changed, publisher))


def test_header_length_that_reaches_into_the_content(
    craft: Craft, file: bytes, publisher: PublisherKey
) -> None:
    raw = file[16 : len(file) - 64 - sum(map(len, craft.chunks))]
    for length in range(1, 2000, 7):
        if length != len(raw):
            damaged = preamble(raw, length=length) + file[16:]
            assert type(error_of(damaged, publisher)) is SealedFormatError
