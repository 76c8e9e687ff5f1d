from __future__ import annotations

import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyvm.host import bundle
from polyvm.host.errors import BundleError, ManifestError

MAGIC = b"\x01\x02\r\n"
PYC = MAGIC + b"\x01\0\0\0" + bytes(8) + b"code"
TOML = b'name = "a"\nversion = "1.0"\nentry = "main:run"\n'
GOOD = {"task.toml": TOML, "main.pyc": PYC}
HERE = Path("x.bundle")


def zipped(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def test_good() -> None:
    read = bundle.from_zip(
        zipped({**GOOD, "pkg/__init__.pyc": PYC, "pkg/m.pyc": PYC, "data/x.bin": b"x"}), HERE, MAGIC
    )
    assert read.manifest.name == "a"
    assert {name: module.package for name, module in read.modules.items()} == {
        "main": False,
        "pkg": True,
        "pkg.m": False,
    }
    assert read.modules["main"].code == b"code"
    assert read.assets == {"data/x.bin": b"x"}


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"main.pyc": PYC}, r"x\.bundle: holds no task\.toml"),
        ({"task.toml": b"x"}, r"x\.bundle/task\.toml: not TOML"),
        (
            {"task.toml": TOML},
            "names module 'main', which is not in the bundle; it holds no module",
        ),
        ({**GOOD, "lib.py": b""}, r"'lib\.py' is source; bundles hold bytecode only"),
        ({**GOOD, "main.pyc": b"\x09" + PYC[1:]}, r"compiled for another Python \(magic 09020d0a"),
        ({**GOOD, "main.pyc": b""}, r"'main\.pyc' is not a \.pyc file"),
        ({**GOOD, "main.pyc": PYC[:16]}, r"'main\.pyc' is not a \.pyc file"),
        ({**GOOD, "../x": b""}, r"path '\.\./x' is not allowed"),
        ({**GOOD, "/etc/x": b""}, "path '/etc/x' is not allowed"),
        ({**GOOD, "a/./b": b""}, "is not allowed"),
        ({**GOOD, "a//b": b""}, "is not allowed"),
        ({**GOOD, "a\\..\\b": b""}, "is not allowed"),
        ({**GOOD, "c:x": b""}, "is not allowed"),
        ({**GOOD, "a\nb": b""}, "is not allowed"),
        ({**GOOD, "x" * 600: b""}, "is not allowed"),
        ({**GOOD, "json.pyc": PYC}, "module 'json' has the name of a standard library module"),
        ({**GOOD, "a-b.pyc": PYC}, "is no importable module"),
        ({**GOOD, "d/m.pyc": PYC}, r"in a folder without __init__\.py"),
        ({**GOOD, "main/__init__.pyc": PYC}, "module 'main' is there twice"),
    ],
)
def test_refusals(files: dict[str, bytes], sentence: str) -> None:
    with pytest.raises((BundleError, ManifestError), match=sentence) as caught:
        bundle.from_zip(zipped(files), HERE, MAGIC)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicate_names() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in ("task.toml", "main.pyc", "main.pyc"):
            archive.writestr(name, GOOD[name])
    with pytest.raises(BundleError, match=r"holds 'main\.pyc' twice"):
        bundle.from_zip(content.getvalue(), HERE, MAGIC)


def test_links() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        entry = zipfile.ZipInfo("link")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(BundleError, match="'link' is a link or a device"):
        bundle.from_zip(content.getvalue(), HERE, MAGIC)


def test_zip_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MAX_FILE_BYTES", 1000)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(100_000))
    with pytest.raises(BundleError, match="'zeros' is larger than 1000 bytes unpacked"):
        bundle.from_zip(content.getvalue(), HERE, MAGIC)


def test_total_size_and_count(monkeypatch: pytest.MonkeyPatch) -> None:
    content = zipped({**GOOD, **{f"f{i}": bytes(500) for i in range(10)}})
    with monkeypatch.context() as patch:
        patch.setattr(bundle, "MAX_TOTAL_BYTES", 3000)
        with pytest.raises(BundleError, match="larger than 3000 bytes unpacked"):
            bundle.from_zip(content, HERE, MAGIC)
    monkeypatch.setattr(bundle, "MAX_FILES", 5)
    with pytest.raises(BundleError, match="holds 12 files; at most 5"):
        bundle.from_zip(content, HERE, MAGIC)


def test_a_hundred_thousand_files() -> None:
    content = zipped({**GOOD, **{f"f{i}": b"" for i in range(100_000)}})
    with pytest.raises(BundleError, match="holds 100002 files; at most 4096"):
        bundle.from_zip(content, HERE, MAGIC)


def test_encrypted_flag() -> None:
    content = bytearray(zipped(GOOD))
    central = content.index(b"PK\x01\x02")
    struct.pack_into("<H", content, 6, 1)
    struct.pack_into("<H", content, central + 8, 1)
    with pytest.raises(BundleError, match="is encrypted"):
        bundle.from_zip(bytes(content), HERE, MAGIC)


def test_damaged_content_is_noticed() -> None:
    content = bytearray(zipped(GOOD))
    content[content.index(b"code")] ^= 1
    with pytest.raises(BundleError, match=r"not a sound zip file .*copy it again"):
        bundle.from_zip(bytes(content), HERE, MAGIC)


@given(st.data())
def test_any_damage_gives_a_bundle_or_a_sentence(data: st.DataObject) -> None:
    content = bytearray(zipped({**GOOD, "data/asset": b"x" * 40}))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(content)))
    for damaged in (content, content[:end]):
        try:
            bundle.from_zip(bytes(damaged), HERE, MAGIC)
        except (BundleError, ManifestError) as error:
            assert str(error).startswith("x.bundle")


def test_folder_of_bytecode(tmp_path: Path) -> None:
    for name, data in {**GOOD, "pkg/__init__.pyc": PYC, "x.json": b"{}"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "main.cpython-313.pyc").write_bytes(b"other")
    read = bundle.read(tmp_path, MAGIC)
    assert sorted(read.modules) == ["main", "pkg"]
    assert read.assets == {"x.json": b"{}"}


def test_missing_and_unreadable(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot be read: No such file"):
        bundle.read(tmp_path / "none.bundle", MAGIC)
