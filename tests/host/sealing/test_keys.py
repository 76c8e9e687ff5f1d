from __future__ import annotations

import base64
import copy
import os
import pickle
import shlex
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from nacl import bindings

from polyvm.host.errors import KeyFileError
from polyvm.host.sealing import files, key_command, keys
from polyvm.host.sealing.keys import KeyKind, PublicKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Seeded

KINDS = list(KeyKind)
SEED = base64.b64encode(bytes(range(32))).decode()
PATIENCE = 60


def secret_text(kind: KeyKind, comment: str = "") -> str:
    return keys.generate(kind, comment).encode_secret().decode()


def private(path: Path, text: str | bytes | bytearray) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(0o600)
    return path


def test_ids_and_public_halves_never_change() -> None:
    """Files in the field carry these; a change would orphan them."""
    publisher = keys.parse_secret(f"polyvm-publisher-secret-1 {SEED} me\n".encode(), "x")
    host = keys.parse_secret(f"polyvm-host-secret-1 {SEED}\n".encode(), "x")
    assert publisher.public_key.encode() == (
        b"polyvm-publisher-public-1 A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg= me\n"
    )
    assert host.public_key.encode() == (
        b"polyvm-host-public-1 j0DFrbaPJWJK5bIU6nZ6bslNgp09e14a0bpvPiE4KF8=\n"
    )
    assert publisher.public_key.text == "7262430b26042331"
    assert host.public_key.text == "4393bcbfcf3ed3b2"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("comment", ["", "a", "Ada's laptop, büro 2", "x" * 200])
def test_a_key_survives_its_files(kind: KeyKind, comment: str) -> None:
    key = keys.generate(kind, comment)
    assert keys.parse_public(key.public_key.encode(), "x") == key.public_key
    again = keys.parse_secret(key.encode_secret(), "x")
    assert again.public_key == key.public_key
    assert again.encode_secret() == key.encode_secret()
    without_newline = key.encode_secret().rstrip(b"\n")
    assert keys.parse_secret(without_newline, "x").id == key.id


def test_the_keys_are_what_libsodium_takes() -> None:
    publisher = keys.generate(KeyKind.PUBLISHER)
    signed = bindings.crypto_sign(b"text", publisher.signing_key_bytes)
    assert bindings.crypto_sign_open(signed, publisher.public_key.public) == b"text"
    host = keys.generate(KeyKind.HOST)
    box = bindings.crypto_box_seal(b"text", host.public_bytes)
    opened = bindings.crypto_box_seal_open(box, host.public_bytes, host.secret_bytes)
    assert opened == b"text"


def test_an_id_depends_on_the_kind() -> None:
    assert keys.key_id(KeyKind.HOST, b"x" * 32) != keys.key_id(KeyKind.PUBLISHER, b"x" * 32)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", r"x: not a key file; line 1 is `polyvm-KIND-secret-1 BASE64 COMMENT`"),
        (SEED, "not a key file"),
        (f" polyvm-host-secret-1 {SEED}", "not a key file"),
        (f"\npolyvm-host-secret-1 {SEED}", "not a key file"),
        (f"polyvm-guest-secret-1 {SEED}", "not a key file"),
        ("polyvm-host-secret-1", "not a key file"),
        ("polyvm-host-secret-1 ", "not the Base64 of 32 bytes"),
        (f"polyvm-host-secret-2 {SEED}", "version 2, but this polyvm reads version 1"),
        (f"polyvm-host-public-1 {SEED}", r"a public key where the secret one belongs; take the \."),
        (f"polyvm-host-secret-1  {SEED}", "not the Base64"),
        (f"polyvm-host-secret-1 {SEED[:-4]}", "not the Base64"),
        (f"polyvm-host-secret-1 {SEED}AAAA", "not the Base64"),
        (f"polyvm-host-secret-1 {SEED[:-1]}", "not the Base64"),
        (f"polyvm-host-secret-1 {SEED[:-2]}9=", "not the Base64"),  # the same bytes, spelled ill
        (f"polyvm-host-secret-1 {SEED.replace('A', '*', 1)}", "not the Base64"),
        (f"polyvm-host-secret-1 {SEED} a\tb", "the comment is not up to 200 printable"),
        (f"polyvm-host-secret-1 {SEED} me\r\n", "the comment is not"),
        (f"polyvm-host-secret-1 {SEED} \udcff", "the comment is not"),
        (f"polyvm-host-secret-1 {SEED} {'x' * 201}", "the comment is not"),
        (f"polyvm-host-secret-1 {SEED}\n\n", "goes on after line 1"),
        (f"polyvm-host-secret-1 {SEED}\n{SEED}\n", "goes on after line 1"),
        (f"polyvm-host-secret-1 {SEED} {'x' * 17000}", "larger than 16384 bytes"),
    ],
)
def test_what_is_no_secret_key_is_refused_and_never_quoted(text: str, sentence: str) -> None:
    with pytest.raises(KeyFileError, match=sentence) as caught:
        keys.parse_secret(text.encode(errors="surrogateescape"), "x")
    assert SEED[:12] not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"polyvm-host-secret-1 {SEED}", "a secret key where the public one belongs; take the "),
        (f"polyvm-host-public-1 {'A' * 43}=", "no key pair can have this public key"),
        (f"polyvm-host-public-1 AQ{'A' * 41}=", "no key pair can have"),
        (f"polyvm-publisher-public-1 {'A' * 43}=", "no key pair can have"),
        (f"polyvm-publisher-public-1 AQ{'A' * 41}=", "no key pair can have"),
        (f"polyvm-host-public-1 {SEED}\nendorsed-by", "a host's key is one line"),
    ],
)
def test_what_is_no_public_key_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(KeyFileError, match=sentence):
        keys.parse_public(text.encode(), "x")


def endorsed() -> tuple[PublicKey, PublicKey]:
    older, newer = keys.generate(KeyKind.PUBLISHER), keys.generate(KeyKind.PUBLISHER).public_key
    endorsement = older.endorse(newer)
    return older.public_key, PublicKey(newer.kind, newer.public, "", (endorsement,))


def test_an_endorsement_holds_for_one_key_by_one_key() -> None:
    older, newer = endorsed()
    other_older, other_newer = endorsed()
    assert keys.parse_public(newer.encode(), "x") == newer
    assert newer.is_endorsed_by(older)
    assert not newer.is_endorsed_by(other_older)
    moved = PublicKey(newer.kind, newer.public, "", other_newer.endorsements)
    assert not moved.is_endorsed_by(other_older)
    both = PublicKey(newer.kind, newer.public, "", (*other_newer.endorsements, *newer.endorsements))
    assert both.is_endorsed_by(older)
    signature = newer.endorsements[0].signature
    for at in (0, 31, 32, 63):
        flipped = bytearray(signature)
        flipped[at] ^= 1
        forged = keys.Endorsement(older.id, bytes(flipped))
        assert not PublicKey(newer.kind, newer.public, "", (forged,)).is_endorsed_by(older)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda line: line + b"\n",
        lambda line: b"\n" + line,
        lambda line: line.replace(b"endorsed-by", b"signed-by"),
        lambda line: line.replace(b"==", b""),
        lambda line: line.rstrip(b"\n") + b" comment\n",
        lambda line: b" " + line,
        lambda line: line + line[:40],
    ],
)
def test_endorsements_are_read_strictly(spoil: Callable[[bytes], bytes]) -> None:
    first, second, _ = endorsed()[1].encode().split(b"\n")
    with pytest.raises(KeyFileError, match=r"x: line [23] is not `endorsed-by KEYID SIGNATURE`"):
        keys.parse_public(first + b"\n" + spoil(second + b"\n"), "x")


def test_mutated_files_are_read_or_refused_in_one_sentence(rand: Seeded) -> None:
    samples = [
        endorsed()[1].encode(),
        keys.generate(KeyKind.HOST, "c").public_key.encode(),
        bytes(keys.generate(KeyKind.PUBLISHER, "c").encode_secret()),
    ]
    refused = 0
    for _ in range(3000):
        text = bytearray(rand.choice(samples))
        for _ in range(rand.randint(1, 3)):
            at = rand.randrange(len(text))
            match rand.randrange(4):
                case 0:
                    text[at] ^= 1 << rand.randrange(8)
                case 1:
                    del text[at : at + rand.randint(1, 40)]
                case 2:
                    text[at:at] = rand.choice([b" ", b"\n", b"\0", b"=", text[at : at + 50]])
                case 3:
                    text[at] = rand.randrange(256)
            text = text or bytearray(b"?")
        for parse in (keys.parse_public, keys.parse_secret):
            try:
                parse(text, "x")
            except KeyFileError as error:
                refused += 1
                assert "\n" not in str(error)
    assert refused > 3000


@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_is_in_no_text_copy_or_pickle(kind: KeyKind) -> None:
    key = keys.generate(kind, "me")
    encoded = key.encode_secret().split(b" ")[1].decode()
    secret = base64.b64decode(encoded)
    for text in (repr(key), str(key), f"{key}", repr([key]), repr(vars(type(key)))):
        assert encoded[:8] not in text
        assert repr(secret)[2:10] not in text
        assert secret.hex()[:8] not in text
    for duplicate in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="neither copied nor pickled"):
            duplicate(key)


@pytest.mark.parametrize("kind", KINDS)
def test_a_wiped_key_is_zeros_and_of_no_use(kind: KeyKind) -> None:
    key = keys.generate(kind)
    secret = key._secret
    assert any(secret)
    key.wipe()
    assert not any(secret)
    with pytest.raises(ValueError, match="was wiped"):
        key.encode_secret()
    key.wipe()


def test_what_was_read_is_wiped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytearray] = []
    read = files.read

    def spy(path: Path, *, private: bool) -> bytearray:
        seen.append(read(path, private=private))
        return seen[-1]

    monkeypatch.setattr(files, "read", spy)
    good = private(tmp_path / "good", secret_text(KeyKind.HOST))
    keys.load_secret(str(good), KeyKind.HOST)
    bad = private(tmp_path / "bad", secret_text(KeyKind.HOST) + "?")
    with pytest.raises(KeyFileError):
        keys.load_secret(str(bad), KeyKind.HOST)
    assert [any(text) for text in seen] == [False, False]
    assert len(seen[0]) > 60


@pytest.mark.parametrize("scheme", ["", "file:"])
def test_load_from_a_file(tmp_path: Path, scheme: str) -> None:
    key = keys.generate(KeyKind.HOST, "me")
    path = private(tmp_path / "env:a", key.encode_secret())
    if scheme == "":
        path = path.rename(tmp_path / "a:b")
    loaded = keys.load_secret(f"{scheme}{path}", KeyKind.HOST)
    assert loaded.public_key == key.public_key
    assert loaded.secret_bytes == key.secret_bytes


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o602, 0o666, 0o644])
def test_a_secret_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = private(tmp_path / "a.key", secret_text(KeyKind.HOST))
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=r"run `(chmod 600 .*)`") as caught:
        keys.load_secret(str(path), KeyKind.HOST)
    subprocess.run(shlex.split(str(caught.value).split("`")[1]), check=True)
    keys.load_secret(str(path), KeyKind.HOST)


def test_files_that_are_no_key_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)
    private(tmp_path / "large", b"x" * 16385)
    private(tmp_path / "empty", b"")
    private(tmp_path / "publisher", secret_text(KeyKind.PUBLISHER))
    for name, sentence in {
        "fifo": "not a regular file",
        "folder": "not a regular file",
        "large": "larger than 16384 bytes",
        "empty": "not a key file",
        "absent": "cannot be read: No such file",
        "publisher": "a publisher's key where a host's belongs; .* `polyvm keygen host`",
    }.items():
        with pytest.raises(KeyFileError, match=f"{tmp_path / name}: {sentence}"):
            keys.load_secret(str(tmp_path / name), KeyKind.HOST)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = private(tmp_path / "a.key", secret_text(KeyKind.HOST))
    os.chown(path, 12345, -1)
    with pytest.raises(KeyFileError, match=r"a\.key: belongs to user 12345"):
        keys.load_secret(str(path), KeyKind.HOST)


def test_load_from_the_environment_takes_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", secret_text(KeyKind.PUBLISHER, "me"))
    assert keys.load_secret("env:A_KEY", KeyKind.PUBLISHER).public_key.comment == "me"
    left = subprocess.run(["env"], capture_output=True, text=True, check=True).stdout
    assert "polyvm-publisher-secret" not in left
    with pytest.raises(KeyFileError, match=r"env:A_KEY: no such variable, or an empty one"):
        keys.load_secret("env:A_KEY", KeyKind.PUBLISHER)
    for value in ("", "x", "polyvm"):
        monkeypatch.setenv("A_KEY", value)
        with pytest.raises(KeyFileError, match=r"^env:A_KEY: "):
            keys.load_secret("env:A_KEY", KeyKind.PUBLISHER)


def test_load_from_a_command() -> None:
    text = secret_text(KeyKind.HOST, "a b").strip()
    key = keys.load_secret(f"cmd:echo {shlex.quote(text)} | cat", KeyKind.HOST)
    assert key.public_key.comment == "a b"


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("echo wrong pass >&2; echo more >&2; exit 3", r"cmd:echo: exit code 3 \(wrong pass\)"),
        ("exit 4", r"cmd:exit: exit code 4 \(it says nothing\)"),
        ("/no/such/program", "cmd:/no/such/program: exit code 127"),
        ("kill -9 $$", "cmd:kill: exit code -9"),
        ("TOKEN=hunter2 false", r"^cmd: exit code 1 \(it"),
        ("true", "cmd:true: prints nothing"),
        ("printf x", "cmd:printf: not a key file"),
        ("cat /dev/zero", "cmd:cat: prints more than 16384 bytes"),
        ("cat", "cmd:cat: prints nothing"),  # it has no input
        ("head -c 300000 /dev/zero >&2; printf x", "cmd:head: not a key file"),
    ],
)
def test_commands_that_give_no_key(command: str, sentence: str) -> None:
    with pytest.raises(KeyFileError, match=sentence) as caught:
        keys.load_secret(f"cmd:{command}", KeyKind.HOST)
    assert "hunter2" not in str(caught.value)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("closing", ["", "exec >&- 2>&-;"])
def test_a_command_that_hangs_is_stopped_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closing: str
) -> None:
    monkeypatch.setattr(key_command, "_SECONDS", 0.5)
    note = tmp_path / "pids"
    command = f"sleep 1000 & echo $$ $! > {note}; {closing} wait"
    with pytest.raises(KeyFileError, match=r"cmd:sleep: not done after 0\.5 s"):
        keys.load_secret(f"cmd:{command}", KeyKind.HOST)
    pids = [int(pid) for pid in note.read_text().split()]
    assert len(pids) == 2
    end = time.monotonic() + PATIENCE
    while any(map(running, pids)):
        assert time.monotonic() < end, "the command is still running"


def test_no_secret_on_the_way_of_a_command_reaches_an_error() -> None:
    text = secret_text(KeyKind.PUBLISHER).strip()
    secret = text.split(" ")[1]
    for command in (f"echo {text}", f"echo {text}; exit 1", f"echo {text} {text} '\t'"):
        with pytest.raises(KeyFileError) as caught:
            keys.load_secret(f"cmd:{command}", KeyKind.HOST)
        assert secret not in str(caught.value)
