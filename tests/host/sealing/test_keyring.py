from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from polyvm.host.errors import (
    KeyFileError,
    MissingError,
    PolyvmError,
    RevokedPublisherError,
    SignatureError,
    UnknownPublisherError,
    WriteError,
)
from polyvm.host.sealing import files, keys
from polyvm.host.sealing.keyring import Keyring, default_folder
from polyvm.host.sealing.keys import KeyKind, PublicKey

if TYPE_CHECKING:
    from collections.abc import Callable

PUBLISHER, HOST = KeyKind.PUBLISHER, KeyKind.HOST


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "it's a" / "keys")


@pytest.fixture
def other(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "other")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def the_id(path: Path) -> bytes:
    return bytes.fromhex(path.stem.partition("-")[2])


def test_default_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POLYVM_KEYS", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", "/h")
    assert default_folder() == Path("/h/.config/polyvm/keys")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/c")
    assert default_folder() == Path("/c/polyvm/keys")
    monkeypatch.setenv("POLYVM_KEYS", "/k")
    assert default_folder() == Path("/k")


def test_a_folder_that_is_not_there_holds_nothing(ring: Keyring) -> None:
    assert ring.publisher_keys() == []
    assert ring.host_keys() == []
    assert ring.known_hosts() == []
    assert ring.entries() == []
    assert not ring.is_revoked(b"x" * 8)
    with pytest.raises(UnknownPublisherError, match="7878787878787878 is not trusted here"):
        ring.trusted(b"x" * 8)
    assert not ring.folder.exists()


@pytest.mark.parametrize("kind", list(KeyKind))
def test_generated_keys_are_closed_to_others(ring: Keyring, kind: KeyKind) -> None:
    before = os.umask(0)
    try:
        secret, public = ring.generate(kind, "me")
    finally:
        os.umask(before)
    assert (mode(ring.folder), mode(secret), mode(public)) == (0o700, 0o600, 0o644)
    assert sorted(path.name for path in ring.folder.iterdir()) == [secret.name, public.name]
    own = (ring.publisher_keys() if kind is PUBLISHER else ring.host_keys())[0]
    assert own.public_key == keys.parse_public(public.read_bytes(), "x")
    assert own.public_key.comment == "me"
    assert secret.name == f"{kind}-{own.public_key.text}.key"
    assert public.name == f"{kind}-{own.public_key.text}.pub"


def test_there_is_no_moment_when_others_could_read_a_secret(
    ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open
    made = []

    def spy(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & os.O_CREAT:
            made.append((Path(path).name, flags & os.O_EXCL != 0, mode))
        return real(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", spy)
    secret, public = ring.generate(PUBLISHER)
    assert [(name.startswith(f".{secret.stem}"), excl, bits) for name, excl, bits in made] == [
        (True, True, 0o600),
        (True, True, 0o600),
    ]
    assert public.exists()


def test_existing_files_are_never_overwritten(
    ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = keys.generate(PUBLISHER, "first").encode_secret()

    def same(kind: KeyKind, comment: str) -> keys.PublisherKey | keys.HostKey:
        assert kind is PUBLISHER
        return keys.parse_secret(text.replace(b"first", comment.encode()), "x")

    monkeypatch.setattr(keys, "generate", same)
    secret, public = ring.generate(PUBLISHER, "first")
    kept = secret.read_bytes(), public.read_bytes()
    with pytest.raises(KeyFileError, match="is there already; it was kept"):
        ring.generate(PUBLISHER, "second")
    assert (secret.read_bytes(), public.read_bytes()) == kept
    secret.unlink()
    with pytest.raises(KeyFileError, match="is there already; it was kept"):
        ring.generate(PUBLISHER, "second")
    assert public.read_bytes() == kept[1]
    assert [path.name for path in ring.folder.iterdir() if path.name.startswith(".")] == []


def test_keys_come_newest_first_whatever_the_clock(
    ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([5000, 5000, 4000, 9000, 1])
    monkeypatch.setattr(time, "time_ns", lambda: next(times, 1) * 10**9)
    made = [the_id(ring.generate(HOST)[0]) for _ in range(6)]
    assert [key.id for key in ring.host_keys()] == made[::-1]


def test_a_name_must_say_what_the_file_holds(ring: Keyring, other: Keyring) -> None:
    secret, public = ring.generate(PUBLISHER)
    stranger, stranger_public = other.generate(PUBLISHER)
    host, _ = other.generate(HOST)
    _, trusted = ring.trust(public)
    _, known = ring.trust(host.with_suffix(".pub"))
    revoked = ring.revoke(b"x" * 8)
    looks: list[tuple[Path, bytes, Callable[[], object]]] = [
        (secret, stranger.read_bytes(), ring.publisher_keys),
        (trusted, stranger_public.read_bytes(), lambda: ring.trusted(the_id(trusted))),
        (known, other.generate(HOST)[1].read_bytes(), ring.known_hosts),
        (revoked, stranger_public.read_bytes(), lambda: ring.trusted(the_id(trusted))),
    ]
    for path, wrong, look in looks:
        look()
        right = path.read_bytes()
        path.write_bytes(wrong)
        with pytest.raises(KeyFileError, match=rf"{path}: holds \w+ \w+, which its name does not"):
            look()
        path.write_bytes(right)


@pytest.mark.parametrize("folder", ["trusted", "revoked", "known-hosts"])
def test_odd_files_in_lists_are_refused(ring: Keyring, folder: str) -> None:
    """A revocation under a name of the operator's own must not be passed over."""
    ring.revoke(b"x" * 8)
    ring.trust(ring.generate(PUBLISHER)[1])
    ring.trust(ring.generate(HOST)[1])
    (ring.folder / folder / ".leftover.tmp").touch()
    ring.entries()
    odd = ring.folder / folder / "acme.pub"
    odd.touch()
    with pytest.raises(KeyFileError, match=r"acme\.pub: does not belong here; files in"):
        ring.entries()
    odd.unlink()
    odd.symlink_to("nowhere")
    with pytest.raises(KeyFileError, match="leads nowhere; delete it"):
        ring.entries()


@pytest.mark.parametrize("what", ["", "trusted", "revoked", "trusted/FILE", "revoked/FILE"])
@pytest.mark.parametrize("bits", [0o020, 0o002])
def test_what_others_can_write_is_not_believed(ring: Keyring, what: str, bits: int) -> None:
    key, path = ring.trust(ring.generate(PUBLISHER)[1])
    revocation = ring.revoke(b"x" * 8)
    file = path if what.startswith("trusted") else revocation
    target = ring.folder / what.replace("FILE", file.name)
    target.chmod(mode(target) | bits)
    with pytest.raises(KeyFileError, match=rf"{target}: others .* run `(chmod go-w .*)`") as caught:
        ring.trusted(key.id)
    subprocess.run(shlex.split(str(caught.value).split("`")[1]), check=True)
    assert ring.trusted(key.id) == key


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("what", ["", "trusted", "trusted/FILE"])
def test_what_belongs_to_somebody_else_is_not_believed(ring: Keyring, what: str) -> None:
    key, path = ring.trust(ring.generate(PUBLISHER)[1])
    os.chown(ring.folder / what.replace("FILE", path.name), 12345, -1)
    with pytest.raises(KeyFileError, match="belongs to user 12345"):
        ring.trusted(key.id)


def test_trust(ring: Keyring, other: Keyring, tmp_path: Path) -> None:
    _, public = other.generate(PUBLISHER, "acme")
    handed = public.rename(tmp_path / "from-acme.txt")
    handed.chmod(0o666)  # wherever it comes from, its owner checks the id
    key, path = ring.trust(handed)
    assert path == ring.folder / "trusted" / f"publisher-{key.text}.pub"
    assert mode(path.parent) == 0o700
    assert ring.trusted(key.id) == key
    first = path.read_bytes()
    handed.write_bytes(handed.read_bytes().replace(b"acme", b"evil"))
    ring.trust(handed)
    assert path.read_bytes() == first
    assert other.entries() != []
    with pytest.raises(UnknownPublisherError):
        other.trusted(key.id)  # to have a key is not to trust it


def test_trust_of_what_is_no_key(ring: Keyring, other: Keyring, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="absent: cannot be read: No such file"):
        ring.trust(tmp_path / "absent")
    with pytest.raises(KeyFileError, match="a secret key where the public one belongs"):
        ring.trust(other.generate(PUBLISHER)[0])
    with pytest.raises(KeyFileError, match="larger than"):
        ring.trust(Path("/dev/zero"))
    assert not ring.folder.exists()


def test_revocation_wins_and_survives_trust(ring: Keyring, other: Keyring) -> None:
    _, public = other.generate(PUBLISHER)
    key, trusted = ring.trust(public)
    revocation = ring.revoke(key.id, "laptop stolen")
    assert ring.is_revoked(key.id)
    assert trusted.exists()
    sentence = rf"{key.text} is revoked here \(laptop stolen\); .* delete {revocation} if"
    with pytest.raises(RevokedPublisherError, match=sentence):
        ring.trusted(key.id)
    with pytest.raises(RevokedPublisherError, match=sentence):
        ring.trust(public)
    assert ring.revoke(key.id, "another reason") == revocation
    with pytest.raises(RevokedPublisherError, match="laptop stolen"):
        ring.trusted(key.id)
    revocation.unlink()
    assert ring.trusted(key.id) == key


def test_an_empty_revocation_made_by_hand_counts(ring: Keyring) -> None:
    key, trusted = ring.trust(ring.generate(PUBLISHER)[1])
    revoked = ring.folder / "revoked"
    revoked.mkdir()
    for content in (b"", b"# \xff\n", trusted.read_bytes(), b"# why\n" + trusted.read_bytes()):
        (revoked / trusted.name).write_bytes(content)
        with pytest.raises(RevokedPublisherError):
            ring.trusted(key.id)
    (revoked / trusted.name).write_bytes(b"garbage\n")
    with pytest.raises(KeyFileError, match="not a key file"):
        ring.trusted(key.id)


def test_a_damaged_key_does_not_keep_from_revoking(ring: Keyring) -> None:
    key, trusted = ring.trust(ring.generate(PUBLISHER)[1])
    trusted.write_bytes(b"damaged")
    ring.revoke(key.id)
    assert ring.is_revoked(key.id)


def test_a_revoked_own_key_signs_no_more(ring: Keyring) -> None:
    older, newer = (the_id(ring.generate(PUBLISHER)[0]) for _ in range(2))
    ring.revoke(newer)
    assert [key.id for key in ring.publisher_keys()] == [older]


def test_rotation_of_a_publisher(ring: Keyring, other: Keyring) -> None:
    with pytest.raises(
        KeyFileError, match=r"holds no publisher's key .* `polyvm keygen publisher`"
    ):
        ring.rotate(PUBLISHER)
    first = ring.generate(PUBLISHER, "acme")[1]
    second = ring.rotate(PUBLISHER, "acme 2")[1]
    third = ring.rotate(PUBLISHER)[1]
    assert [key.id for key in ring.publisher_keys()] == [the_id(p) for p in (third, second, first)]
    with pytest.raises(UnknownPublisherError, match="endorsed by no publisher that is trusted"):
        other.trust(second, endorsed=True)
    with pytest.raises(UnknownPublisherError, match="endorsed by no publisher"):
        other.trust(first, endorsed=True)
    other.trust(first)
    with pytest.raises(UnknownPublisherError, match="endorsed by no publisher"):
        other.trust(third, endorsed=True)  # the one between is missing
    other.trust(second, endorsed=True)
    other.trust(third, endorsed=True)
    assert other.trusted(the_id(third)).text == the_id(third).hex()


def test_endorsements_by_the_revoked_and_forged_ones(ring: Keyring, other: Keyring) -> None:
    first = ring.generate(PUBLISHER)[1]
    second = ring.rotate(PUBLISHER)[1]
    key, _ = other.trust(first)
    mine = keys.generate(PUBLISHER)
    endorsement = keys.Endorsement(key.id, mine.endorse(mine.public_key).signature)
    forged = PublicKey(PUBLISHER, mine.public_key.public, "", (endorsement,))
    second.with_name("forged.pub").write_bytes(forged.encode())
    with pytest.raises(SignatureError, match=rf"forged\.pub: {key.text} did not sign"):
        other.trust(second.with_name("forged.pub"), endorsed=True)
    other.revoke(key.id)
    with pytest.raises(UnknownPublisherError, match="endorsed by no publisher"):
        other.trust(second, endorsed=True)
    with pytest.raises(KeyFileError, match="a host's key, which nobody endorses"):
        other.trust(ring.generate(HOST)[1], endorsed=True)
    assert len(list((other.folder / "trusted").iterdir())) == 1


def test_rotation_of_a_host(ring: Keyring) -> None:
    with pytest.raises(KeyFileError, match="holds no host's key; make one"):
        ring.rotate(HOST)
    older = the_id(ring.generate(HOST)[0])
    newer = the_id(ring.rotate(HOST)[0])
    assert [key.id for key in ring.host_keys()] == [newer, older]


def test_known_hosts_are_own_ones_and_taken_ones(ring: Keyring, other: Keyring) -> None:
    own, mine = ring.generate(HOST)[1], other.generate(HOST)[1]
    ring.trust(mine)
    ring.trust(own)
    assert sorted(key.id for key in ring.known_hosts()) == sorted([the_id(own), the_id(mine)])


def test_the_signature_tells_of_every_change(ring: Keyring, other: Keyring) -> None:
    publisher, host = other.generate(PUBLISHER)[1], other.generate(HOST)[1]
    seen = [ring.signature()]

    def changed() -> bool:
        seen.append(ring.signature())
        assert seen[-1] == ring.signature()
        return seen[-1] not in seen[:-1]

    key, trusted = ring.trust(publisher)
    assert changed()
    revocation = ring.revoke(key.id)
    assert changed()
    revocation.unlink()
    assert changed()
    ring.trust(host)
    assert changed()
    ring.generate(HOST)
    assert changed()
    trusted.write_bytes(trusted.read_bytes() + b"x")
    assert changed()
    trusted.unlink()
    trusted.symlink_to("nowhere")
    assert changed()
    ring.folder.rename(ring.folder.with_name("gone"))
    assert ring.signature() == seen[0]


def test_entries(ring: Keyring, other: Keyring) -> None:
    own = ring.generate(PUBLISHER, "mine")[1]
    ring.trust(own)
    host, _ = ring.trust(other.generate(HOST, "edge 7")[1])
    bad, _ = ring.trust(other.generate(PUBLISHER, "bad")[1])
    ring.revoke(bad.id, "why")
    ring.revoke(b"\xff" * 8)
    found = {entry.id: (entry.kind, entry.roles, entry.comment) for entry in ring.entries()}
    assert found == {
        the_id(own): (PUBLISHER, ("own", "trusted"), "mine"),
        bad.id: (PUBLISHER, ("trusted", "revoked"), "bad (why)"),
        b"\xff" * 8: (PUBLISHER, ("revoked",), "(no reason given)"),
        host.id: (HOST, ("known",), "edge 7"),
    }
    assert ring.knows(PUBLISHER, bad.id)
    assert not ring.knows(PUBLISHER, b"\xff" * 8)
    assert not ring.knows(HOST, bad.id)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ring = Keyring(tmp_path / "file" / "keys")
    attempts: list[Callable[[], object]] = [
        lambda: ring.generate(HOST),
        lambda: ring.revoke(b"x" * 8),
    ]
    for attempt in attempts:
        with pytest.raises(WriteError, match=r"cannot make .*file/keys: "):
            attempt()
    with pytest.raises(PolyvmError, match=r"file: not a folder; name a folder of keys"):
        Keyring(tmp_path / "file").host_keys()


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    script = """
import resource, sys
from pathlib import Path
from polyvm.host.errors import WriteError
from polyvm.host.sealing.keyring import Keyring, KeyKind
ring = Keyring(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (40, 40))
for act in (lambda: ring.generate(KeyKind.HOST), lambda: ring.revoke(b"x" * 8, "why" * 20)):
    try:
        act()
    except WriteError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "keys"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count("cannot write") == 2
    assert done.stdout.count("File too large") == 2
    assert [path.name for path in (tmp_path / "keys").rglob("*")] == ["revoked"]


def test_files_are_linked_into_place_whole(tmp_path: Path) -> None:
    assert files.create(tmp_path / "a", b"1", private=True)
    assert not files.create(tmp_path / "a", b"2", private=True)
    assert (tmp_path / "a").read_bytes() == b"1"
    assert (tmp_path / "a").stat().st_nlink == 1
