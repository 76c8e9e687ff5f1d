"""What stands beside a task that `polyvm.host.dev` opens, as the task's tests use it."""

from __future__ import annotations

import importlib.util
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from polyvm.host import dev
from polyvm.host.errors import ManifestError, MissingError, UsageError, WriteError
from polyvm.host.features import Given
from tests.conftest import write_task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WINDOWS = """
[[tables]]
name = "rows"

[[flows]]
name = "minutes"
from = "events"
steps = [
  {filter = "event == 'buy'"},
  {key_by = "user"},
  {window = {tumbling = "1m"}, columns = {n = "count()"}},
]

[[triggers]]
name = "pair"
key = "user"
sequence = [{type = "view"}, {type = "buy"}]

[[triggers]]
name = "soon"
action = "preload"
sequence = [{type = "view"}]
"""
MAIN = """
import polyvm
rows = polyvm.features("rows")
def run(start):
    if "append" in start:
        return polyvm.append(start["append"])
    return start.get("trigger") or [start["key"], start["row"]["n"]]
def count(user):
    row = rows.get(user)
    rows.put(user, {"n": row["n"] + 1 if row else 1})
    return rows.get(user)["n"]
"""


@pytest.fixture
def folder(make_task: Callable[..., Path]) -> Path:
    return with_manifest(make_task("t", MAIN), WINDOWS)


def with_manifest(folder: Path, more: str) -> Path:
    with (folder / "task.toml").open("a") as file:
        file.write(more)
    return folder


def event(kind: str, user: str, ts: int) -> dict[str, Any]:
    return {"event": kind, "user": user, "ts": ts}


def values(answers: list[dev.Answer]) -> list[Any]:
    assert all(answer.failure is None for answer in answers), answers
    return [answer.value for answer in answers]


def test_events_start_it_and_what_it_appends_does(folder: Path) -> None:
    with dev.opened(folder) as task:
        assert values(task.event(event("view", "ada", 1))) == []
        assert values(task.event(event("buy", "ada", 2), event("buy", "bob", 3))) == ["pair"]
        # Windows that close at one time do so in whatever order their keys have.
        closed = values(task.event(event("buy", "eve", 70)))
        assert sorted(closed) == [["ada", 1], ["bob", 1]]
        given = [event("view", "eve", 71), event("buy", "eve", 72)]
        assert task({"append": given}).value == 2
        assert values(list(task.started())) == ["pair"]
        assert list(task.started()) == []
        assert values(task.finish()) == [["eve", 2]]
        with pytest.raises(UsageError, match="no events are kept"):
            task.kept()


def test_kept_events_and_rows_outlive_the_block(folder: Path, tmp_path: Path) -> None:
    kept = dev.Options(events=tmp_path / "kept")
    with dev.opened(folder, kept) as task:
        task.event(event("view", "ada", 1), event("view", "bob", 2))
        task.features.put("rows", [Given(key="ada", values={"n": 1})])
        with (
            pytest.raises(WriteError, match="events: "),
            dev.opened(folder, kept),
        ):
            pass
    with dev.opened(folder, kept) as task:
        assert [each.event["user"] for each in task.kept()] == ["ada", "bob"]
        assert [each.event["user"] for each in task.kept(sequence=2)] == ["bob"]
        row = task.features.get("rows", "ada")
        assert row is not None
        assert row.values == {"n": 1}
        with pytest.raises(MissingError, match="there is no stream 'none'"):
            task.kept("none")


def test_code_of_the_folder_uses_the_tables_of_whoever_has_opened_it(folder: Path) -> None:
    """As a test beside the task does, which imports it by itself: there is one module for all."""
    spec = importlib.util.spec_from_file_location("its_main", folder / "main.py")
    assert spec is not None
    assert spec.loader is not None
    main = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(main)
    with pytest.raises(RuntimeError, match=r"are a host's: .* polyvm\.host\.dev\.opened"):
        main.count("ada")
    other = write_task(folder.parent / "other", MAIN)
    with_manifest(other, '[[tables]]\nname = "more"\n[[tables]]\nname = "rows"\n')
    for _ in range(2):
        with dev.opened(folder) as task, dev.opened(other) as another:
            assert main.count("ada") == 1
            assert main.count("ada") == 2
            row = task.features.get("rows", "ada")
            assert row is not None
            assert another.features.get("rows", "ada") is None
            with ThreadPoolExecutor(1) as pool:
                assert pool.submit(main.count, "ada").result() == 3
        with pytest.raises(RuntimeError, match="are a host's"):
            main.count("ada")


def test_the_latest_of_two_that_opened_one_folder_counts(folder: Path) -> None:
    calls = "import polyvm\ndef run(_):\n    return polyvm.features('rows').get('a')\n"
    (folder / "main.py").write_text(calls)
    with dev.opened(folder) as first:
        first.features.put("rows", [Given(key="a", values={"n": 1})])
        with dev.opened(folder) as second:
            second.features.put("rows", [Given(key="a", values={"n": 2})])
            assert second(0).value == {"n": 2}
        assert first(0).value == {"n": 1}


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (WINDOWS.replace('n = "count()"', 'n = "nothing(x)"'), "nothing"),
        (WINDOWS + "\n[[flows]]\nname = 'x'\nfrom = 'a'\nsteps = [{window = {count = 3}}]\n", "x"),
    ],
)
def test_a_manifest_that_no_host_takes(
    make_task: Callable[..., Path], manifest: str, words: str
) -> None:
    folder = with_manifest(make_task("t", MAIN), manifest)
    with pytest.raises(ManifestError, match=words), dev.opened(folder) as task:
        task.event(event("view", "ada", 1))


def test_results_that_start_their_own_task_come_to_an_end(
    make_task: Callable[..., Path], tmp_path: Path
) -> None:
    source = "def run(start):\n    return {'event': 'again', 'n': start['event']['n'] + 1}\n"
    folder = with_manifest(
        make_task("t", source),
        'results_into = "round"\n[[triggers]]\nsequence = [{type = "again"}]\n',
    )
    with dev.opened(folder, dev.Options(events=tmp_path / "kept")) as task:
        answers = task.event({"event": "again", "n": 0})
        assert [answer.value["n"] for answer in answers] == list(range(1, 10))
        *others, last = answers
        assert all(answer.failure is None for answer in others)
        assert last.failure is not None
        assert "9 tasks in a row" in last.failure
        assert len(task.kept("round")) == 8
        ((_, _, _, _, letter),) = task.kept("dead-letters")
        assert letter["event"] == {"event": "again", "n": 9}
