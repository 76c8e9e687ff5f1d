"""The outside of a sealed bundle: preamble, header, and where everything lies.

No cryptography here. What is read was written by anybody: it is checked strictly and cheaply,
and not to be believed before the signature was verified. docs/bundle-format.md has every byte.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Annotated

import msgspec

from polyvm.host import manifest as manifests
from polyvm.host.errors import ManifestError, SealedFormatError
from polyvm.host.manifest import Manifest, Permissions

MAGIC = b"\x89PVMS\r\n\x1a"
VERSION = 1
PREAMBLE_BYTES = 16
MAX_HEADER_BYTES = 65536
MAX_RECIPIENTS = 256
MAX_CONTENT_BYTES = 2**40
MAX_SEQUENCE = 2**63 - 1
MAX_SECOND = 253402300799  # of the year 9999: whatever is admitted can be shown as a date
CHUNK_BYTES = 262144  # of plaintext, in every chunk but the last
CHUNK_EXTRA_BYTES = 17  # a chunk is encrypted with its tag and authenticator
SIGNATURE_BYTES = 64

_PREAMBLE = struct.Struct("<8sHHI")
_ANEW = "copy it again, or get it anew from its publisher"

_KeyId = Annotated[bytes, msgspec.Meta(min_length=8, max_length=8)]
_WrappedKey = Annotated[bytes, msgspec.Meta(min_length=80, max_length=80)]
_Recipients = Annotated[
    tuple[tuple[_KeyId, _WrappedKey], ...], msgspec.Meta(min_length=1, max_length=MAX_RECIPIENTS)
]
_Second = Annotated[int, msgspec.Meta(ge=0, le=MAX_SECOND)]


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a sealed bundle says of itself in the clear; the order of fields is that of the file."""

    publisher: _KeyId
    recipients: _Recipients  # key id, and the data key wrapped for that host
    python: Annotated[bytes, msgspec.Meta(min_length=4, max_length=4)]  # bytecode magic
    name: str
    version: str
    isolation: str
    sequence: Annotated[int, msgspec.Meta(ge=1, le=MAX_SEQUENCE)]
    created: _Second  # since the epoch, as is `expires`
    expires: _Second | None
    permissions: Permissions
    stream: Annotated[bytes, msgspec.Meta(min_length=24, max_length=24)]
    content: Annotated[int, msgspec.Meta(ge=4, le=MAX_CONTENT_BYTES)]  # bytes of plaintext

    @property
    def chunks(self) -> int:
        """How many chunks the content is encrypted in."""
        return -(-self.content // CHUNK_BYTES)

    @property
    def encrypted_bytes(self) -> int:
        """The length of all chunks together."""
        return self.content + self.chunks * CHUNK_EXTRA_BYTES


_decoder = msgspec.msgpack.Decoder(Header)
_encoder = msgspec.msgpack.Encoder()


def is_sealed(start: bytes) -> bool:
    """Whether a file that starts like this is, or once was, a sealed bundle."""
    return start.startswith(MAGIC[:5])


def pack_head(header: Header) -> bytes:
    """Return preamble and header."""
    raw = _encoder.encode(header)
    assert len(raw) <= MAX_HEADER_BYTES, "recipients and permissions are limited to fit"
    return _PREAMBLE.pack(MAGIC, VERSION, 0, len(raw)) + raw


def header_bytes(preamble: bytes, source: Path) -> int:
    """Check a file's first 16 bytes, and return how many of header follow."""
    if not is_sealed(preamble):
        raise SealedFormatError(f"{source}: not a sealed bundle; make one with `polyvm seal`")
    if len(preamble) < PREAMBLE_BYTES:
        raise SealedFormatError(f"{source}: cut short within the first 16 bytes; {_ANEW}")
    magic, version, zero, length = _PREAMBLE.unpack(preamble)
    if magic != MAGIC:
        raise SealedFormatError(
            f"{source}: the first bytes of the sealed bundle are damaged, as by a transfer in text "
            "mode; copy it again in binary mode"
        )
    if version != VERSION:
        raise SealedFormatError(
            f"{source}: sealed in format version {version}, and this host reads version {VERSION}; "
            "update polyvm, or seal it again with this one"
        )
    if zero != 0 or not 1 <= length <= MAX_HEADER_BYTES:
        raise SealedFormatError(
            f"{source}: bytes 10 to 15 of the sealed bundle are not as the format says; {_ANEW}"
        )
    return int(length)


def parse_header(raw: bytes, source: Path) -> Header:
    """Read and check the header."""
    try:
        header = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SealedFormatError(f"{source}: header: {printable(error)}; {_ANEW}") from None
    # One value, one encoding: this also finds keys that are there twice or in another order.
    if _encoder.encode(header) != raw:
        raise SealedFormatError(f"{source}: header is not in the one form it may have; {_ANEW}")
    if len({key_id for key_id, _ in header.recipients}) != len(header.recipients):
        raise SealedFormatError(f"{source}: header names a recipient twice; {_ANEW}")
    try:
        manifests.check(
            Manifest(
                name=header.name,
                version=header.version,
                entry="main:run",
                isolation=header.isolation,
                permissions=header.permissions,
            ),
            f"{source}: header",
        )
    except ManifestError as error:
        raise SealedFormatError(str(error)) from None
    return header


def printable(error: Exception) -> str:
    """Return what a decoder says, which may quote the file, as a short text that shows as such."""
    return ascii(str(error)[:120])[1:-1]


def check_size(size: int, head: int, header: Header, source: Path) -> None:
    """Refuse a file of ``size`` bytes, of them ``head`` before the content, that must be another.

    Everything after this may take the header's lengths for the file's.
    """
    expected = head + header.encrypted_bytes + SIGNATURE_BYTES
    if size < expected:
        raise SealedFormatError(
            f"{source}: cut short: {size} bytes of {expected}; copy it again to the end"
        )
    if size > expected:
        raise SealedFormatError(
            f"{source}: {size - expected} bytes follow after the signature; copy it again"
        )
