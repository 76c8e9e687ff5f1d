"""The key folder: own keys, the hosts to seal for, trusted and revoked publishers.

    publisher-ID.key  host-ID.key    own secret keys
    publisher-ID.pub  host-ID.pub    their public halves, to hand out
    trusted/publisher-ID.pub         publishers whose tasks this host runs
    known-hosts/host-ID.pub          hosts that bundles are sealed for
    revoked/publisher-ID.pub         the reason, and the key if it was known; wins over trust

What a file's name says must be what it holds, and nobody but its owner may write to it: whoever
can write to this folder decides what runs. What is unclear is refused.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from polyvm.host.errors import (
    KeyFileError,
    MissingError,
    RevokedPublisherError,
    SignatureError,
    UnknownPublisherError,
)
from polyvm.host.sealing import files, keys
from polyvm.host.sealing.keys import HostKey, KeyKind, PublicKey, PublisherKey
from polyvm.vm import wipe

_NAME = re.compile(r"(publisher|host)-([0-9a-f]{16})\.(pub|key)")
_TRUSTED = "trusted"
_KNOWN = "known-hosts"
_REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Entry:
    """What the key folder says of one key. ``roles``: own, trusted, known, revoked."""

    kind: KeyKind
    id: bytes
    roles: tuple[str, ...]
    comment: str


def default_folder() -> Path:
    """Return where the user's keys are. Raises KeyFileError for a user without a home."""
    if folder := os.environ.get("POLYVM_KEYS"):
        return Path(folder)
    if config := os.environ.get("XDG_CONFIG_HOME"):
        return Path(config) / "polyvm" / "keys"
    try:
        return Path.home() / ".config" / "polyvm" / "keys"
    except RuntimeError:
        raise KeyFileError(
            "this user has no home folder to keep keys in; name a folder with --keys or in "
            "POLYVM_KEYS"
        ) from None


class Keyring:
    """One key folder. Holds nothing in memory: every answer is what the folder says now.

    All methods raise KeyFileError for a folder or file that is not as it must be.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def publisher_keys(self) -> list[PublisherKey]:
        """Return the own keys that bundles can be signed with, newest first."""
        revoked = self._revocations()
        paths = self._own(KeyKind.PUBLISHER, "key")
        return [
            cast("PublisherKey", _secret(path, KeyKind.PUBLISHER))
            for path in paths
            if _id_of(path) not in revoked
        ]

    def host_keys(self) -> list[HostKey]:
        """Return the own keys that bundles can be decrypted with, newest first."""
        return [
            cast("HostKey", _secret(path, KeyKind.HOST)) for path in self._own(KeyKind.HOST, "key")
        ]

    def known_hosts(self) -> list[PublicKey]:
        """Return the hosts to seal for: those in known-hosts, and this one, if it is a host."""
        paths = [*self._own(KeyKind.HOST, "pub"), *self._listed(_KNOWN, KeyKind.HOST)]
        return list({key.id: key for key in map(_public, paths)}.values())

    def trusted(self, publisher_id: bytes) -> PublicKey:
        """Return the key of a publisher whose tasks may run.

        Raises UnknownPublisherError or RevokedPublisherError.
        """
        self._refuse_revoked(publisher_id)
        for path in self._listed(_TRUSTED, KeyKind.PUBLISHER):
            if _id_of(path) == publisher_id:
                return _public(path)
        raise UnknownPublisherError(
            f"publisher {publisher_id.hex()} is not trusted here; if its tasks shall run, get its "
            ".pub file by a way that you trust and run `polyvm keys trust FILE`"
        )

    def is_revoked(self, publisher_id: bytes) -> bool:
        """Whether the publisher was revoked here, trusted or not."""
        return publisher_id in self._revocations()

    def knows(self, kind: KeyKind, key: bytes) -> bool:
        """Whether a public key of that id is here, own, trusted or known."""
        folders = (self.folder, self.folder / _TRUSTED, self.folder / _KNOWN)
        return any(os.path.lexists(folder / f"{kind}-{key.hex()}.pub") for folder in folders)

    def signature(self) -> Hashable:
        """Return what differs once any key comes, goes or changes; reads no file."""
        return tuple(
            _signature(folder)
            for folder in (
                self.folder,
                self.folder / _TRUSTED,
                self.folder / _REVOKED,
                self.folder / _KNOWN,
            )
        )

    def entries(self) -> list[Entry]:
        """Return what is known of all keys, sorted by kind and id. Reads no secret key."""
        roles: dict[tuple[KeyKind, bytes], list[str]] = {}
        comments: dict[tuple[KeyKind, bytes], str] = {}
        for kind in KeyKind:
            for path in self._own(kind, "key"):
                roles.setdefault((kind, _id_of(path)), []).append("own")
                if path.with_suffix(".pub").exists():
                    comments[kind, _id_of(path)] = _public(path.with_suffix(".pub")).comment
        for role, folder, kind in (
            ("trusted", _TRUSTED, KeyKind.PUBLISHER),
            ("known", _KNOWN, KeyKind.HOST),
        ):
            for path in self._listed(folder, kind):
                roles.setdefault((kind, _id_of(path)), []).append(role)
                comments[kind, _id_of(path)] = _public(path).comment
        for publisher_id, reason in self._revocations().items():
            name = KeyKind.PUBLISHER, publisher_id
            roles.setdefault(name, []).append("revoked")
            comments[name] = f"{comments.get(name, '')} ({reason})".lstrip()
        return [
            Entry(kind, key, tuple(roles[kind, key]), comments.get((kind, key), ""))
            for kind, key in sorted(roles, key=lambda name: (name[0] is KeyKind.HOST, name[1]))
        ]

    def generate(self, kind: KeyKind, comment: str = "") -> tuple[Path, Path]:
        """Make an own key pair; return the secret and the public file. Raises WriteError."""
        key = keys.generate(kind, comment)
        try:
            return self._keep(key, key.public_key)
        finally:
            key.wipe()

    def rotate(self, kind: KeyKind, comment: str = "") -> tuple[Path, Path]:
        """Make the key that follows the own newest one; return its files. Raises WriteError.

        The old ones stay. A publisher's new key is endorsed by the one it follows.
        """
        if kind is KeyKind.HOST:
            if not self._own(kind, "key"):
                raise KeyFileError(f"{self.folder}: holds no host's key; {_make(kind)}")
            return self.generate(kind, comment)
        own = self.publisher_keys()
        if not own:
            raise KeyFileError(
                f"{self.folder}: holds no publisher's key that is not revoked; {_make(kind)}"
            )
        newer = keys.generate(KeyKind.PUBLISHER, comment)
        try:
            public = newer.public_key
            endorsed = PublicKey(
                public.kind, public.public, public.comment, (own[0].endorse(public),)
            )
            return self._keep(newer, endorsed)
        finally:
            for key in (*own, newer):
                key.wipe()

    def trust(self, file: Path, endorsed: bool = False) -> tuple[PublicKey, Path]:
        """Take a publisher into trusted, or a host into known-hosts; return key and new file.

        ``endorsed``: only if a publisher that is trusted here vouches for it. A file that is there
        already stays. Raises MissingError, RevokedPublisherError, UnknownPublisherError,
        SignatureError, WriteError.
        """
        key = read_public(file)
        if endorsed:
            self._check_endorsement(key, file)
        if key.kind is KeyKind.PUBLISHER:
            self._refuse_revoked(key.id)
        folder = self.folder / (_TRUSTED if key.kind is KeyKind.PUBLISHER else _KNOWN)
        files.make_folder(self.folder)
        files.make_folder(folder)
        path = folder / f"{key.kind}-{key.text}.pub"
        if not files.create(path, key.encode(), private=False):
            _public(path)
        return key, path

    def revoke(self, publisher_id: bytes, reason: str = "") -> Path:
        """Refuse a publisher from now on, known or not; return the file that says so.

        Only deleting that file undoes it. An earlier revocation stays. Raises WriteError.
        """
        if not keys.is_comment(reason):
            raise ValueError("not a reason in one line")
        content = f"# {reason or 'no reason given'}\n".encode()
        name = f"{KeyKind.PUBLISHER}-{publisher_id.hex()}.pub"
        for known in (self.folder / _TRUSTED / name, self.folder / name):
            # A damaged file must not get in the way.
            with contextlib.suppress(KeyFileError):
                content += _public(known).encode()
                break
        folder = self.folder / _REVOKED
        files.make_folder(self.folder)
        files.make_folder(folder)
        files.create(folder / name, content, private=False)
        return folder / name

    def _keep(self, key: PublisherKey | HostKey, public: PublicKey) -> tuple[Path, Path]:
        files.make_folder(self.folder)
        path = self.folder / f"{public.kind}-{public.text}.key"
        newest = max((path.stat().st_mtime_ns for path in self._own(public.kind, "key")), default=0)
        text = key.encode_secret()
        try:
            # The secret half first: a public one alone would be handed out in vain.
            made = files.create(path, text, private=True, after=newest)
        finally:
            wipe(text)
        made = made and files.create(path.with_suffix(".pub"), public.encode(), private=False)
        if not made:
            raise KeyFileError(f"{path}: it, or its .pub file, is there already; it was kept")
        return path, path.with_suffix(".pub")

    def _own(self, kind: KeyKind, suffix: str) -> list[Path]:
        """Return the own key files of a kind, newest first."""
        return [
            path
            for path in reversed(files.listed(self.folder))
            if (match := _NAME.fullmatch(path.name)) and match[1] == kind and match[3] == suffix
        ]

    def _listed(self, name: str, kind: KeyKind) -> Iterator[Path]:
        """Yield the files of a subfolder, where nothing else may lie."""
        files.listed(self.folder)
        for path in files.listed(self.folder / name):
            if path.name.startswith("."):
                continue
            match = _NAME.fullmatch(path.name)
            if match is None or match[1] != kind or match[3] != "pub":
                raise KeyFileError(
                    f"{path}: does not belong here; files in {name} are called {kind}-ID.pub, "
                    "as `polyvm keys` writes them"
                )
            yield path

    def _revocations(self) -> dict[bytes, str]:
        """Return why each revoked publisher is. A damaged file raises: it may say of anybody."""
        found = {}
        for path in self._listed(_REVOKED, KeyKind.PUBLISHER):
            text = bytes(files.read(path, private=False))
            reason, _, key = text.partition(b"\n")
            if not reason.startswith(b"#"):
                reason, key = b"", text
            if key:
                _check_name(path, keys.parse_public(key, str(path)))
            words = reason.decode(errors="replace").lstrip("# ")
            found[_id_of(path)] = words if keys.is_comment(words) else ""
        return found

    def _refuse_revoked(self, publisher_id: bytes) -> None:
        reason = self._revocations().get(publisher_id)
        if reason is not None:
            path = self.folder / _REVOKED / f"{KeyKind.PUBLISHER}-{publisher_id.hex()}.pub"
            raise RevokedPublisherError(
                f"publisher {publisher_id.hex()} is revoked here ({reason or 'no reason given'}); "
                f"get what is signed by another key, or delete {path} if that was a mistake"
            )

    def _check_endorsement(self, key: PublicKey, file: Path) -> None:
        if key.kind is not KeyKind.PUBLISHER:
            raise KeyFileError(f"{file}: a host's key, which nobody endorses; leave out --endorsed")
        revoked = self._revocations()
        claimed = {item.by for item in key.endorsements}
        forged = None
        for path in self._listed(_TRUSTED, KeyKind.PUBLISHER):
            if _id_of(path) in claimed - revoked.keys():
                if key.is_endorsed_by(_public(path)):
                    return
                forged = _id_of(path).hex()
        if forged:
            raise SignatureError(
                f"{file}: {forged} did not sign this endorsement; get the file anew from the "
                "publisher"
            )
        raise UnknownPublisherError(
            f"{file}: endorsed by no publisher that is trusted here; check with the publisher that "
            f"{key.text} is right, then trust it without --endorsed"
        )


def read_public(file: Path) -> PublicKey:
    """Read a public key file from anywhere. Raises MissingError or KeyFileError."""
    try:
        with file.open("rb") as opened:
            return keys.parse_public(opened.read(files.MAX_BYTES + 1), str(file))
    except OSError as error:
        raise MissingError(f"{file}: cannot be read: {error.strerror or error}") from None


def _make(kind: KeyKind) -> str:
    return f"make one with `polyvm keygen {kind}`"


def _id_of(path: Path) -> bytes:
    return bytes.fromhex(path.stem.rpartition("-")[2])


def _public(path: Path) -> PublicKey:
    key = keys.parse_public(files.read(path, private=False), str(path))
    _check_name(path, key)
    return key


def _secret(path: Path, kind: KeyKind) -> PublisherKey | HostKey:
    key = keys.load_secret(f"file:{path}", kind)
    _check_name(path, key.public_key)
    return key


def _check_name(path: Path, key: PublicKey) -> None:
    if path.stem != f"{key.kind}-{key.text}":
        raise KeyFileError(
            f"{path}: holds {key.kind} {key.text}, which its name does not say; delete it and get "
            "the key's file anew"
        )


def _signature(folder: Path) -> Hashable:
    try:
        with os.scandir(folder) as listing:
            facts = [(entry.name, _facts(entry)) for entry in listing]
        return _facts(folder), tuple(sorted(facts))
    except OSError as error:
        return error.errno


def _facts(entry: os.DirEntry[str] | Path) -> tuple[int, int, int]:
    try:
        facts = entry.stat()
    except OSError:  # a link that leads nowhere, perhaps only for now
        return 0, 0, 0
    return facts.st_ino, facts.st_ctime_ns, facts.st_size
