"""Opens sealed bundles: header first, then the signature, and only then what is encrypted."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Generator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cffi  # type: ignore[import-untyped]
from nacl import bindings as sodium
from nacl.exceptions import BadSignatureError, CryptoError

from polyvm.host import bundle
from polyvm.host.bundle import Contents
from polyvm.host.errors import (
    BundleError,
    DecryptError,
    NotRecipientError,
    SealedFormatError,
    SignatureError,
)
from polyvm.host.sealing import content
from polyvm.host.sealing.format import (
    CHUNK_BYTES,
    CHUNK_EXTRA_BYTES,
    PREAMBLE_BYTES,
    SIGNATURE_BYTES,
    check_size,
    header_bytes,
    parse_header,
)
from polyvm.host.sealing.keys import HostKey, PublicKey
from polyvm.vm import wipe

WHOLE_BYTES = 64 * 2**20  # chunks of files up to here are read once, of larger ones twice
DIGEST_BYTES = 32

_STRIDE = CHUNK_BYTES + CHUNK_EXTRA_BYTES
_buffer_of = cffi.FFI().buffer


class SealedFile:
    """A sealed bundle whose header was read. Made by `open_sealed`; a context manager.

    ``header`` is anybody's claim until `verify` has returned. Not for several threads at once.
    """

    def __init__(self, data: bytes | int, size: int, source: Path) -> None:
        self.source = source
        self.size = size
        self._data = data  # the whole file, or the descriptor of an open one
        preamble = self._read(0, min(PREAMBLE_BYTES, size))
        length = header_bytes(preamble, source)
        if size < PREAMBLE_BYTES + length:
            raise SealedFormatError(f"{source}: cut short within the header; copy it again")
        self._head = preamble + self._read(PREAMBLE_BYTES, length)
        self.header = parse_header(self._head[PREAMBLE_BYTES:], source)
        check_size(size, len(self._head), self.header, source)
        self._publisher: PublicKey | None = None
        self._digest = b""
        # The content of a small file, read once; digests of the chunks of a large one, verified.
        self._content = b""
        self._chunk_digests: list[bytes] = []
        if size <= WHOLE_BYTES:
            self._content = self._read(len(self._head), self.header.encrypted_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; nothing can be read after that."""
        if isinstance(self._data, int):
            os.close(self._data)
        self._data = b""
        self._content = b""

    @property
    def digest(self) -> bytes:
        """BLAKE2b-256 of the signature, which is verified and so stands for the whole file."""
        self._check_verified()
        return self._digest

    def verify(self, publisher: PublicKey) -> None:
        """Check that ``publisher`` has signed every byte. Raises SignatureError."""
        if publisher.id != self.header.publisher:
            raise SignatureError(
                f"{self.source}: says it is by publisher {self.header.publisher.hex()}, and the "
                f"key at hand is {publisher.text}; verify it with its publisher's key"
            )
        state = sodium.crypto_sign_ed25519ph_state()
        sodium.crypto_sign_ed25519ph_update(state, self._head)
        chunk_digests = []
        if self._content:
            sodium.crypto_sign_ed25519ph_update(state, self._content)
        else:
            for index in range(self.header.chunks):
                chunk = self._chunk(index)
                sodium.crypto_sign_ed25519ph_update(state, chunk)
                chunk_digests.append(_digest(chunk))
        signature = self._read(self.size - SIGNATURE_BYTES, SIGNATURE_BYTES)
        try:
            sodium.crypto_sign_ed25519ph_final_verify(state, signature, publisher.public)
        except BadSignatureError:
            raise SignatureError(
                f"{self.source}: the signature is not publisher {publisher.text}'s for this file: "
                "it was changed after it was sealed, or somebody else signed it; get it anew from "
                "its publisher"
            ) from None
        self._publisher = publisher
        self._digest = _digest(signature)
        self._chunk_digests = chunk_digests

    def unseal(self, host_keys: Sequence[HostKey], magic: bytes) -> Contents:
        """Decrypt with whichever host key fits, and check what is inside as for any bundle.

        ``magic`` is the bytecode magic that the VMs take. `verify` must have returned before.
        Raises NotRecipientError, DecryptError or BundleError.
        """
        publisher = self._check_verified()
        if self.header.python != magic:
            raise BundleError(
                f"{self.source}: compiled for another Python (magic {self.header.python.hex()}, "
                f"these VMs take {magic.hex()}); seal it anew with `polyvm seal` of this release"
            )
        key = self._data_key(host_keys)
        with contextlib.closing(self._decrypt(key, publisher)) as chunks:
            files = content.read(chunks, self.header.content, self.source)
        contents: Contents | None = None
        try:
            contents = bundle.assemble(files, self.source, magic)
            self._check_manifest(contents)
        except BaseException:
            contents = None
            raise
        finally:
            # Modules were copied; only the assets of a sound bundle live on.
            kept = set() if contents is None else set(contents.assets)
            for name, data in files.items():
                if name not in kept and isinstance(data, bytes):
                    content.forget(data)
        return contents

    def _check_verified(self) -> PublicKey:
        if self._publisher is None:
            raise RuntimeError("verify() must have returned first")
        return self._publisher

    def _check_manifest(self, contents: Contents) -> None:
        for field in ("name", "version", "isolation", "permissions"):
            if getattr(contents.manifest, field) != getattr(self.header, field):
                contents.wipe()
                raise SealedFormatError(
                    f"{self.source}: {field} in the header is not that of the task inside; seal "
                    "the task anew"
                )

    def _data_key(self, host_keys: Sequence[HostKey]) -> bytes:
        wrapped = dict(self.header.recipients)
        mine = [key for key in host_keys if key.id in wrapped]
        if not mine:
            theirs = [key_id.hex() for key_id in wrapped]
            more = ", …" if len(theirs) > 4 else ""
            raise NotRecipientError(
                f"{self.source}: sealed for {', '.join(theirs[:4])}{more}, and this host has "
                f"{', '.join(key.id.hex() for key in host_keys) or 'no key'}; ask its publisher to "
                "seal it for this host's key"
            )
        for key in mine:
            with contextlib.suppress(CryptoError):
                return sodium.crypto_box_seal_open(
                    wrapped[key.id], key.public_bytes, key.secret_bytes
                )
        raise DecryptError(
            f"{self.source}: the data key does not open with host key {mine[0].id.hex()}, as it "
            "should; ask its publisher to seal it anew"
        )

    def _decrypt(self, key: bytes, publisher: PublicKey) -> Generator[bytes]:
        """Yield the chunks of plaintext, which the receiver wipes; wipes ``key``."""
        state = sodium.crypto_secretstream_xchacha20poly1305_state()
        sodium.crypto_secretstream_xchacha20poly1305_init_pull(state, self.header.stream, key)
        wipe(key)
        last = self.header.chunks - 1
        try:
            for index in range(self.header.chunks):
                chunk = self._chunk(index)
                if self._chunk_digests and _digest(chunk) != self._chunk_digests[index]:
                    raise SignatureError(
                        f"{self.source}: changed between verifying and decrypting; copy it again, "
                        "and let nobody write to it"
                    )
                try:
                    data, tag = sodium.crypto_secretstream_xchacha20poly1305_pull(
                        state, chunk, publisher.public
                    )
                except CryptoError:
                    raise DecryptError(self._chunk_error(index)) from None
                final = sodium.crypto_secretstream_xchacha20poly1305_TAG_FINAL
                message = sodium.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
                if tag != (final if index == last else message):
                    content.forget(data)
                    raise DecryptError(self._chunk_error(index))
                yield data
        finally:
            _wipe_cdata(state.statebuf)
            _wipe_cdata(state.rawbuf)

    def _chunk_error(self, index: int) -> str:
        return (
            f"{self.source}: chunk {index} of {self.header.chunks} does not decrypt, or is out of "
            "its place; ask its publisher to seal it anew"
        )

    def _chunk(self, index: int) -> bytes:
        start = index * _STRIDE
        if self._content:
            return self._content[start : start + _STRIDE]
        return self._read(
            len(self._head) + start, min(_STRIDE, self.header.encrypted_bytes - start)
        )

    def _read(self, at: int, count: int) -> bytes:
        if isinstance(self._data, bytes):
            return self._data[at : at + count]
        return _read_file(self._data, at, count, self.source)


def open_sealed(file: Path | bytes, source: Path | None = None) -> SealedFile:
    """Open a sealed bundle and check its header; ``source`` names it in errors.

    Raises SealedFormatError, or BundleError for what cannot be read.
    """
    if isinstance(file, bytes):
        return SealedFile(file, len(file), source or Path("bundle"))
    source = source or file
    try:
        # Without O_NONBLOCK a pipe of that name would make us wait for a writer.
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise BundleError(f"{source}: cannot be read: {error.strerror or error}") from None
    keep = False
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BundleError(f"{source}: not a plain file")
        opened = SealedFile(descriptor, status.st_size, source)
        keep = True
        return opened
    finally:
        if not keep:
            os.close(descriptor)


def _read_file(descriptor: int, at: int, count: int, source: Path) -> bytes:
    pieces = []
    while count > 0:
        try:
            piece = os.pread(descriptor, count, at)
        except OSError as error:
            raise BundleError(f"{source}: cannot be read: {error.strerror or error}") from None
        if not piece:
            raise SealedFormatError(f"{source}: became shorter while it was read; copy it again")
        pieces.append(piece)
        at += len(piece)
        count -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def _wipe_cdata(data: Any) -> None:
    if data is not None:
        wipe(memoryview(_buffer_of(data)))
