"""Keys of sealed streams: their files, where they come from, the functions that seal by them."""

from __future__ import annotations

import ctypes
import os
import pickle
from typing import TYPE_CHECKING

import pytest

from polyvm.host.errors import KeyFileError
from polyvm.host.sealing import events_key

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
LINE = f"polyvm-events-secret-1 {SECRET} büro 2\n"


def private(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_a_key_survives_its_file(tmp_path: Path) -> None:
    key = events_key.generate("Ada's")
    path = events_key.keep(key, tmp_path / "keys")
    assert path.name == f"events-{key.text}.key"
    assert path.stat().st_mode & 0o777 == 0o600
    again = events_key.load(str(path))
    assert (again.text, again.comment, again.sealing()) == (key.text, "Ada's", key.sealing())
    assert events_key.kept(tmp_path / "keys") == [path]


def test_ids_never_change() -> None:
    """Files of events carry them."""
    key = events_key.parse(LINE.encode(), "x")
    assert key.text == "a65c46b6811a935a"
    assert key.encode() == LINE.encode()
    assert key.sealing().key == bytes(range(32))


def test_nothing_is_left_of_a_key() -> None:
    key = events_key.generate()
    secret = key.sealing().key
    assert secret.hex() not in repr(key)
    with pytest.raises(TypeError, match="neither copied nor pickled"):
        pickle.dumps(key)
    key.wipe()
    assert secret == bytes(32)
    with pytest.raises(ValueError, match="wiped"):
        key.sealing()


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("THE_KEY", LINE)
    assert events_key.load("env:THE_KEY").comment == "büro 2"
    assert "THE_KEY" not in os.environ
    with pytest.raises(KeyFileError, match="no such variable"):
        events_key.load("env:THE_KEY")
    path = private(tmp_path / "k", LINE)
    assert events_key.load(f"cmd:cat {path}").text == events_key.load(str(path)).text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not a key of events"),
        (LINE * 2, "not a key of events"),
        (LINE.replace("events", "host"), "not a key of events"),
        (LINE.replace("-1 ", "-2 "), "of version 2"),
        (LINE.replace(SECRET, SECRET[:-4]), "not the Base64 of 32 bytes"),
        (LINE.replace(SECRET, SECRET[:-2] + "9="), "not the Base64 of 32 bytes"),
        (LINE.replace("büro", "b\x07"), "comment"),
        (LINE.replace("büro", "b" * 300), "comment"),
        ("x" * 20_000, "larger than 16384 bytes"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, why: str) -> None:
    path = private(tmp_path / "k", text)
    with pytest.raises(KeyFileError, match=why) as caught:
        events_key.load(str(path))
    assert SECRET[:10] not in str(caught.value)


def test_a_file_open_to_others_is_refused(tmp_path: Path) -> None:
    path = private(tmp_path / "k", LINE)
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="open to others"):
        events_key.load(str(path))


def test_what_seals_is_libsodium() -> None:
    """The example of draft-irtf-cfrg-xchacha-03, A.3.1, by the address that the store gets."""
    sealing = events_key.generate().sealing()
    text = (
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
        b"future, sunscreen would be it."
    )
    bound = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
    key, nonce = bytes(range(0x80, 0xA0)), bytes(range(0x40, 0x58))
    sealed, length = ctypes.create_string_buffer(200), ctypes.c_ulonglong()
    size, data = ctypes.c_ulonglong, ctypes.c_char_p
    # called without the GIL, as the store does
    function = ctypes.CFUNCTYPE(
        ctypes.c_int, data, ctypes.POINTER(size), data, size, data, size, data, data, data
    )(sealing.xchacha_seal)
    sealed_text = ctypes.cast(sealed, data)
    args = (text, len(text), bound, len(bound), None, nonce, key)
    assert function(sealed_text, ctypes.byref(length), *args) == 0
    assert sealed.raw[length.value - 16 : length.value].hex() == "c0875924c1c7987947deafd8780acf49"
    assert (sealing.aes_seal == 0) == (sealing.aes_unseal == 0)
