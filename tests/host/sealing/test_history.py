from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from polyvm.host.errors import RollbackError, StateFileError
from polyvm.host.sealing.history import History, default_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Seeded

ONE, TWO = b"\1" * 32, b"\2" * 32
DAY = 86400
NOW = 1_800_000_000


def clock() -> float:
    return NOW + 0.5


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "a" / "state")


def state_file(history: History) -> Path:
    return history.folder / "sequences.json"


def run(script: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_default_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POLYVM_STATE", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/h")
    assert default_folder() == Path("/h/.local/state/polyvm")
    monkeypatch.setenv("XDG_STATE_HOME", "/s")
    assert default_folder() == Path("/s/polyvm")
    monkeypatch.setenv("POLYVM_STATE", "/k")
    assert default_folder() == Path("/k")


def test_nothing_was_seen_where_there_is_no_state(history: History) -> None:
    history.check("a", 1, ONE)
    assert history.now(clock) == NOW + 0.5
    assert not history.folder.exists()


def test_what_is_older_than_the_mark_is_a_rollback(history: History) -> None:
    history.record("a", 5, ONE, NOW, clock)
    for look in (history, History(history.folder)):
        look.check("a", 5, ONE)
        look.check("a", 6, TWO)
        look.check("b", 1, TWO)
        with pytest.raises(RollbackError, match="task 'a': sequence 4 is older than 5, which was"):
            look.check("a", 4, ONE)
        with pytest.raises(RollbackError, match=r"task 'a': another bundle .* same sequence 5 "):
            look.check("a", 5, TWO)


def test_record_only_raises_marks(history: History) -> None:
    history.record("a", 5, ONE, NOW, clock)
    history.record("b", 2**63 - 1, ONE, NOW, clock)
    before = state_file(history).read_bytes()
    with pytest.raises(RollbackError, match="older"):
        history.record("a", 4, ONE, NOW, clock)
    with pytest.raises(RollbackError, match="same sequence"):
        history.record("a", 5, TWO, NOW, clock)
    history.record("a", 5, ONE, NOW, clock)
    assert state_file(history).read_bytes() == before
    history.record("a", 6, TWO, NOW, clock)
    with pytest.raises(RollbackError, match="older"):
        history.check("a", 5, ONE)


def test_operators_can_read_the_file(history: History) -> None:
    history.record("a", 5, ONE, NOW, clock)
    assert json.loads(state_file(history).read_text()) == {
        "format": 1,
        "latest": NOW,
        "tasks": {"a": {"sequence": 5, "digest": ONE.hex()}},
    }
    assert history.folder.stat().st_mode & 0o777 == 0o700
    assert state_file(history).stat().st_mode & 0o777 == 0o600


def test_time_does_not_go_back(history: History) -> None:
    history.record("a", 1, ONE, NOW - DAY, clock)
    assert History(history.folder).now(lambda: 0.0) == NOW
    assert History(history.folder).now(lambda: NOW + 7.5) == NOW + 7.5
    assert history.now(lambda: NOW + 100.0) == NOW + 100
    assert history.now(clock) == NOW + 100


@pytest.mark.parametrize(
    ("created", "latest"), [(NOW + 60, NOW + 60), (NOW + DAY, NOW + DAY), (NOW + DAY + 1, NOW)]
)
def test_a_bundle_s_time_counts_unless_it_is_absurd(
    history: History, created: int, latest: int
) -> None:
    history.record("a", 1, ONE, created, clock)
    assert History(history.folder).now(lambda: 0.0) == latest


def test_the_day_ahead_counts_from_the_latest_time_seen(history: History) -> None:
    history.record("a", 1, ONE, NOW, clock)
    history.record("a", 2, ONE, NOW + 60, lambda: 0.0)  # a host whose clock has lost its battery
    assert History(history.folder).now(lambda: 0.0) == NOW + 60


def refuses(history: History, sentence: str) -> None:
    attempts: list[Callable[[], object]] = [
        lambda: history.check("a", 9, ONE),
        lambda: history.record("a", 9, ONE, NOW, clock),
        lambda: history.now(clock),
    ]
    for attempt in attempts:
        with pytest.raises(StateFileError, match=sentence):
            attempt()


MARK = {"sequence": 1, "digest": "00" * 32}


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        None,
        {"format": 1, "latest": 0, "tasks": []},
        {"format": 1, "latest": 0, "tasks": {}, "more": 1},
        {"format": 1, "latest": -1, "tasks": {}},
        {"format": 1, "latest": "0", "tasks": {}},
        {"format": 1, "latest": 1.5, "tasks": {}},
        {"format": 1, "latest": 0, "tasks": {"a": 1}},
        {"format": 1, "latest": 0, "tasks": {"a": {"sequence": 1}}},
        {"format": 1, "latest": 0, "tasks": {"a": {**MARK, "sequence": 0}}},
        {"format": 1, "latest": 0, "tasks": {"a": {**MARK, "sequence": 2**63}}},
        {"format": 1, "latest": 0, "tasks": {"a": {**MARK, "digest": "00"}}},
        {"format": 1, "latest": 0, "tasks": {"a": {**MARK, "digest": "GG" * 32}}},
        {"format": 1, "latest": 0, "tasks": {"a": {**MARK, "more": 1}}},
    ],
)
def test_a_state_that_polyvm_never_wrote_is_refused_and_kept(
    history: History, content: object
) -> None:
    history.folder.mkdir(parents=True)
    text = json.dumps(content)
    state_file(history).write_text(text)
    refuses(history, r"sequences\.json: not the state as polyvm writes it \(.*\); restore it")
    assert state_file(history).read_text() == text


def test_another_version_is_refused(history: History) -> None:
    history.folder.mkdir(parents=True)
    state_file(history).write_text('{"format": 2, "marks": 1}')
    refuses(history, r"format 2, but this polyvm reads 1")


def test_a_state_cut_anywhere_is_refused(history: History) -> None:
    history.record("a", 5, ONE, NOW, clock)
    whole = state_file(history).read_bytes()
    for length in range(len(whole.rstrip())):
        state_file(history).write_bytes(whole[:length])
        with pytest.raises(StateFileError):
            history.check("a", 9, ONE)
    state_file(history).write_bytes(whole[: len(whole) // 2])
    refuses(history, "not the state as polyvm writes it")


def test_deep_nesting_is_refused(history: History) -> None:
    history.folder.mkdir(parents=True)
    state_file(history).write_text('{"format": ' + "[" * 100_000)
    refuses(history, "not the state as polyvm writes it")


def test_a_state_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refuses(History(tmp_path / "file"), r"file/?.*: cannot be (read|used): ")
    history = History(tmp_path / "state")
    state_file(history).mkdir(parents=True)
    refuses(history, r"sequences\.json: cannot be read: Is a directory")
    history = History(tmp_path / "other")
    history.record("a", 5, ONE, NOW, clock)
    (history.folder / "sequences.new").mkdir()
    with pytest.raises(StateFileError, match=r"cannot be written: .*; the old state is kept"):
        history.record("a", 6, ONE, NOW, clock)
    (history.folder / "sequences.new").rmdir()
    history.record("a", 6, ONE, NOW, clock)


def test_a_link_left_in_the_way_is_not_written_through(history: History, tmp_path: Path) -> None:
    history.record("a", 5, ONE, NOW, clock)
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (history.folder / "sequences.new").symlink_to(victim)
    history.record("a", 6, ONE, NOW, clock)
    assert victim.read_text() == "mine"
    assert not state_file(history).is_symlink()


def test_marks_of_a_thousand_tasks_survive(history: History) -> None:
    tasks = {f"task-{n}": {"sequence": n + 1, "digest": ONE.hex()} for n in range(1000)}
    history.folder.mkdir(parents=True)
    content = {"format": 1, "latest": NOW, "tasks": tasks}
    state_file(history).write_bytes(msgspec.json.encode(content))
    for n in range(30):
        history.record(f"task-{n}", 5000, TWO, NOW, clock)
    for n in range(0, 1000, 7):
        mark = 5000 if n < 30 else n + 1
        history.check(f"task-{n}", mark, TWO if n < 30 else ONE)
        with pytest.raises(RollbackError):
            history.check(f"task-{n}", mark - 1, ONE)


KILLED = """
import json, os, random, signal, sys
from pathlib import Path
from polyvm.host.sealing.history import History

rand = random.Random(int(sys.argv[2]))
history = History(Path(sys.argv[1]))
digest = bytes(32)
history.record("a", 1, digest, 1)
reported = 1
for _ in range(100):
    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        for sequence in range(reported + 1, 10**9):
            history.record("a", sequence, digest, 1)
            os.write(writes, b"%20d" % sequence)
    os.close(writes)
    for _ in range(rand.randint(0, 3)):
        reported = int(os.read(reads, 20))
    for _ in range(rand.randrange(6000)):
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while text := os.read(reads, 20):
        reported = int(text)
    os.close(reads)
    seen = json.loads(Path(sys.argv[1], "sequences.json").read_bytes())["tasks"]["a"]["sequence"]
    assert seen in (reported, reported + 1), (seen, reported)
    reported = seen
print(reported)
"""


def test_a_kill_at_any_moment_loses_nothing(history: History, rand: Seeded) -> None:
    reached = int(run(KILLED, history.folder, rand.start))
    assert reached > 50
    history.check("a", reached, bytes(32))
    names = {path.name for path in history.folder.iterdir()}
    assert names <= {"sequences.json", "sequences.new", "lock"}


TOGETHER = """
import os, sys
from pathlib import Path
from polyvm.host.errors import RollbackError
from polyvm.host.sealing.history import History

children = []
for number in range(4):
    child = os.fork()
    if not child:
        history = History(Path(sys.argv[1]))
        for sequence in range(1, 31):
            history.record(f"own-{number}-{sequence}", sequence, bytes(32), 1)
            try:
                history.record("shared", sequence, bytes([number]) * 32, 1)
            except RollbackError:
                pass
        os._exit(0)
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
"""


def test_processes_do_not_undo_each_other(history: History) -> None:
    run(TOGETHER, history.folder)
    tasks = json.loads(state_file(history).read_text())["tasks"]
    assert len(tasks) == 4 * 30 + 1
    assert tasks["shared"]["sequence"] == 30


FULL = """
import resource, sys
from pathlib import Path
from polyvm.host.errors import StateFileError
from polyvm.host.sealing.history import History

folder = Path(sys.argv[1])
size = (folder / "sequences.json").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
try:
    History(folder).record("one-more", 1, bytes(32), 1)
except StateFileError as error:
    print(error)
"""


def test_a_full_disk_keeps_the_old_state(history: History) -> None:
    for n in range(20):
        history.record(f"task-{n}", 1, ONE, NOW, clock)
    before = state_file(history).read_bytes()
    assert "cannot be written: File too large; the old state is kept" in run(FULL, history.folder)
    assert state_file(history).read_bytes() == before
    assert sorted(path.name for path in history.folder.iterdir()) == ["lock", "sequences.json"]
