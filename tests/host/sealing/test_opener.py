from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from polyvm.host.bundle import Contents
from polyvm.host.errors import (
    BundleError,
    DecryptError,
    ManifestError,
    NotRecipientError,
    PolyvmError,
    SealedFormatError,
    SignatureError,
)
from polyvm.host.sealing import keys, opener
from polyvm.host.sealing.keys import HostKey, KeyKind, PublicKey, PublisherKey
from polyvm.host.sealing.opener import open_sealed
from polyvm.vm import Memory
from tests.host.sealing.builder import (
    CHUNK,
    FINAL,
    GOOD,
    HERE,
    MESSAGE,
    NO_PERMISSIONS,
    PYC,
    PYTHON,
    TOML,
    Craft,
    plaintext,
    sign,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Seeded


def unseal(file: bytes | Path, publisher: PublisherKey, *hosts: HostKey) -> Contents:
    with open_sealed(file, HERE) as sealed:
        sealed.verify(publisher.public_key)
        return sealed.unseal(hosts, PYTHON)


def refusal(kind: type[PolyvmError], file: bytes, publisher: PublisherKey, host: HostKey) -> str:
    with pytest.raises(kind, match=r"^x\.bundle") as caught:
        unseal(file, publisher, host)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_header_verify_unseal(publisher: PublisherKey, host: HostKey, rand: Seeded) -> None:
    assets = {"small": b"s", "empty": b"", "large": rand.randbytes(3 * CHUNK)}
    file = Craft(publisher, [host], plaintext({**GOOD, **assets})).file()
    with open_sealed(file, HERE) as sealed:
        assert (sealed.header.name, sealed.header.sequence, sealed.size) == ("a", 7, len(file))
        sealed.verify(publisher.public_key)
        contents = sealed.unseal([host], PYTHON)
    assert contents.manifest.name == "a"
    assert contents.modules["main"].code == PYC[16:]
    large = contents.assets["large"]
    assert isinstance(large, Memory)
    assert bytes(large.buffer) == assets["large"]
    assert {**contents.assets, "large": assets["large"]} == assets
    assert contents.bundle().program.size == len(PYC) - 16 + 3 * CHUNK + 1


def test_nothing_is_unsealed_before_it_is_verified(publisher: PublisherKey, host: HostKey) -> None:
    with open_sealed(Craft(publisher, [host]).file(), HERE) as sealed:
        with pytest.raises(RuntimeError, match="must have returned first"):
            sealed.unseal([host], PYTHON)
        with pytest.raises(RuntimeError, match="must have returned first"):
            _ = sealed.digest
        with pytest.raises(SignatureError):
            sealed.verify(keys.generate(KeyKind.PUBLISHER).public_key)
        with pytest.raises(RuntimeError, match="must have returned first"):
            sealed.unseal([host], PYTHON)


def test_digest_is_of_the_signature(
    publisher: PublisherKey, host: HostKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.bundle"
    file.write_bytes(Craft(publisher, [host]).file())
    digests = set()
    for limit in (0, 2**20):
        monkeypatch.setattr(opener, "WHOLE_BYTES", limit)
        with open_sealed(file) as sealed:
            sealed.verify(publisher.public_key)
            digests.add(sealed.digest.hex())
    signature = file.read_bytes()[-64:]
    assert digests == {hashlib.blake2b(signature, digest_size=32).hexdigest()}


def test_other_publishers(publisher: PublisherKey, host: HostKey) -> None:
    other = keys.generate(KeyKind.PUBLISHER)
    craft = Craft(publisher, [host])
    with open_sealed(craft.file(), HERE) as sealed, pytest.raises(SignatureError) as caught:
        sealed.verify(other.public_key)
    assert f"by publisher {publisher.public_key.text}, and the key at hand is" in str(caught.value)
    # Signed by another key under the publisher's id; and an id that a key happens to share.
    resigned = sign(craft.file()[:-64], other)
    assert "changed after it was sealed" in refusal(SignatureError, resigned, publisher, host)


def test_content_cannot_be_taken_over(publisher: PublisherKey, host: HostKey) -> None:
    thief = keys.generate(KeyKind.PUBLISHER)
    victim = Craft(publisher, [host])
    theft = Craft(thief, [host], bound_to=publisher.public_key)
    theft.chunks = victim.chunks
    theft.fields = {**victim.fields, "publisher": thief.id}
    assert "chunk 0 of 1" in refusal(DecryptError, theft.file(), thief, host)


def test_recipients(publisher: PublisherKey, host: HostKey) -> None:
    others = [keys.generate(KeyKind.HOST) for _ in range(6)]
    file = Craft(publisher, [*others[:5], host]).file()
    for key in (host, others[0], others[4]):
        assert unseal(file, publisher, others[5], key).manifest.name == "a"
    for mine in ([], [others[5]]):
        with pytest.raises(NotRecipientError, match="ask its publisher to seal it for this") as no:
            unseal(file, publisher, *mine)
        assert others[0].id.hex() in str(no.value)
    assert "and this host has no key" in refusal_without_keys(file, publisher)


def refusal_without_keys(file: bytes, publisher: PublisherKey) -> str:
    with pytest.raises(NotRecipientError) as caught:
        unseal(file, publisher)
    return str(caught.value)


def test_data_key_for_somebody_else(publisher: PublisherKey, host: HostKey) -> None:
    craft = Craft(publisher, [keys.generate(KeyKind.HOST)])
    craft.fields["recipients"] = [[host.id, craft.fields["recipients"][0][1]]]
    assert f"host key {host.id.hex()}" in refusal(DecryptError, craft.file(), publisher, host)
    swapped = Craft(publisher, [host])
    swapped.fields["recipients"] = Craft(publisher, [host]).fields["recipients"]
    assert "chunk 0 of 1" in refusal(DecryptError, swapped.file(), publisher, host)


@pytest.fixture(scope="module")
def long(publisher: PublisherKey, host: HostKey) -> Callable[..., Craft]:
    content = plaintext({**GOOD, "asset": bytes(3 * CHUNK)})
    return lambda **options: Craft(publisher, [host], content, **options)


@pytest.mark.parametrize(
    "order", [[1, 0, 2, 3], [0, 2, 1, 3], [0, 1, 1, 3], [0, 1, 3, 2], [3, 1, 2, 0], [0, 0, 0, 0]]
)
def test_chunks_out_of_place(
    publisher: PublisherKey, host: HostKey, long: Callable[..., Craft], order: list[int]
) -> None:
    craft = long()
    assert len(craft.chunks) == 4
    craft.chunks = [craft.chunks[index] for index in order]
    size = sum(map(len, craft.chunks))
    craft.fields["content"] = size - 4 * 17
    refusal(
        DecryptError if size == sum(map(len, long().chunks)) else PolyvmError,
        craft.file(),
        publisher,
        host,
    )


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_chunks_left_out(
    publisher: PublisherKey, host: HostKey, long: Callable[..., Craft], kept: int
) -> None:
    for chunks in (long().chunks[:kept], long().chunks[-kept:]):
        craft = long()
        craft.chunks = chunks
        assert "cut short" in refusal(SealedFormatError, craft.file(), publisher, host)
        craft.fields["content"] = sum(map(len, chunks)) - kept * 17
        refusal(DecryptError, craft.file(), publisher, host)


@pytest.mark.parametrize(
    "tags",
    [
        [MESSAGE] * 4,
        [FINAL] * 4,
        [MESSAGE, FINAL, MESSAGE, FINAL],
        [MESSAGE, 1, MESSAGE, FINAL],
        [MESSAGE, 2, MESSAGE, FINAL],
    ],
    ids=str,
)
def test_tags_that_are_not_as_they_must_be(
    publisher: PublisherKey, host: HostKey, long: Callable[..., Craft], tags: list[int]
) -> None:
    assert "does not decrypt, or is out of its place" in refusal(
        DecryptError, long(tags=tags).file(), publisher, host
    )


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ({"name": "b"}, "name in the header is not that of the task inside"),
        ({"version": "1.0.0"}, "version in the header is not"),
        ({"permissions": {**NO_PERMISSIONS, "read": ["/"]}}, "permissions in the header is not"),
        ({"isolation": "process"}, "isolation in the header is not"),
    ],
)
def test_header_that_is_at_odds_with_the_manifest(
    publisher: PublisherKey, host: HostKey, header: dict[str, Any], sentence: str
) -> None:
    file = Craft(publisher, [host], header=header).file()
    assert sentence in refusal(SealedFormatError, file, publisher, host)


def test_another_python(publisher: PublisherKey, host: HostKey) -> None:
    file = Craft(publisher, [host], header={"python": b"\x01\x02\r\n"}).file()
    assert "compiled for another Python (magic 01020d0a" in refusal(
        BundleError, file, publisher, host
    )
    inside = plaintext({**GOOD, "main.pyc": b"\x01\x02" + PYC[2:]})
    file = Craft(publisher, [host], inside).file()
    assert "'main.pyc' is compiled for another Python" in refusal(
        BundleError, file, publisher, host
    )


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (plaintext({"task.toml": TOML}), BundleError),
        (plaintext({"task.toml": b"\xff", "main.pyc": PYC}), ManifestError),
        (plaintext({**GOOD, "../x": b""}), BundleError),
        (plaintext({**GOOD, "lib.py": b"x"}), BundleError),
        (plaintext({**GOOD, "json.pyc": PYC}), BundleError),
        (table([[f"{i}", 0, 0, 0] for i in range(100_000)]), SealedFormatError),
        (table([["task.toml", 9, 9, 0]]), SealedFormatError),
        (b"\xff\xff\xff\x7f", SealedFormatError),
        (plaintext(GOOD) + b"\0", SealedFormatError),
    ],
)
def test_signed_nonsense(
    publisher: PublisherKey, host: HostKey, content: bytes, kind: type[PolyvmError]
) -> None:
    refusal(kind, Craft(publisher, [host], content).file(), publisher, host)


def test_one_byte_in_the_last_chunk(publisher: PublisherKey, host: HostKey) -> None:
    """CPython shares bytes objects of length 1: to wipe one would change it everywhere."""
    around = len(plaintext({**GOOD, "asset": bytes(CHUNK - 1000)})) - CHUNK + 1000
    asset = b"\x07" * (CHUNK + 1 - around)
    content = plaintext({**GOOD, "asset": asset})
    assert len(content) == CHUNK + 1
    contents = unseal(Craft(publisher, [host], content).file(), publisher, host)
    assert len(contents.assets["asset"]) == len(asset)
    assert [bytes([value])[0] for value in range(256)] == list(range(256))


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class TestLargeFiles:
    """Files that are read a second time to be decrypted, here by setting the limit to nothing."""

    @pytest.fixture
    def file(
        self,
        publisher: PublisherKey,
        host: HostKey,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> Path:
        monkeypatch.setattr(opener, "WHOLE_BYTES", 0)
        path = tmp_path / "a.bundle"
        content = plaintext({**GOOD, "asset": bytes(range(256)) * 4 * 1024})
        path.write_bytes(Craft(publisher, [host], content).file())
        return path

    def test_sound(self, file: Path, publisher: PublisherKey, host: HostKey) -> None:
        with open_sealed(file) as sealed:
            sealed.verify(publisher.public_key)
            for _ in range(2):
                asset = sealed.unseal([host], PYTHON).assets["asset"]
                assert isinstance(asset, Memory)
                assert bytes(asset.buffer) == bytes(range(256)) * 4 * 1024

    def test_written_to_in_between(
        self, file: Path, publisher: PublisherKey, host: HostKey, rand: Seeded
    ) -> None:
        content = plaintext({**GOOD, "asset": b"other" * (2**20 // 5) + b"!"})
        other = Craft(publisher, [host], content).file()
        whole = file.read_bytes()
        assert len(other) == len(whole)
        at = rand.randrange(600, len(whole) - 64)
        flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        for changed in (other, flipped):
            file.write_bytes(whole)
            with open_sealed(file) as sealed:
                sealed.verify(publisher.public_key)
                with file.open("r+b") as writer:
                    writer.write(changed)
                with pytest.raises(SignatureError, match="changed between verifying and decryptin"):
                    sealed.unseal([host], PYTHON)

    def test_cut_short_in_between(self, file: Path, publisher: PublisherKey, host: HostKey) -> None:
        with open_sealed(file) as sealed:
            sealed.verify(publisher.public_key)
            os.truncate(file, 400_000)
            with pytest.raises(SealedFormatError, match="became shorter while it was read"):
                sealed.unseal([host], PYTHON)

    def test_no_descriptor_stays_open(self, file: Path, tmp_path: Path) -> None:
        before = descriptors()
        with open_sealed(file):
            pass
        file.write_bytes(file.read_bytes()[:-1])
        for path in (file, tmp_path, tmp_path / "none"):
            with pytest.raises(BundleError):
                open_sealed(path)
        assert descriptors() == before


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, sentence in {
        tmp_path: "not a plain file",
        tmp_path / "pipe": "not a plain file",
        tmp_path / "none": "cannot be read: No such file",
    }.items():
        with pytest.raises(BundleError, match=sentence):
            open_sealed(path)


WORKING_MEMORY = """
import re, sys
from pathlib import Path
from polyvm.host.sealing import keys, sealer
from polyvm.host.sealing.opener import open_sealed
from polyvm.vm import info

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024

def seal(size):
    with (folder / "asset").open("wb") as file:
        file.truncate(size)
    return sealer.seal(folder, folder.parent, publisher=publisher,
                       recipients=[host.public_key], magic=info().bytecode_magic)

def load(path):
    with open_sealed(path) as sealed:
        sealed.verify(publisher.public_key)
        bundle = sealed.unseal([host], info().bytecode_magic).bundle()
    return bundle.program.size

folder, size = Path(sys.argv[1]), int(sys.argv[2])
publisher = keys.generate(keys.KeyKind.PUBLISHER)
host = keys.generate(keys.KeyKind.HOST)
load(seal(1000))
start = peak()
path = seal(size)
sealed = peak()
assert load(path) > size
print(sealed - start, peak() - sealed)
"""


def test_working_memory_beside_a_large_asset(make_task: Callable[..., Path]) -> None:
    size = 96 * 2**20
    child = subprocess.run(
        [sys.executable, "-c", WORKING_MEMORY, make_task("a"), str(size)],
        capture_output=True,
        text=True,
    )
    assert child.returncode == 0, child.stderr
    to_seal, to_load = map(int, child.stdout.split())
    assert to_seal < 16 * 2**20
    assert to_load - size < 16 * 2**20


def test_public_key_of_another_kind(publisher: PublisherKey, host: HostKey) -> None:
    disguised = PublicKey(KeyKind.HOST, publisher.public_key.public)
    with (
        open_sealed(Craft(publisher, [host]).file(), HERE) as sealed,
        pytest.raises(SignatureError),
    ):
        sealed.verify(disguised)
