"""Circuit breakers in the host: rules from manifests, state over restarts, the library's terms."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cffi
import msgspec
import pytest

from polyvm.host import breakers
from polyvm.host.breakers import BreakerFile, Hold, Policy, Reason, Rules, Snapshot, State, policy
from polyvm.host.errors import ManifestError, StateFileError
from tests.conftest import REPOSITORY

SECOND = 10**9
NOW = 1_700_000_000 * SECOND
SOURCES = REPOSITORY / "vm" / "src"


def rules(text: str) -> Rules:
    return msgspec.convert(tomllib.loads(text), Rules)


def snapshot(**fields: Any) -> Snapshot:
    seen: dict[str, Any] = dict.fromkeys(Snapshot.__struct_fields__, 0)
    seen |= {"state": State.CLOSED, "hold": Hold.AUTO, "reason": Reason.NONE, "crash_age_ns": ()}
    return Snapshot(**(seen | fields))


OPEN = snapshot(
    state=State.OPEN,
    reason=Reason.TIMEOUTS,
    failures=7,
    timeouts=3,
    openings=2,
    opened=9,
    age_ns=4 * SECOND,
    remaining_ns=6 * SECOND,
    crash_age_ns=(50 * SECOND, 5),
    changes=1,
)


# Rules of a manifest


def test_defaults() -> None:
    assert policy(rules(""), "task.toml") == Policy(
        consecutive=10,
        rate_percent=50,
        min_calls=100,
        timeouts=3,
        crashes=2,
        trials=1,
        window_ns=60 * SECOND,
        crash_window_ns=3600 * SECOND,
        open_ns=5 * SECOND,
        max_open_ns=300 * SECOND,
        trial_wait_ns=300 * SECOND,
    )


def test_every_field() -> None:
    text = """
    consecutive = 1
    rate = 2
    window = "3s"
    min_calls = 4
    timeouts = 5
    crashes = 6
    crash_window = "7s"
    open = "8ms"
    max_open = "9s"
    trials = 10
    trial_wait = "0s"
    """
    assert policy(rules(text), "task.toml") == Policy(
        1, 2, 4, 5, 6, 10, 3 * SECOND, 7 * SECOND, 8_000_000, 9 * SECOND, 0
    )


@pytest.mark.parametrize(
    "text",
    [
        "consecutive = -1",
        "consecutive = true",
        "rate = 101",
        "crashes = 17",
        "trials = 0",
        "window = 60",
        "open = 5.0",
        "retries = 3",
    ],
)
def test_types_and_ranges(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        rules(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('window = "60"', "m: breaker.window '60' must be a number and one of ms, s, m, h"),
        ('open = "-1s"', "m: breaker.open '-1s' must be a number"),
        ('window = "0.9ms"', "m: breaker.window '0.9ms' is too short; use 1ms or more"),
        ('open = "0s"', "m: breaker.open '0s' would let the task go on at once"),
        ('max_open = "4.9s"', "m: breaker.max_open '4.9s' is shorter than breaker.open '5s'"),
    ],
)
def test_what_makes_no_sense_is_said(text: str, sentence: str) -> None:
    with pytest.raises(ManifestError, match=f"^{re.escape(sentence)}"):
        policy(rules(text), "m")


# State over restarts


def test_nothing_is_kept_where_nothing_was(tmp_path: Path) -> None:
    file = BreakerFile(tmp_path / "a" / "state")
    assert file.load() == {}
    assert not file.save({"a": snapshot()})
    assert not (tmp_path / "a").exists()


def test_the_time_of_a_restart_goes_by(tmp_path: Path) -> None:
    assert BreakerFile(tmp_path).save({"a": OPEN}, lambda: NOW)
    kept = BreakerFile(tmp_path).load(lambda: NOW + 4 * SECOND)["a"]
    assert (kept.state, kept.hold, kept.reason) == (State.OPEN, Hold.AUTO, Reason.TIMEOUTS)
    assert (kept.failures, kept.timeouts, kept.openings, kept.opened) == (7, 3, 2, 9)
    assert (kept.age_ns, kept.remaining_ns) == (8 * SECOND, 2 * SECOND)
    assert kept.crash_age_ns == (54 * SECOND, 4 * SECOND + 5)
    assert BreakerFile(tmp_path).load(lambda: NOW + 7 * SECOND)["a"].remaining_ns == 0


def test_a_clock_set_back_does_not_prolong_a_cool_down(tmp_path: Path) -> None:
    BreakerFile(tmp_path).save({"a": OPEN}, lambda: NOW)
    kept = BreakerFile(tmp_path).load(lambda: NOW - 3600 * SECOND)["a"]
    assert (kept.age_ns, kept.remaining_ns) == (OPEN.age_ns, OPEN.remaining_ns)


def test_ages_stay_in_range(tmp_path: Path) -> None:
    old = msgspec.structs.replace(OPEN, age_ns=2**63 - 1, crash_age_ns=(2**63 - 2,))
    BreakerFile(tmp_path).save({"a": old}, lambda: NOW)
    kept = BreakerFile(tmp_path).load(lambda: NOW + SECOND)["a"]
    assert (kept.age_ns, kept.crash_age_ns) == (2**63 - 1, (2**63 - 1,))


def test_only_changes_are_written(tmp_path: Path) -> None:
    file = BreakerFile(tmp_path)
    assert file.save({"a": OPEN, "b": snapshot()})
    before = (tmp_path / "breakers.json").stat().st_ino
    assert not file.save({"a": msgspec.structs.replace(OPEN, refused=5, age_ns=9), "b": snapshot()})
    assert (tmp_path / "breakers.json").stat().st_ino == before
    assert file.save({"a": msgspec.structs.replace(OPEN, opened=10, changes=2)})
    assert file.load()["a"].opened == 10


def test_a_failed_save_is_tried_again(tmp_path: Path) -> None:
    file = BreakerFile(tmp_path)
    (tmp_path / "breakers.new").mkdir()
    with pytest.raises(StateFileError, match=r"cannot be written: .*; the old state is kept"):
        file.save({"a": OPEN})
    (tmp_path / "breakers.new").rmdir()
    assert file.save({"a": OPEN})
    assert set(file.load()) == {"a"}


def test_a_breaker_without_a_past_is_dropped(tmp_path: Path) -> None:
    file = BreakerFile(tmp_path)
    crashed = snapshot(crash_age_ns=(1,), failures=1, changes=1)
    held = snapshot(hold=Hold.HOLD_CLOSED, changes=1)
    file.save({"a": crashed, "b": held})
    assert set(file.load()) == {"a", "b"}
    assert file.save({"a": snapshot(changes=2), "b": held})
    assert set(file.load()) == {"b"}


def test_two_hosts_share_a_folder(tmp_path: Path) -> None:
    def work(host: int) -> None:
        file = BreakerFile(tmp_path)
        for n in range(5):
            file.save({f"task-{host}": msgspec.structs.replace(OPEN, opened=n, changes=n + 1)})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    kept = BreakerFile(tmp_path).load()
    assert {name: each.opened for name, each in kept.items()} == {f"task-{n}": 4 for n in range(4)}


def test_operators_can_read_the_file(tmp_path: Path) -> None:
    held = snapshot(state=State.OPEN, hold=Hold.HOLD_OPEN, reason=Reason.OPERATOR, changes=1)
    BreakerFile(tmp_path).save({"a": held}, lambda: NOW)
    content = json.loads((tmp_path / "breakers.json").read_text())
    assert content["format"] == 1
    entry = content["breakers"]["a"]
    assert (entry["state"], entry["hold"], entry["reason"]) == ("open", "open", "operator")
    assert entry["at"] == NOW
    assert (tmp_path / "breakers.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"state": "ajar"}, "Invalid enum value"),
        ({"age_ns": -1}, ">= 0"),
        ({"remaining_ns": 2**63}, "<= 9223372036854775807|out of range"),
        ({"crash_age_ns": [0] * 17}, "length <= 16"),
        ({"spare": 1}, "unknown field"),
        ({"reason": "none"}, "the breaker of 'a' contradicts itself"),
    ],
)
def test_what_polyvm_does_not_write_is_refused(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    BreakerFile(tmp_path).save({"a": OPEN})
    path = tmp_path / "breakers.json"
    content = json.loads(path.read_text())
    content["breakers"]["a"] |= change
    path.write_text(json.dumps(content))
    with pytest.raises(StateFileError, match=rf"breakers\.json: not the state .*({sentence})"):
        BreakerFile(tmp_path).load()


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    BreakerFile(tmp_path).save({"a": OPEN})
    path = tmp_path / "breakers.json"
    whole = path.read_bytes()
    for end in range(len(whole.rstrip())):
        path.write_bytes(whole[:end])
        with pytest.raises(StateFileError, match="or delete it to begin with every circuit"):
            BreakerFile(tmp_path).save({"b": OPEN})
    path.write_bytes(whole.replace(b'"format": 1', b'"format": 2'))
    with pytest.raises(StateFileError, match="format 2, but this polyvm reads 1"):
        BreakerFile(tmp_path).load()


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "breakers.json").mkdir()
    with pytest.raises(StateFileError, match="cannot be read: Is a directory"):
        BreakerFile(tmp_path).load()


# The library's side


def declarations() -> str:
    """The data that both sides share, as the C header declares it."""
    header = (REPOSITORY / "vm" / "include" / "vm.h").read_text()
    start, end = (
        header.index("#define PVM_BREAKER_CRASHES_MAX"),
        header.index("/* How a task's invocations are treated."),
    )
    text = re.sub(r"/\*.*?\*/", "", header[start:end], flags=re.DOTALL)
    return re.sub(r"(#define \w+ \d+)u\b", r"\1", text)


class Library:
    """breaker.c alone, and one breaker."""

    def __init__(self, folder: Path) -> None:
        library = folder / "breaker.so"
        command = ["gcc", "-shared", "-fPIC", "-std=gnu11", "-D_GNU_SOURCE", "-O1"]
        command += [f"-I{SOURCES}", f"-I{REPOSITORY / 'vm' / 'include'}", "-o", str(library)]
        subprocess.run([*command, str(SOURCES / "breaker.c"), "-lpthread"], check=True)
        self.ffi = cffi.FFI()
        self.ffi.cdef(
            declarations()
            + """
            void pvm_breaker_init(void *breaker, uint64_t now);
            int pvm_breaker_set_policy(void *breaker, const pvm_breaker_policy *policy);
            uint64_t pvm_breaker_admit(void *breaker, uint64_t now);
            int pvm_breaker_note(void *breaker, uint64_t now, uint64_t token, int outcome);
            void pvm_breaker_read(void *breaker, uint64_t now, pvm_breaker_snapshot *snapshot);
            int pvm_breaker_restore(void *breaker, uint64_t now,
                                    const pvm_breaker_snapshot *snapshot);
            """
        )
        self.lib: Any = self.ffi.dlopen(str(library))
        self.memory = self.ffi.new("char[]", 64 * 1024)
        address = int(self.ffi.cast("uintptr_t", self.memory))
        self.breaker = self.ffi.cast("void *", (address + 63) // 64 * 64)
        self.begin(0)

    def begin(self, now: int) -> None:
        self.lib.pvm_breaker_init(self.breaker, now)
        made = self.ffi.new("pvm_breaker_policy *", policy(rules(""), "m")._asdict())
        assert self.lib.pvm_breaker_set_policy(self.breaker, made) == 0

    def read(self, now: int) -> Snapshot:
        seen = self.ffi.new("pvm_breaker_snapshot *")
        self.lib.pvm_breaker_read(self.breaker, now, seen)
        return Snapshot.of(seen)

    def restore(self, now: int, kept: breakers.Kept) -> int:
        numbers = self.ffi.new("pvm_breaker_snapshot *", kept.numbers())
        return int(self.lib.pvm_breaker_restore(self.breaker, now, numbers))

    def crash(self, now: int) -> None:
        token = self.lib.pvm_breaker_admit(self.breaker, now)
        self.lib.pvm_breaker_note(self.breaker, now, token, 4)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    return Library(tmp_path_factory.mktemp("breaker"))


def test_both_sides_name_the_same(library: Library) -> None:
    ffi = library.ffi

    def names(kind: str) -> list[str]:
        found = ffi.typeof(f"pvm_breaker_{kind}").elements
        return [found[n].removeprefix("PVM_BREAKER_") for n in range(len(found))]

    assert names("state") == [each.name for each in State]
    assert names("hold") == [each.name for each in Hold]
    assert names("reason") == [each.name for each in Reason]
    fields = ffi.typeof("pvm_breaker_policy").fields
    assert [name for name, _ in fields or []] == list(Policy._fields)
    seen = {name for name, _ in ffi.typeof("pvm_breaker_snapshot").fields or []}
    assert seen == {*Snapshot.__struct_fields__, "crashes"}
    assert library.lib.PVM_BREAKER_CRASHES_MAX == breakers.MAX_CRASHES
    assert library.lib.PVM_BREAKER_WINDOW_MIN == breakers.MIN_WINDOW_NS


def test_a_crash_outlives_the_process(library: Library, tmp_path: Path) -> None:
    library.begin(SECOND)
    file = BreakerFile(tmp_path)
    assert not file.save({"a": library.read(SECOND)})
    library.crash(2 * SECOND)
    assert file.save({"a": library.read(2 * SECOND)}, lambda: NOW)

    library.begin(9)
    assert library.restore(9, BreakerFile(tmp_path).load(lambda: NOW + SECOND)["a"]) == 0
    library.crash(10)
    seen = library.read(10)
    assert (seen.state, seen.reason, seen.opened) == (State.OPEN, Reason.CRASHES, 1)
    assert seen.remaining_ns == 5 * SECOND
    assert seen.crash_age_ns == (SECOND + 1, 0)
    assert file.save({"a": seen}, lambda: NOW)

    library.begin(3)
    kept = BreakerFile(tmp_path).load(lambda: NOW + 2 * SECOND)["a"]
    assert library.restore(3, kept) == 0
    assert library.read(3).remaining_ns == 3 * SECOND


def test_both_sides_take_the_same_states(library: Library, tmp_path: Path) -> None:
    for state, hold, reason in itertools.product(State, Hold, Reason):
        kept = snapshot(state=state, hold=hold, reason=reason, opened=1, changes=1)
        BreakerFile(tmp_path).save({"a": kept})
        try:
            taken = bool(BreakerFile(tmp_path).load())
        except StateFileError:
            taken = False
        (tmp_path / "breakers.json").unlink()
        assert taken == (library.restore(0, kept) == 0), (state, hold, reason)


def test_words_and_numbers(library: Library) -> None:
    numbers = OPEN.numbers()
    assert (numbers["state"], numbers["hold"], numbers["reason"]) == (1, 0, 3)
    whole = {name: getattr(OPEN, name) for name in Snapshot.__struct_fields__} | numbers
    assert Snapshot.of(SimpleNamespace(**whole)) == OPEN
    assert library.ffi.new("pvm_breaker_snapshot *", numbers).crashes == 2
