"""Seals tasks: takes what `polyvm pack` would, encrypts it for its hosts, and signs it.

Nothing is wiped here: the machine that seals has the task in the clear anyway.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from nacl import bindings as sodium

from polyvm.host import bundle, packer
from polyvm.host.durable import sync_folder
from polyvm.host.errors import BundleError, PackError, WriteError
from polyvm.host.manifest import Manifest
from polyvm.host.sealing import content
from polyvm.host.sealing.content import Plan
from polyvm.host.sealing.format import (
    CHUNK_BYTES,
    MAX_CONTENT_BYTES,
    MAX_RECIPIENTS,
    MAX_SECOND,
    MAX_SEQUENCE,
    Header,
    is_sealed,
    pack_head,
)
from polyvm.host.sealing.keys import KeyKind, PublicKey, PublisherKey


def seal(
    source: Path,
    output: Path | None = None,
    *,
    publisher: PublisherKey,
    recipients: Sequence[PublicKey],
    magic: bytes,
    sequence: int | None = None,
    expires: int | None = None,
    strip: bool = False,
    now: Callable[[], float] = time.time,
) -> Path:
    """Seal a task folder or a plain bundle, and return the path of the sealed one.

    ``recipients`` are the keys of the hosts that may run it, ``magic`` the bytecode magic of their
    VMs. ``sequence`` is by default the milliseconds since the epoch; ``expires`` is in seconds.
    ``strip`` compiles a folder without docstrings and line numbers. ``output`` is a file, or
    an existing folder to put NAME-VERSION.bundle in; by default the working directory. The file
    appears whole or not at all. Raises PolyvmError.
    """
    hosts = {key.id: key.public for key in recipients if key.kind is KeyKind.HOST}
    if not 1 <= len(hosts) <= MAX_RECIPIENTS:
        raise PackError(
            f"{source}: {len(hosts)} hosts to seal it for; name 1 to {MAX_RECIPIENTS} host keys"
        )
    moment = now()
    sequence = int(moment * 1000) if sequence is None else sequence
    if not 1 <= sequence <= MAX_SEQUENCE:
        raise PackError(f"{source}: sequence {sequence} is not between 1 and {MAX_SEQUENCE}")
    if expires is not None and not 0 <= expires <= MAX_SECOND:
        raise PackError(f"{source}: expires {expires} is not between 0 and {MAX_SECOND} seconds")
    manifest, members = _members(source, magic, strip=strip)
    plan = content.plan(members, source)
    if plan.size > MAX_CONTENT_BYTES:
        raise PackError(f"{source}: larger than {MAX_CONTENT_BYTES} bytes; ship less data")
    key = sodium.crypto_secretstream_xchacha20poly1305_keygen()
    state = sodium.crypto_secretstream_xchacha20poly1305_state()
    header = Header(
        publisher=publisher.id,
        recipients=tuple(
            (key_id, sodium.crypto_box_seal(key, public)) for key_id, public in hosts.items()
        ),
        python=magic,
        name=manifest.name,
        version=manifest.version,
        isolation=manifest.isolation,
        sequence=sequence,
        created=int(moment),
        expires=expires,
        permissions=manifest.permissions,
        stream=sodium.crypto_secretstream_xchacha20poly1305_init_push(state, key),
        content=plan.size,
    )
    if output is None:
        output = Path(manifest.bundle_name)
    elif output.is_dir():
        output = output / manifest.bundle_name
    with _whole_file(output) as file:
        signer = sodium.crypto_sign_ed25519ph_state()
        for piece in _signed(header, plan, state, publisher.public_key):
            sodium.crypto_sign_ed25519ph_update(signer, piece)
            file.write(piece)
        file.write(sodium.crypto_sign_ed25519ph_final_create(signer, publisher.signing_key_bytes))
    return output


def _signed(
    header: Header,
    plan: Plan,
    state: sodium.crypto_secretstream_xchacha20poly1305_state,
    publisher: PublicKey,
) -> Iterator[bytes]:
    """Yield all that the signature is over."""
    yield pack_head(header)
    pending = bytearray()
    for piece in plan.pieces():
        pending += piece
        # The last chunk is marked as such: whole ones wait until there is more.
        while len(pending) > CHUNK_BYTES:
            yield encrypt(state, bytes(memoryview(pending)[:CHUNK_BYTES]), publisher, last=False)
            del pending[:CHUNK_BYTES]
    yield encrypt(state, bytes(pending), publisher, last=True)


def encrypt(
    state: sodium.crypto_secretstream_xchacha20poly1305_state,
    chunk: bytes,
    publisher: PublicKey,
    *,
    last: bool,
) -> bytes:
    """Encrypt the next chunk of a stream.

    It is bound to the publisher's key: whoever cannot decrypt it cannot sign it as theirs.
    """
    tag = (
        sodium.crypto_secretstream_xchacha20poly1305_TAG_FINAL
        if last
        else sodium.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
    )
    return sodium.crypto_secretstream_xchacha20poly1305_push(state, chunk, publisher.public, tag)


def _members(
    source: Path, magic: bytes, *, strip: bool
) -> tuple[Manifest, dict[str, bytes | Path]]:
    if source.is_dir():
        manifest, members = packer.members(source, strip=strip)
        # What a host would refuse is refused here; assets in files are data whatever they hold.
        small = {name: b"" if isinstance(data, Path) else data for name, data in members.items()}
        bundle.assemble(small, source, magic)
        return manifest, members
    if strip:
        raise PackError(f"{source}: is compiled already; to strip it, seal the task's folder")
    try:
        with source.open("rb") as file:
            data = file.read(bundle.MAX_TOTAL_BYTES + 1)
    except OSError as error:
        raise BundleError(f"{source}: cannot be read: {error.strerror or error}") from None
    if len(data) > bundle.MAX_TOTAL_BYTES:
        raise BundleError(f"{source}: larger than {bundle.MAX_TOTAL_BYTES} bytes; ship less data")
    if is_sealed(data):
        raise PackError(f"{source}: is sealed already; seal the task's folder or its plain bundle")
    manifest = bundle.from_zip(data, source, magic).manifest
    with zipfile.ZipFile(io.BytesIO(data)) as archive:  # sound, as it was read just now
        return manifest, {
            name: archive.read(name) for name in archive.namelist() if not name.endswith("/")
        }


@contextlib.contextmanager
def _whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file to write that appears under its name, durably, if all goes well."""
    part: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        part = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fchmod(descriptor, 0o644)
            os.fsync(descriptor)
        part.replace(path)
        part = None
        sync_folder(path.parent)
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        if part is not None:
            with contextlib.suppress(OSError):
                part.unlink()
