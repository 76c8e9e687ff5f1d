"""Builds sealed bundles by hand, so that everything behind a right signature can be wrong."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from nacl import bindings as sodium

from polyvm.host.sealing.keys import HostKey, PublicKey, PublisherKey
from polyvm.vm import info, toolchain

HERE = Path("x.bundle")
PYTHON = info().bytecode_magic
TOML = b'name = "a"\nversion = "1.0"\nentry = "main:run"\n'
PYC = toolchain.compile(b"def run(payload):\n    return payload\n", "a/main.py")
NO_PERMISSIONS = {"read": [], "write": [], "network": False, "unconfined": False}
GOOD = {"task.toml": TOML, "main.pyc": PYC}
CHUNK = 262144

MESSAGE = sodium.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
FINAL = sodium.crypto_secretstream_xchacha20poly1305_TAG_FINAL


def table(entries: Any) -> bytes:
    """A table of contents, whatever is in it."""
    raw = msgspec.msgpack.encode(entries)
    return struct.pack("<I", len(raw)) + raw


def plaintext(members: Mapping[str, bytes]) -> bytes:
    """Content with every member as it is."""
    entries = [[name, len(data), len(data), 0] for name, data in members.items()]
    return table(entries) + b"".join(members.values())


def preamble(header: bytes, version: int = 1, zero: int = 0, length: int | None = None) -> bytes:
    """The first 16 bytes."""
    length = len(header) if length is None else length
    return b"\x89PVMS\r\n\x1a" + struct.pack("<HHI", version, zero, length)


def sign(body: bytes, publisher: PublisherKey) -> bytes:
    """The body with its signature."""
    state = sodium.crypto_sign_ed25519ph_state()
    sodium.crypto_sign_ed25519ph_update(state, body)
    return body + sodium.crypto_sign_ed25519ph_final_create(state, publisher.signing_key_bytes)


@dataclass
class Craft:
    """A sealed bundle in the making; ``file`` puts it together and signs it."""

    publisher: PublisherKey
    hosts: Sequence[HostKey]
    content: bytes = field(default_factory=lambda: plaintext(GOOD))
    header: dict[str, Any] = field(default_factory=dict)  # instead of, or beside, the right fields
    tags: Sequence[int] | None = None
    bound_to: PublicKey | None = None

    def __post_init__(self) -> None:
        key = sodium.crypto_secretstream_xchacha20poly1305_keygen()
        state = sodium.crypto_secretstream_xchacha20poly1305_state()
        stream = sodium.crypto_secretstream_xchacha20poly1305_init_push(state, key)
        pieces = [self.content[at : at + CHUNK] for at in range(0, len(self.content), CHUNK)]
        tags = self.tags or [MESSAGE] * (len(pieces) - 1) + [FINAL]
        public = (self.bound_to or self.publisher.public_key).public
        self.chunks = [
            sodium.crypto_secretstream_xchacha20poly1305_push(state, piece, public, tag)
            for piece, tag in zip(pieces, tags, strict=True)
        ]
        self.fields = {
            "publisher": self.publisher.id,
            "recipients": [
                [host.id, sodium.crypto_box_seal(key, host.public_bytes)] for host in self.hosts
            ],
            "python": PYTHON,
            "name": "a",
            "version": "1.0",
            "isolation": "vm",
            "sequence": 7,
            "created": 1_800_000_000,
            "expires": None,
            "permissions": NO_PERMISSIONS,
            "stream": stream,
            "content": len(self.content),
            **self.header,
        }

    def file(self, header: bytes | None = None) -> bytes:
        """The whole file; ``header`` instead of the fields' encoding."""
        raw = msgspec.msgpack.encode(self.fields) if header is None else header
        return sign(preamble(raw) + raw + b"".join(self.chunks), self.publisher)
