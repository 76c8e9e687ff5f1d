from __future__ import annotations

import base64
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from polyvm.host import packer
from polyvm.host.errors import (
    BundleError,
    ExitCode,
    ExpiredError,
    KeyFileError,
    NotRecipientError,
    PlainRefusedError,
    RevokedPublisherError,
    RollbackError,
    SealedFormatError,
    SignatureError,
    StateFileError,
    UnknownPublisherError,
)
from polyvm.host.sealing import keys
from polyvm.host.sealing.keys import KeyKind
from polyvm.vm import Outcome, Vm
from tests.host.site import CREATED, Clock, Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from polyvm.host.errors import PolyvmError


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_sealed_bundle_runs_and_says_whose_it_is(site: Site, tmp_path: Path) -> None:
    path = site.seal(tmp_path / "a.bundle", 7, expires=CREATED + 10)
    admission = site.admission(require_sealed=True)
    bundle = site.load(path, admission)
    admission.admit(bundle)
    assert bundle.source == path
    assert bundle.seal is not None
    assert bundle.seal.publisher == site.publisher.public_key.text
    assert (bundle.seal.sequence, bundle.seal.created) == (7, CREATED)
    with Vm() as vm:
        vm.load(bundle.program)
        payload = msgspec.msgpack.encode([1, "x"])
        assert vm.call(payload) == (Outcome.DONE, payload)


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_one_rule_broken(site: Site, tmp_path: Path) -> None:
    other_host = keys.generate(KeyKind.HOST).public_key
    revoked = site.new_publisher()
    site.keyring.revoke(revoked.id, "key was lost")
    stranger = site.new_publisher(trusted=False)
    cases: list[tuple[type[PolyvmError], str, dict[str, object]]] = [
        (UnknownPublisherError, "is not trusted here", {"publisher": stranger}),
        (RevokedPublisherError, "key was lost", {"publisher": revoked}),
        (NotRecipientError, other_host.text, {"recipients": [other_host]}),
        (ExpiredError, "expired on 2030-03-17 at 17:46 UTC", {"expires": CREATED}),
    ]
    for number, (error, words, fields) in enumerate(cases):
        path = site.seal(tmp_path / f"{number}.bundle", number + 1, **fields)  # type: ignore[arg-type]
        with pytest.raises(error, match=words) as caught:
            site.load(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)
        assert caught.value.code is ExitCode.UNTRUSTED


def test_bytecode_of_another_python(site: Site, tmp_path: Path) -> None:
    path = site.seal(tmp_path / "a.bundle", 1)
    admission = site.admission()
    admission.magic = b"\x01\x02\r\n"
    with pytest.raises(BundleError, match="compiled for another Python"):
        site.load(path, admission)


def test_changed_file_is_refused_wherever_the_change_is(site: Site, tmp_path: Path) -> None:
    path = site.seal(tmp_path / "a.bundle", 1)
    size = path.stat().st_size
    for at in range(0, size, 5):
        flip(path, at)
        # A change of the header may also make it name another publisher or recipient.
        with pytest.raises((SignatureError, SealedFormatError, UnknownPublisherError, BundleError)):
            site.load(path)
        flip(path, at)
    assert site.load(path).seal is not None


def test_rules_come_in_their_order(site: Site, tmp_path: Path) -> None:
    """Nothing is said of a time or a recipient before the signature is known to be right."""
    other = [keys.generate(KeyKind.HOST).public_key]
    stranger = site.new_publisher(trusted=False)
    path = site.seal(tmp_path / "a", 1, publisher=stranger, recipients=other, expires=1)
    flip(path, path.stat().st_size - 1)
    with pytest.raises(UnknownPublisherError):
        site.load(path)
    site.trust(stranger)
    with pytest.raises(SignatureError):
        site.load(path)
    flip(path, path.stat().st_size - 1)
    with pytest.raises(ExpiredError):
        site.load(path)
    path = site.seal(tmp_path / "b", 1, publisher=stranger, recipients=other)
    with pytest.raises(NotRecipientError):
        site.load(path)


def test_plain_is_refused_where_sealed_is_required(
    site: Site, make_task: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_task("a")
    bundle = packer.pack(folder, tmp_path)
    bytecode = tmp_path / "bytecode"
    shutil.unpack_archive(bundle, bytecode, "zip")
    for path in (folder, bundle, bytecode):
        assert site.load(path).seal is None
    shutil.rmtree(site.folder / "packed")
    for path in (folder, bundle, bytecode):
        with pytest.raises(PlainRefusedError, match=r"not sealed.*`polyvm seal`"):
            site.load(path, site.admission(require_sealed=True))
    assert not (site.folder / "packed").exists()


def test_older_than_what_was_live_is_a_rollback(site: Site, tmp_path: Path) -> None:
    admission = site.admission()
    old, new = (site.load(site.seal(tmp_path / str(n), n), admission) for n in (1, 2))
    admission.admit(old)
    admission.admit(new)
    admission.admit(new)
    for process in (admission, site.admission()):
        with pytest.raises(RollbackError, match=r"1: task 'a': sequence 1 is older than 2"):
            process.admit(old)
    other = site.load(site.seal(tmp_path / "other", 2, version="2.0"), admission)
    with pytest.raises(RollbackError, match="another bundle with the same sequence"):
        admission.admit(other)
    site.admission(allow_downgrade=True).admit(old)
    with pytest.raises(RollbackError):
        site.admission().admit(old)  # the mark has stayed
    admission.admit(site.load(site.seal(tmp_path / "b", 1, name="b"), admission))


def test_expired_stays_expired_when_the_clock_is_set_back(site: Site, tmp_path: Path) -> None:
    path = site.seal(tmp_path / "a.bundle", 1, expires=CREATED + 10)
    clock = Clock(CREATED + 10)
    admission = site.admission(clock)
    with pytest.raises(ExpiredError):
        site.load(path, admission)
    clock.seconds = CREATED
    with pytest.raises(ExpiredError):
        site.load(path, admission)
    # What another process sees is what was recorded when some bundle went live.
    clock.seconds = CREATED + 10
    admission.admit(site.load(site.seal(tmp_path / "b.bundle", 1, name="b"), admission))
    with pytest.raises(ExpiredError):
        site.load(path, site.admission(Clock(CREATED)))


def test_what_is_live_may_lose_its_right_to_run(site: Site, tmp_path: Path) -> None:
    clock = Clock()
    admission = site.admission(clock)
    other = site.new_publisher()
    expiring = site.load(site.seal(tmp_path / "a", 1, expires=CREATED + 5), admission)
    lasting = site.load(site.seal(tmp_path / "b", 1, name="b", publisher=other), admission)
    assert not admission.refresh()
    assert admission.objection(expiring) is admission.objection(lasting) is None
    clock.seconds += 5
    assert not admission.refresh()
    assert isinstance(admission.objection(expiring), ExpiredError)
    assert admission.objection(lasting) is None
    revocation = site.keyring.revoke(other.id)
    assert admission.refresh()
    assert isinstance(admission.objection(lasting), RevokedPublisherError)
    revocation.unlink()
    assert admission.refresh()
    assert admission.objection(lasting) is None
    for file in (site.keys / "trusted").iterdir():
        file.unlink()
    assert admission.refresh()
    assert isinstance(admission.objection(lasting), UnknownPublisherError)


def test_state_that_is_damaged_later_does_not_end_what_is_live(site: Site, tmp_path: Path) -> None:
    clock = Clock()
    admission = site.admission(clock)
    bundle = site.load(site.seal(tmp_path / "a", 1, expires=CREATED + 5), admission)
    admission.admit(bundle)
    (site.state / "sequences.json").write_text("{")
    admission.refresh()
    assert admission.objection(bundle) is None
    for refused in (lambda: admission.admit(bundle), lambda: site.load(tmp_path / "a")):
        with pytest.raises(StateFileError):
            refused()
    clock.seconds += 5
    admission.refresh()
    assert isinstance(admission.objection(bundle), ExpiredError)


def test_who_meets_nothing_sealed_needs_no_keys(
    site: Site, make_task: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A user without a home: where keys and state would be is not even asked.
    for name in ("POLYVM_KEYS", "POLYVM_STATE", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delattr(Path, "home")
    site.keys.chmod(0o777)  # a key folder that others can write to is refused once it is used
    for policy in ({}, {"keys": None, "state": None}):
        admission = site.admission(**policy)
        bundle = site.load(make_task("a"), admission)
        assert not admission.refresh()
        assert admission.objection(bundle) is None
        admission.admit(bundle)
    assert not site.state.exists()
    with pytest.raises(KeyFileError, match="others than its owner can write"):
        site.load(site.seal(tmp_path / "a.bundle", 1))


def test_host_keys_from_elsewhere(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = site.seal(tmp_path / "a.bundle", 1)
    file = site.host_file.rename(tmp_path / "host.key")
    with pytest.raises(NotRecipientError, match="this host has no key"):
        site.load(path)
    monkeypatch.setenv("HOST_KEY", file.read_text())
    for spec in (str(file), f"file:{file}", f"cmd:cat {file}", "env:HOST_KEY"):
        assert site.load(path, site.admission(host_keys=(spec,))).seal is not None
    other = keys.generate(KeyKind.HOST)
    monkeypatch.setenv("HOST_KEY", other.encode_secret().decode())
    both = site.admission(host_keys=("env:HOST_KEY", str(file)))
    assert site.load(path, both).seal is not None
    with pytest.raises(KeyFileError, match="no such variable"):
        site.admission(host_keys=("env:HOST_KEY",))  # it was taken out of the environment


def test_new_host_key_is_found_without_a_restart(site: Site, tmp_path: Path) -> None:
    admission = site.admission()
    site.load(site.seal(tmp_path / "a.bundle", 1), admission)
    known = site.keyring.known_hosts()
    site.keyring.rotate(KeyKind.HOST)
    (newer,) = [key for key in site.keyring.known_hosts() if key not in known]
    path = site.seal(tmp_path / "b.bundle", 2, recipients=[newer])
    with pytest.raises(NotRecipientError):
        site.load(path, admission)
    assert admission.refresh()
    assert site.load(path, admission).seal is not None


def test_who_holds_host_keys_leaves_no_core_dump(site: Site, tmp_path: Path) -> None:
    """In a process of its own, as nothing turns it back."""
    path = site.seal(tmp_path / "a.bundle", 1)
    script = f"""
import ctypes, resource
from pathlib import Path
from polyvm.host.admission import Admission, Policy
from polyvm.vm import info
get = 3  # PR_GET_DUMPABLE
admission = Admission(
    Policy(keys=Path({str(site.keys)!r}), state=Path({str(site.state)!r})), info().bytecode_magic
)
before = ctypes.CDLL(None).prctl(get)
admission.open(Path({str(path)!r}))
print(before, ctypes.CDLL(None).prctl(get), resource.getrlimit(resource.RLIMIT_CORE)[0])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "1 0 0", done.stderr


def test_secrets_stay_out_of_errors(site: Site, tmp_path: Path) -> None:
    path = site.seal(tmp_path / "a.bundle", 1)
    secret = site.host_file.read_text().split()[1]
    broken = tmp_path / "broken.key"
    broken.write_text(site.host_file.read_text().replace(secret, secret[:-2]))
    broken.chmod(0o600)
    with pytest.raises(KeyFileError) as caught:
        site.admission(host_keys=(str(broken),))
    assert secret[:8] not in str(caught.value)
    admission = site.admission()
    site.load(path, admission)
    raw = base64.b64decode(secret)
    assert all(word not in repr(vars(admission)) for word in (secret, raw.hex(), repr(raw)))
