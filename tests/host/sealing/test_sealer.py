from __future__ import annotations

import re
import stat
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from polyvm.host import packer
from polyvm.host.errors import BundleError, ManifestError, MissingError, PackError, WriteError
from polyvm.host.manifest import Permissions
from polyvm.host.sealing import keys, sealer
from polyvm.host.sealing.keys import HostKey, KeyKind, PublisherKey
from polyvm.host.sealing.opener import open_sealed
from polyvm.vm import Memory, info

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from polyvm.host.bundle import Contents
    from tests.conftest import Seeded

PYTHON = info().bytecode_magic


@pytest.fixture
def seal(publisher: PublisherKey, host: HostKey) -> Callable[..., Path]:
    def sealed(source: Path, output: Path | None, **options: Any) -> Path:
        options = {"recipients": [host.public_key], "magic": PYTHON, **options}
        return sealer.seal(source, output, publisher=publisher, **options)

    return sealed


@pytest.fixture
def unseal(publisher: PublisherKey, host: HostKey) -> Callable[..., Contents]:
    def unsealed(path: Path, key: HostKey = host) -> Contents:
        with open_sealed(path) as sealed:
            sealed.verify(publisher.public_key)
            return sealed.unseal([key], PYTHON)

    return unsealed


def test_a_folder_and_back(
    make_task: Callable[..., Path],
    seal: Callable[..., Path],
    unseal: Callable[..., Contents],
    tmp_path: Path,
    rand: Seeded,
) -> None:
    folder = make_task("a", version="1.2.3")
    with (folder / "task.toml").open("a") as file:
        file.write('[permissions]\nread = ["/srv/models"]\n')
    (folder / "pkg").mkdir()
    (folder / "pkg" / "__init__.py").write_text("X = 1\n")
    (folder / "test_a.py").write_text("")
    assets = {"s.json": b"{}", "pkg/l.bin": rand.randbytes(2_000_000), "z.txt": b"z" * 500_000}
    for name, data in assets.items():
        (folder / name).write_bytes(data)
    path = seal(folder, tmp_path, sequence=5, expires=2_000_000_000, now=lambda: 1_900_000_000.7)
    assert path == tmp_path / "a-1.2.3.bundle"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    with open_sealed(path) as sealed:
        header = sealed.header
    assert (header.name, header.version, header.python) == ("a", "1.2.3", PYTHON)
    assert (header.sequence, header.created, header.expires) == (5, 1_900_000_000, 2_000_000_000)
    assert header.permissions == Permissions(read=("/srv/models",))
    contents = unseal(path)
    assert sorted(contents.modules) == ["main", "pkg"]
    assert {
        name: bytes(data.buffer) if isinstance(data, Memory) else data
        for name, data in contents.assets.items()
    } == assets
    assert path.stat().st_size < 2_000_000 + 5000  # what can be compressed is


def test_a_plain_bundle_and_the_folder_seal_the_same(
    make_task: Callable[..., Path],
    seal: Callable[..., Path],
    unseal: Callable[..., Contents],
    tmp_path: Path,
) -> None:
    folder = make_task("a")
    (folder / "data.json").write_text("[1, 2]")
    plain = packer.pack(folder, tmp_path)
    one = unseal(seal(plain, tmp_path / "one"))
    two = unseal(seal(folder, tmp_path / "two"))
    assert (one.manifest, one.modules, one.assets) == (two.manifest, two.modules, two.assets)


def test_sequences_grow_with_the_clock(
    make_task: Callable[..., Path], seal: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_task("a")
    found = []
    for moment in (1_900_000_000.25, 1_900_000_000.75):
        with open_sealed(seal(folder, tmp_path, now=lambda moment=moment: moment)) as sealed:
            found.append(sealed.header.sequence)
    assert found == [1_900_000_000_250, 1_900_000_000_750]


def test_nothing_of_the_task_is_in_the_clear(
    make_task: Callable[..., Path], seal: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_task(
        "a", 'SECRET = "rosebud"\n\ndef run(payload):\n    """Kane."""\n    return SECRET\n'
    )
    (folder / "weights.json").write_text('{"sled": 1}')
    whole = seal(folder, tmp_path).read_bytes()
    for word in (b"rosebud", b"Kane", b"SECRET", b"weights", b"sled", b"main", b"run", b"toml"):
        assert word not in whole
    # Two seals of one task have nothing in common but the header's plain fields.
    again = seal(folder, tmp_path).read_bytes()
    assert whole[-500:-64] != again[-500:-64]


def test_strip(
    make_task: Callable[..., Path],
    seal: Callable[..., Path],
    unseal: Callable[..., Contents],
    tmp_path: Path,
) -> None:
    folder = make_task("a", 'def run(payload):\n    """Kane."""\n    return payload\n')
    for strip in (False, True):
        path = seal(folder, tmp_path, strip=strip)
        assert (b"Kane" in unseal(path).modules["main"].code) is not strip
    with pytest.raises(PackError, match="is compiled already; to strip it, seal the task's folder"):
        seal(packer.pack(folder, tmp_path), None, strip=True)


def test_many_recipients(
    make_task: Callable[..., Path],
    seal: Callable[..., Path],
    unseal: Callable[..., Contents],
    publisher: PublisherKey,
    tmp_path: Path,
) -> None:
    folder = make_task("a")
    hosts = [keys.generate(KeyKind.HOST) for _ in range(257)]
    public = [key.public_key for key in hosts]
    path = seal(folder, tmp_path, recipients=[*public[:256], public[0]])
    for key in (hosts[0], hosts[255]):
        assert unseal(path, key).manifest.name == "a"
    with open_sealed(path) as sealed:
        assert sealed.header.publisher == publisher.id
        assert [key_id for key_id, _ in sealed.header.recipients] == [k.id for k in public[:256]]
    for recipients in ([], public, [publisher.public_key]):
        with pytest.raises(PackError, match="name 1 to 256 host keys"):
            seal(folder, tmp_path, recipients=recipients)


@pytest.mark.parametrize(
    "options",
    [{"sequence": 0}, {"sequence": -5}, {"sequence": 2**63}, {"expires": -1}, {"expires": 2**60}],
    ids=str,
)
def test_numbers_out_of_range(
    make_task: Callable[..., Path], seal: Callable[..., Path], options: dict[str, int]
) -> None:
    with pytest.raises(PackError, match=r"(sequence|expires) -?\d+ is not between"):
        seal(make_task("a"), None, **options)


def test_what_cannot_be_sealed(
    make_task: Callable[..., Path], seal: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_task("a")
    sealed = seal(folder, tmp_path)
    (tmp_path / "no.bundle").write_bytes(b"PK")
    (tmp_path / "empty").mkdir()
    for source, error, sentence in (
        (sealed, PackError, "is sealed already"),
        (tmp_path / "no.bundle", BundleError, "not a sound zip file"),
        (tmp_path / "none.bundle", BundleError, "cannot be read: No such file"),
        (tmp_path / "empty", ManifestError, "holds no task.toml"),
        (make_task("b", "def run(: pass"), PackError, r"main\.py:1"),
    ):
        with pytest.raises(error, match=sentence):
            seal(source, tmp_path / "out")
    with pytest.raises(BundleError, match="compiled for another Python"):
        seal(folder, tmp_path / "out", magic=b"\x01\x02\r\n")
    assert not (tmp_path / "out").exists()
    with pytest.raises(MissingError, match="no such folder"):
        packer.members(tmp_path / "none")


def test_output_that_cannot_be_written(
    make_task: Callable[..., Path], seal: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(WriteError, match=r"cannot write .*none/a\.bundle: No such file"):
        seal(make_task("a"), tmp_path / "none" / "a.bundle")


FULL = """
import resource, signal, sys
from pathlib import Path
from polyvm.host.errors import WriteError
from polyvm.host.sealing import keys, sealer
from polyvm.vm import info

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
try:
    sealer.seal(Path(sys.argv[1]), Path(sys.argv[2]),
                publisher=keys.generate(keys.KeyKind.PUBLISHER),
                recipients=[keys.generate(keys.KeyKind.HOST).public_key],
                magic=info().bytecode_magic)
except WriteError as error:
    print(error)
"""


def test_a_full_disk_leaves_what_was_there(
    make_task: Callable[..., Path], seal: Callable[..., Path], tmp_path: Path, rand: Seeded
) -> None:
    folder = make_task("a")
    (folder / "asset").write_bytes(rand.randbytes(1_000_000))
    target = tmp_path / "out"
    target.mkdir()
    before = seal(folder, target).read_bytes()
    for limit in (100, 700_000, len(before) - 1):
        command = [sys.executable, "-c", FULL, folder, target, str(limit)]
        child = subprocess.run(command, capture_output=True, text=True)
        assert re.fullmatch(r"cannot write .*a-1\.0\.0\.bundle: File too large\n", child.stdout)
        assert [path.read_bytes() for path in target.iterdir()] == [before]


def test_an_asset_that_is_cut_short_while_sealing(
    make_task: Callable[..., Path],
    seal: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = make_task("a")
    asset = folder / "asset"
    asset.write_bytes(bytes(3_000_000))
    pack_head = sealer.pack_head

    def cut_short(header: Any) -> bytes:
        asset.write_bytes(bytes(1_000_000))
        return pack_head(header)

    monkeypatch.setattr(sealer, "pack_head", cut_short)
    with pytest.raises(PackError, match="'asset' changed while it was sealed; seal it again"):
        seal(folder, tmp_path / "out")
    assert not list(tmp_path.glob("*out*"))


def test_small_and_incompressible_members(
    make_task: Callable[..., Path],
    seal: Callable[..., Path],
    unseal: Callable[..., Contents],
    tmp_path: Path,
    rand: Seeded,
) -> None:
    folder = make_task("a")
    sizes = [0, 1, 2, 65535, 65536, 65537, 2**20, 2**20 + 1]
    for size in sizes:
        (folder / f"noise{size}").write_bytes(rand.randbytes(size))
        (folder / f"packed{size}").write_bytes(zlib.compress(rand.randbytes(size)))
    contents = unseal(seal(folder, tmp_path))
    for name, data in contents.assets.items():
        expected = (folder / name).read_bytes()
        assert (bytes(data.buffer) if isinstance(data, Memory) else data) == expected
        assert isinstance(data, Memory) is (len(expected) >= 65536)
