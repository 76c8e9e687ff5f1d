"""The key of sealed streams: one secret, its text in a file, and the functions that seal with it.

A file is one line, ``polyvm-events-secret-1 BASE64 COMMENT``. What seals is libsodium, by the C
functions that PyNaCl is linked with: the store calls them without Python in between. Events are
sealed by AES-256-GCM where the processor has instructions for it, three times as fast as
XChaCha20-Poly1305, which seals them elsewhere and wraps keys everywhere.
"""

from __future__ import annotations

import binascii
import re
from pathlib import Path
from typing import Any, NoReturn

from nacl import _sodium, bindings

from polyvm.host.errors import KeyFileError, WriteError
from polyvm.host.sealing import EVENTS_KEY_VARIABLE, files, keys
from polyvm.vm import Sealing, protect_process, wipe

VARIABLE = EVENTS_KEY_VARIABLE
BYTES = 32

_LINE = re.compile(rb"polyvm-events-secret-(\d{1,9}) ([A-Za-z0-9+/=]{1,100})(?: ([^\n]*))?\n?")
_FILE = re.compile(r"events-[0-9a-f]{16}\.key")


class EventsKey:
    """A secret key, in memory until `wipe`, and in no repr, copy or pickle."""

    __slots__ = ("_secret", "comment")

    def __init__(self, secret: bytes, comment: str = "") -> None:
        self._secret = secret
        self.comment = comment

    def __repr__(self) -> str:
        return f"EventsKey({self.text})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("EventsKey is neither copied nor pickled")

    @property
    def text(self) -> str:
        """The key's id, as people see it and as files have it."""
        return keys.key_id("events", self._material()).hex()

    def wipe(self) -> None:
        """Overwrite the secret. Nobody may use the key any more."""
        wipe(self._secret)
        self._secret = b""

    def encode(self) -> bytearray:
        """Return the text of the key file, for the caller to wipe."""
        encoded = binascii.b2a_base64(self._material(), newline=False)
        tail = f" {self.comment}\n".encode() if self.comment else b"\n"
        text = bytearray(b"polyvm-events-secret-1 " + encoded + tail)
        wipe(encoded)
        return text

    def sealing(self) -> Sealing:
        """Return what a store needs, while this key is not wiped."""
        is_available = getattr(_sodium.lib, "crypto_aead_aes256gcm_is_available", None)
        has_aes = is_available is not None and is_available() == 1
        return Sealing(
            key=self._material(),
            key_id=bytes.fromhex(self.text),
            xchacha_seal=_address("xchacha20poly1305_ietf_encrypt"),
            xchacha_unseal=_address("xchacha20poly1305_ietf_decrypt"),
            aes_seal=_address("aes256gcm_encrypt") if has_aes else 0,
            aes_unseal=_address("aes256gcm_decrypt") if has_aes else 0,
        )

    def _material(self) -> bytes:
        if not self._secret:
            raise ValueError("this key was wiped")
        return self._secret


def _address(name: str) -> int:
    """Where a function is: one in C, of PyNaCl's module, that jumps to libsodium's."""
    ffi: Any = _sodium.ffi
    function = ffi.addressof(_sodium.lib, f"crypto_aead_{name}")
    return int(ffi.cast("uintptr_t", function))


def generate(comment: str = "") -> EventsKey:
    """Make a new key. ``comment`` must pass `keys.is_comment`."""
    return EventsKey(bindings.randombytes(BYTES), comment)


def keep(key: EventsKey, folder: Path) -> Path:
    """Write a key's file into a folder of keys. Raises WriteError, KeyFileError."""
    files.make_folder(folder)
    path = folder / f"events-{key.text}.key"
    text = key.encode()
    try:
        if not files.create(path, text, private=True):
            raise WriteError(f"{path}: there is such a file already")
    finally:
        wipe(text)
    return path


def kept(folder: Path) -> list[Path]:
    """Return the files of such keys in a folder of keys, the newest first. Raises KeyFileError."""
    return [path for path in reversed(files.listed(folder)) if _FILE.fullmatch(path.name)]


def load(spec: str) -> EventsKey:
    """Load a key from a PATH, ``env:NAME`` or ``cmd:COMMAND``, as `keys.load_secret` does.

    From now on the process leaves no core dumps. Raises KeyFileError.
    """
    protect_process()
    where, text = keys.secret_text(spec)
    try:
        return parse(text, where)
    finally:
        wipe(text)


def parse(text: bytes | bytearray, where: str) -> EventsKey:
    """Read the text of a key file, which stays the caller's. Raises KeyFileError."""
    match = _LINE.fullmatch(text) if len(text) <= files.MAX_BYTES else None
    if match is None:
        raise KeyFileError(
            f"{where}: not a key of events; that is one line, `polyvm-events-secret-1 BASE64 "
            "COMMENT`, as `polyvm keygen events` writes it"
        )
    if match[1] != b"1":
        raise KeyFileError(
            f"{where}: a key file of version {int(match[1])}, but this polyvm reads version 1; "
            "update polyvm"
        )
    start, end = match.span(2)
    secret = keys.decode_secret(memoryview(text)[start:end], BYTES, where)
    try:
        comment = (match[3] or b"").decode()
    except UnicodeDecodeError:
        comment = "\0"
    if not keys.is_comment(comment):
        wipe(secret)
        raise KeyFileError(
            f"{where}: the comment is not up to {keys.MAX_COMMENT} printable characters; shorten it"
        )
    return EventsKey(secret, comment)
