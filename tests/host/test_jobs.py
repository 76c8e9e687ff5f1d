"""Jobs as operators write them, and the thread that runs them, with a clock of the test's own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from polyvm.host import operators
from polyvm.host.batch_features import Done, JobError, Stopped
from polyvm.host.errors import ManifestError
from polyvm.host.job_runner import JobRunner
from polyvm.host.jobs import Into, Job
from polyvm.host.schedules import SECOND, Moment
from polyvm.host.timer_keeper import TimerKeeper

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
[[jobs]]
name = "totals"
cron = "0 3 * * *"
timezone = "Europe/Berlin"
at_start = true
missed = "skip"
sql = "select user, sum(price) as total from clicks group by user"
since = "30h"
into = {table = "totals", key = "user", merge = true, remove = true}

[[jobs]]
name = "train"
every = "1h"
jitter = "10s"
task = "trainer"
"""


def read(tmp_path: Path, text: str) -> tuple[Job, ...]:
    (tmp_path / "ops.toml").write_text(text)
    return operators.read(tmp_path / "ops.toml").jobs


def test_what_is_written(tmp_path: Path) -> None:
    totals, train = read(tmp_path, GOOD)
    assert totals.into == Into(table="totals", key="user", merge=True, remove=True)
    assert (train.task, train.sql, train.every) == ("trainer", None, "1h")


SQL = '[[jobs]]\nname = "j"\nevery = "1h"\nsql = "select 1 as k"\n'
INTO = 'into = {table = "t", key = "k"}\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[[jobs]]\nname = "j"\ntask = "t"\n', "either every so often or as cron says"),
        ('[[jobs]]\nname = "j"\nevery = "1h"\ncron = "* * * * *"\ntask = "t"\n', "either every"),
        ('[[jobs]]\nname = "j"\nevery = "1h"\n', "either sql or a task"),
        ('[[jobs]]\nname = "J"\nevery = "1h"\ntask = "t"\n', "lower-case"),
        ('[[jobs]]\nname = "j"\nevery = "1h"\ntask = "t"\n' * 2, "two jobs are called j"),
        ('[[jobs]]\nname = "j"\nevery = "1ms"\ntask = "t"\n', "at least 10ms"),
        ('[[jobs]]\nname = "j"\nevery = "1h"\ntask = "t"\ntimezone = "Asia/Tokyo"\n', "of cron"),
        ('[[jobs]]\nname = "j"\ncron = "x"\ntask = "t"\n', "five fields"),
        ('[[jobs]]\nname = "j"\nevery = "1h"\ntask = "t"\n' + INTO, "into and since are of sql"),
        (SQL, "into says what becomes of the rows"),
        (SQL + INTO + 'task = "t"\n', "either sql or a task"),
        (SQL + INTO + 'since = "0s"\n', "leaves no events"),
        (SQL + INTO + 'since = "ages"\n', "since 'ages' must be"),
        (SQL + 'into = {table = "", key = "k"}\n', "1 to 54 bytes"),
        (SQL + 'into = {table = "t"}\n', "key"),
        (SQL + INTO + "more = 1\n", "more"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ManifestError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "ops.toml"))
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


class Stage:
    """A runner whose clock and queries are the test's."""

    def __init__(self, *jobs: Job, keeper: TimerKeeper | None = None, begin: int = 0) -> None:
        self.now = Moment(5 * SECOND, 1_800_000_000 * SECOND + begin)
        self.ran: list[str] = []
        self.started: list[tuple[str, Any]] = []
        self.answer: Done | Exception = Done(3, 0)
        self.refusal: Exception | None = None
        self.stopping = threading.Event()
        self.runner = JobRunner(
            jobs, self.query, self.start, self.stopping, keeper=keeper, clock=lambda: self.now
        )

    def query(self, job: Job) -> Done:
        self.ran.append(job.name)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def start(self, task: str, payload: bytes) -> Exception | None:
        self.started.append((task, msgspec.msgpack.decode(payload)))
        return self.refusal

    def later(self, seconds: int) -> list[str]:
        self.now = Moment(
            self.now.monotonic_ns + seconds * SECOND, self.now.wall_ns + seconds * SECOND
        )
        self.ran.clear()
        self.runner.look()
        return self.ran.copy()


HOURLY = Job(name="hourly", every="1h", sql="select 1", into=Into(table="t", key="k"))
TRAIN = Job(name="train", every="30m", task="trainer")


def test_jobs_run_at_their_times() -> None:
    stage = Stage(HOURLY, TRAIN)
    assert stage.later(1799) == []
    assert stage.later(1) == []
    begin = 1_800_000_000.0
    times = {"time": begin + 1800, "scheduled": begin + 1800}
    assert stage.started == [("trainer", {"job": "train", **times, "missed": 0})]
    assert stage.later(3600) == ["hourly"]
    hourly, train = stage.runner.figures()
    assert (hourly.runs, hourly.failures, hourly.rows, hourly.error) == (1, 0, 3, None)
    assert (train.runs, train.missed) == (2, 1)
    assert hourly.next_ns == int((begin + 7200) * SECOND)


def test_what_fails_is_told_and_runs_again(capsys: pytest.CaptureFixture[str]) -> None:
    stage = Stage(HOURLY, TRAIN)
    stage.answer, stage.refusal = JobError("the query is wrong"), JobError("no task")
    assert stage.later(3600) == ["hourly"]
    assert [figures.error for figures in stage.runner.figures()] == [
        "the query is wrong",
        "no task",
    ]
    assert "job failed" in "".join(capsys.readouterr())
    stage.answer = Done(1, 0)
    assert stage.later(3600) == ["hourly"]
    hourly, train = stage.runner.figures()
    assert (hourly.runs, hourly.failures, hourly.error) == (2, 1, None)
    assert train.failures == 2


def test_one_runs_when_it_is_asked_for() -> None:
    stage = Stage(HOURLY)
    assert not stage.runner.ask("other")
    assert stage.runner.ask("hourly")
    assert stage.later(0) == ["hourly"]
    assert stage.later(3599) == []
    assert stage.later(1) == ["hourly"]


def test_what_a_host_did_not_end_the_next_one_begins(tmp_path: Path) -> None:
    stage = Stage(HOURLY, keeper=TimerKeeper(tmp_path))
    keeper = stage.runner._keeper
    assert keeper is not None
    assert stage.later(3600) == ["hourly"]
    stage.answer = Stopped("the host stops")
    assert stage.later(3600) == ["hourly"]
    assert stage.runner.figures()[0].runs == 1
    keeper.save(at_once=True)
    again = Stage(HOURLY, keeper=TimerKeeper(tmp_path), begin=7300 * SECOND)
    assert again.later(0) == ["hourly"]
    assert again.later(3500) == ["hourly"]


def test_the_thread() -> None:
    stopping, ran = threading.Event(), threading.Event()
    job = Job(name="j", every="10ms", task="t")

    def start(task: str, payload: bytes) -> None:
        del task, payload
        ran.set()

    def query(job: Job) -> Done:
        raise AssertionError(job)

    runner = JobRunner([job], query, start, stopping)
    thread = threading.Thread(target=runner.run)
    thread.start()
    assert ran.wait(60)
    stopping.set()
    runner.wake()
    thread.join()
    assert runner.figures()[0].runs >= 1
