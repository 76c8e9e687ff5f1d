"""Key pairs: their ids, their text in key files, and where a secret key may come from.

A key file is one line, ``polyvm-KIND-HALF-1 BASE64 COMMENT``. The public file of a publisher may
go on with lines ``endorsed-by KEYID BASE64``: signatures by which older keys vouch for this one.

Errors never quote what was read: it may be a secret, whatever it should have been.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn, overload

from nacl import bindings
from nacl.exceptions import BadSignatureError, CryptoError

from polyvm.host.errors import KeyFileError
from polyvm.host.sealing import files, key_command
from polyvm.vm import wipe

KEY_ID_BYTES = 8
MAX_COMMENT = 200
_KEY_BYTES = 32
_ENDORSEMENT = b"polyvm endorsement 1\0"

_HEAD = re.compile(rb"polyvm-(publisher|host)-(public|secret)-(\d{1,9})")
_ENDORSED = re.compile(rb"endorsed-by ([0-9a-f]{16}) ([A-Za-z0-9+/]{86}==)")


class KeyKind(enum.StrEnum):
    """What a key pair is for: publishers sign bundles, hosts decrypt them."""

    PUBLISHER = "publisher"
    HOST = "host"


def key_id(kind: str, public: bytes) -> bytes:
    """Return the id by which files and people name a key, made of its public half if it has one."""
    material = kind.encode() + b"\0" + public
    return hashlib.blake2b(material, digest_size=32, person=b"polyvm key id").digest()[
        :KEY_ID_BYTES
    ]


def is_comment(text: str) -> bool:
    """Whether ``text`` fits into a line of a key file."""
    return len(text) <= MAX_COMMENT and text.isprintable()


@dataclass(frozen=True, slots=True)
class Endorsement:
    """A statement of the publisher key with id ``by`` that a newer key is the same publisher's."""

    by: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The half that is handed out: Ed25519 of a publisher, X25519 of a host."""

    kind: KeyKind
    public: bytes
    comment: str = ""
    endorsements: tuple[Endorsement, ...] = ()

    @property
    def id(self) -> bytes:
        """The key's id."""
        return key_id(self.kind, self.public)

    @property
    def text(self) -> str:
        """The key's id as people see it."""
        return self.id.hex()

    def encode(self) -> bytes:
        """Return the text of the public key file."""
        lines = [_line(self.kind, "public", self.public, self.comment)]
        for item in self.endorsements:
            signature = base64.b64encode(item.signature).decode()
            lines.append(f"endorsed-by {item.by.hex()} {signature}\n".encode())
        return b"".join(lines)

    def is_endorsed_by(self, other: PublicKey) -> bool:
        """Whether ``other`` signed one of the endorsements."""
        for item in self.endorsements:
            if item.by == other.id:
                try:
                    signed = item.signature + _ENDORSEMENT + self.public
                    bindings.crypto_sign_open(signed, other.public)
                except BadSignatureError:
                    continue
                return True
        return False


class _SecretKey:
    """A key pair. The secret half is in memory until `wipe`, and in no repr, copy or pickle."""

    __slots__ = ("_secret", "public_key")

    def __init__(self, secret: bytes, public_key: PublicKey) -> None:
        self._secret = secret
        self.public_key = public_key

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.public_key.text})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is neither copied nor pickled")

    @property
    def id(self) -> bytes:
        """The key's id."""
        return self.public_key.id

    def wipe(self) -> None:
        """Overwrite the secret half. Nobody may use it, or bytes obtained from here, any more."""
        wipe(self._secret)
        self._secret = b""

    def encode_secret(self) -> bytearray:
        """Return the text of the secret key file, for the caller to wipe."""
        seed = memoryview(self._material())[:_KEY_BYTES]
        line = _line(self.public_key.kind, "secret", seed, self.public_key.comment)
        text = bytearray(line)
        wipe(line)
        return text

    def _material(self) -> bytes:
        if not self._secret:  # libsodium would read past the end of what is left
            raise ValueError(f"{self!r} was wiped")
        return self._secret


class PublisherKey(_SecretKey):
    """Signs bundles: Ed25519."""

    __slots__ = ()

    @property
    def signing_key_bytes(self) -> bytes:
        """The secret key in libsodium's form: the seed and the public key, 64 bytes."""
        return self._material()

    def endorse(self, newer: PublicKey) -> Endorsement:
        """Vouch for the key that will follow this one."""
        signed = bindings.crypto_sign(_ENDORSEMENT + newer.public, self._material())
        return Endorsement(self.id, signed[: bindings.crypto_sign_BYTES])


class HostKey(_SecretKey):
    """Decrypts bundles: X25519."""

    __slots__ = ()

    @property
    def secret_bytes(self) -> bytes:
        """The secret key, 32 bytes."""
        return self._material()

    @property
    def public_bytes(self) -> bytes:
        """The public key, 32 bytes."""
        return self.public_key.public


@overload
def generate(kind: Literal[KeyKind.PUBLISHER], comment: str = "") -> PublisherKey: ...
@overload
def generate(kind: Literal[KeyKind.HOST], comment: str = "") -> HostKey: ...
@overload
def generate(kind: KeyKind, comment: str = "") -> PublisherKey | HostKey: ...
def generate(kind: KeyKind, comment: str = "") -> PublisherKey | HostKey:
    """Make a new key pair. ``comment`` must pass `is_comment`."""
    if not is_comment(comment):
        raise ValueError("not the comment of a key")
    seed = bindings.randombytes(_KEY_BYTES)
    return _pair(kind, seed, comment)


def _pair(kind: KeyKind, seed: bytes, comment: str) -> PublisherKey | HostKey:
    """Take over ``seed``: it becomes the key's, or is wiped."""
    if kind is KeyKind.HOST:
        public = bindings.crypto_scalarmult_base(seed)
        return HostKey(seed, PublicKey(kind, public, comment))
    public, secret = bindings.crypto_sign_seed_keypair(seed)
    wipe(seed)
    return PublisherKey(secret, PublicKey(kind, public, comment))


def _line(kind: KeyKind, half: str, key: bytes | memoryview, comment: str) -> bytes:
    encoded = binascii.b2a_base64(key, newline=False)
    tail = f" {comment}\n".encode() if comment else b"\n"
    line = b"polyvm-%s-%s-1 %s%s" % (kind.encode(), half.encode(), encoded, tail)
    wipe(encoded)
    return line


def parse_public(text: bytes | bytearray, where: str) -> PublicKey:
    """Read the text of a public key file; ``where`` names it in errors. Raises KeyFileError."""
    kind, public, comment, rest = _parse(text, "public", where)
    try:
        if kind is KeyKind.PUBLISHER:
            bindings.crypto_sign_ed25519_pk_to_curve25519(public)
        else:
            bindings.crypto_scalarmult(bytes(_KEY_BYTES), public)
    except CryptoError:
        # A point of small order: any signature would fit, or any secret would decrypt.
        raise KeyFileError(
            f"{where}: no key pair can have this public key; get the file anew from its owner"
        ) from None
    if rest and kind is KeyKind.HOST:
        raise KeyFileError(f"{where}: goes on after line 1, but a host's key is one line")
    endorsements = []
    for number, line in enumerate(rest.removesuffix(b"\n").split(b"\n") if rest else (), start=2):
        match = _ENDORSED.fullmatch(line)
        if match is None:
            raise KeyFileError(
                f"{where}: line {number} is not `endorsed-by KEYID SIGNATURE`; get the file anew "
                "from its owner"
            )
        signature = decode_secret(match[2], bindings.crypto_sign_BYTES, f"{where}: line {number}")
        endorsements.append(Endorsement(bytes.fromhex(match[1].decode()), signature))
    return PublicKey(kind, public, comment, tuple(endorsements))


def parse_secret(text: bytes | bytearray, where: str) -> PublisherKey | HostKey:
    """Read the text of a secret key file; ``where`` names it in errors. Raises KeyFileError.

    ``text`` is the caller's, and the caller's to wipe.
    """
    kind, seed, comment, rest = _parse(text, "secret", where)
    if rest:
        wipe(seed)
        raise KeyFileError(f"{where}: goes on after line 1, but a secret key is one line")
    return _pair(kind, seed, comment)


def _parse(text: bytes | bytearray, half: str, where: str) -> tuple[KeyKind, bytes, str, bytes]:
    """Take line 1 apart; return kind, key, comment and what follows. Copies no secret but one."""
    if len(text) > files.MAX_BYTES:
        raise KeyFileError(f"{where}: larger than {files.MAX_BYTES} bytes; a key is one line")
    end = text.find(b"\n")
    end = len(text) if end < 0 else end
    begin = text.find(b" ", 0, end) + 1
    head = _HEAD.fullmatch(text, 0, max(begin - 1, 0))
    if head is None:
        raise KeyFileError(
            f"{where}: not a key file; line 1 is `polyvm-KIND-{half}-1 BASE64 COMMENT`, as "
            "`polyvm keygen` writes it"
        )
    if head[3] != b"1":
        raise KeyFileError(
            f"{where}: a key file of version {int(head[3])}, but this polyvm reads version 1; "
            "update polyvm"
        )
    if head[2].decode() != half:
        other = "public" if half == "secret" else "secret"
        hint = "the .key file" if half == "secret" else "the .pub file, and keep this one to itself"
        raise KeyFileError(f"{where}: a {other} key where the {half} one belongs; take {hint}")
    kind = KeyKind(head[1].decode())
    space = text.find(b" ", begin, end)
    stop = end if space < 0 else space
    try:
        comment = bytes(text[stop + 1 : end]).decode()
    except UnicodeDecodeError:
        comment = "\0"
    if not is_comment(comment):
        raise KeyFileError(
            f"{where}: the comment is not up to {MAX_COMMENT} printable characters; shorten it"
        )
    view = memoryview(text)
    return kind, decode_secret(view[begin:stop], _KEY_BYTES, where), comment, bytes(view[end + 1 :])


def decode_secret(encoded: bytes | memoryview, size: int, where: str) -> bytes:
    """Decode the one way to write ``size`` bytes in Base64."""
    refusal = KeyFileError(f"{where}: not the Base64 of {size} bytes; copy the file again")
    # The length first: to wipe a bytes object of one byte, which CPython shares, would be fatal.
    if len(encoded) != (size + 2) // 3 * 4:
        raise refusal
    try:
        raw = binascii.a2b_base64(encoded, strict_mode=True)
    except binascii.Error:
        raise refusal from None
    again = binascii.b2a_base64(raw, newline=False)
    canonical = len(raw) == size and encoded == again
    wipe(again)
    if not canonical:
        wipe(raw)
        raise refusal
    return raw


@overload
def load_secret(spec: str, kind: Literal[KeyKind.PUBLISHER]) -> PublisherKey: ...
@overload
def load_secret(spec: str, kind: Literal[KeyKind.HOST]) -> HostKey: ...
@overload
def load_secret(spec: str, kind: KeyKind) -> PublisherKey | HostKey: ...
def load_secret(spec: str, kind: KeyKind) -> PublisherKey | HostKey:
    """Load a secret key from where ``spec`` says.

    PATH or ``file:PATH``: a file that only its owner can read.
    ``env:NAME``: an environment variable, which is taken out of the environment, so that no task
    and no child process sees it; so it can be loaded once.
    ``cmd:COMMAND``: what a shell command prints. It has no terminal and no input.

    Raises KeyFileError.
    """
    where, text = secret_text(spec)
    try:
        key = parse_secret(text, where)
    finally:
        wipe(text)
    if key.public_key.kind is not kind:
        key.wipe()
        raise KeyFileError(
            f"{where}: a {key.public_key.kind}'s key where a {kind}'s belongs; name another, or "
            f"make one with `polyvm keygen {kind}`"
        )
    return key


def secret_text(spec: str) -> tuple[str, bytearray]:
    """Return where a secret key comes from, for people, and its text, for the caller to wipe."""
    scheme, colon, rest = spec.partition(":")
    if colon and scheme == "env":
        where, text = spec, _from_environment(rest)
    elif colon and scheme == "cmd":
        where, text = key_command.name(rest), key_command.output(rest)
    else:
        where = rest if colon and scheme == "file" else spec
        text = files.read(Path(where), private=True)
    return where, text


def _from_environment(name: str) -> bytearray:
    value = os.environb.pop(os.fsencode(name), b"")
    if not value:
        raise KeyFileError(
            f"env:{name}: no such variable, or an empty one; set it to the text of the .key file"
        )
    return bytearray(value)
